"""invoke's parser, and what it says of wrong words: which word, what may be meant, exit code 2.

invoke prints its parser's own sentence and ends with 1, a number that cannot be read is a traceback
to it, and it gives a flag that it does not know to a positional argument. ``explain_wrong_words``
mends that in the program that has loaded us, for all commands of the project.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import TracebackType
from typing import Any

from invoke import Argument, Exit, ParseError, Program

from brickloop.errors import BrickloopError, UsageError

_FLAG = re.compile(r"--?[A-Za-z][\w-]*")
_HELP = frozenset({"-h", "--help"})
_UNKNOWN = re.compile(r"No idea what '(.*)' is!", re.DOTALL)
_AMBIGUOUS = re.compile(r"'(.*)' is ambiguous", re.DOTALL)
_NO_GROUP = re.compile(r"Sub-collection '(.*)' not found!")
_CLOSE = 0.6
_MOST = 3


def explain_wrong_words() -> None:
    """Have invoke's program say what is wrong with a command line as we say it."""
    if not hasattr(Program.parse_tasks, "explains"):
        Program.parse_core = _explained(Program.parse_core, lambda _program: None)
        Program.parse_tasks = _explained(Program.parse_tasks, _check_words)
        Program.parse_cleanup = _explained(Program.parse_cleanup, lambda _program: None)


def nearest(wrong: str, known: Iterable[str]) -> list[str]:
    """The names that may be meant by one that is none, the nearest first."""
    names = list(known)
    parts = [name for name in names if wrong in name.split(".") or name.startswith(wrong)]
    return list(dict.fromkeys([*parts, *difflib.get_close_matches(wrong, names, _MOST, _CLOSE)]))


def _explained(parse: Callable[..., None], check: Callable[[Any], None]) -> Callable[..., None]:
    def explained(program: Any, *argv: Any) -> None:
        try:
            parse(program, *argv)
            check(program)
        except ParseError as error:
            _say(program, _in_our_words(program, error))
        except ValueError as error:
            found = _wrong_number(error)
            if found is None:
                raise
            _say(program, found)
        except OSError as error:
            _say_of_system(program, error)
        except Exit as leaving:
            group = _NO_GROUP.fullmatch(leaving.message or "")
            if group is None:
                raise
            _say(program, _unknown_command(program, group[1]))

    explained.explains = True  # type: ignore[attr-defined]
    return explained


def _say_of_system(program: Any, error: OSError) -> None:
    """What the lists and the help could not be written to: a closed pipe, a full disk."""
    if isinstance(error, BrokenPipeError):
        from brickloop.tasks.command import quiet_pipe

        quiet_pipe()
        raise Exit(code=0) from None
    from brickloop.clients.failure import known_failure

    known = known_failure(error)
    if known is None:
        raise error
    _say(program, known)


def _say(program: Any, error: BrickloopError | None) -> None:
    if error is None:
        raise Exit(code=0)
    from brickloop.display.diagnostics import report_error

    report_error(error)
    raise Exit(code=error.exit_code) from None


def _check_words(program: Any) -> None:
    for context in program.tasks:
        taken = _taken_flag(context)
        if taken in _HELP:
            program.print_task_help(context.name)
            raise Exit(code=0)
        if taken:
            raise ParseError(f"No idea what '{taken}' is!", context)


def _in_our_words(program: Any, error: ParseError) -> UsageError | None:
    context = error.context
    text = str(error)
    taken = _taken_flag(context) if context is not None and context.name else None
    if taken in _HELP:
        program.print_task_help(context.name)
        return None
    unknown = _UNKNOWN.fullmatch(text)
    if taken or unknown:
        word = taken or (unknown[1] if unknown else "")
        return _unknown_word(program, context, word)
    ambiguous = _AMBIGUOUS.match(text)
    if ambiguous:
        return UsageError(
            f"'{ambiguous[1]}' may be a flag's value or a word of its own",
            hint="write the flag's value after an equals sign: --flag=value",
        )
    if context is not None and context.name and context.missing_positional_args:
        return _missing(program, context)
    flag = re.search(r"<Argument: ([\w-]+)", text)
    if flag:
        name = f"--{flag[1].replace('_', '-')}"
        what = "takes no value" if "doesn't take" in text else "needs a value"
        return UsageError(f"{name} {what}", hint=_see(program, context))
    return UsageError(text, hint=_see(program, context))


def _unknown_word(program: Any, context: Any, word: str) -> UsageError:
    named = context is not None and bool(context.name)
    if word.startswith("-"):
        flags = [*(context.flags if named else ()), *(context.inverse_flags if named else ())]
        flags += list(program.initial_context.flags)
        long = [flag for flag in flags if flag.startswith("--")]
        command = f"{_name(program)} {context.name}" if named else _name(program)
        return UsageError(
            f"{command} has no flag '{word}'",
            hint=_with_nearest(nearest(word, long), _see(program, context)),
        )
    if named and not nearest(word, program.parser.contexts):
        return UsageError(
            f"'{word}' is left over after {context.name}",
            hint=f"put what belongs together in quotes; {_see(program, context)}",
        )
    return _unknown_command(program, word)


def _unknown_command(program: Any, word: str) -> UsageError:
    return UsageError(
        f"there is no command '{word}'",
        hint=_with_nearest(
            nearest(word, program.parser.contexts), f"{_name(program)} --list shows all"
        ),
    )


def _missing(program: Any, context: Any) -> UsageError:
    missing = context.missing_positional_args
    names = " and ".join(str(one.name).upper() for one in missing)
    what = f" ({missing[0].help})" if len(missing) == 1 and missing[0].help else ""
    example = example_of(program.collection[context.name].__doc__ or "")
    example = re.sub("^invoke ", f"{_name(program)} ", example)
    return UsageError(
        f"{context.name} needs {names}{what}",
        hint=f"such as: {example}" if example else _see(program, context),
    )


def example_of(text: str) -> str:
    """The command line that a docstring gives as its example; empty where it gives none."""
    found = re.search(r"Example: (.+)", text)
    return found[1].strip() if found else ""


def _wrong_number(error: ValueError) -> UsageError | None:
    argument = _argument_in(error.__traceback__)
    if argument is None:
        return None
    kind = "a whole number" if argument.kind is int else f"of the kind {argument.kind.__name__}"
    name = str(argument.names[0]).replace("_", "-")
    return UsageError(f"--{name} is '{argument.raw_value}', not {kind}", hint=argument.help)


def _argument_in(trace: TracebackType | None) -> Argument | None:
    found = None
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        found = owner if isinstance(owner, Argument) else found
        trace = trace.tb_next
    return found


def _taken_flag(context: Any) -> str | None:
    """A flag that the parser did not know and gave to a positional argument."""
    for argument in context.positional_args:
        raw = argument.raw_value
        if isinstance(raw, str) and _FLAG.fullmatch(raw):
            return raw
    return None


def _with_nearest(found: list[str], otherwise: str) -> str:
    return f"did you mean {', '.join(found[:_MOST])}? ({otherwise})" if found else otherwise


def _see(program: Any, context: Any) -> str:
    named = context is not None and context.name
    return f"{_name(program)} --help {context.name}" if named else f"{_name(program)} --help"


def _name(program: Any) -> str:
    stem = PurePath(program.argv[0]).stem if program.argv else ""
    return stem if stem in {"invoke", "inv", "brickloop"} else "invoke"
