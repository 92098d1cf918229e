"""The commands that pages name, and whether invoke and doit would take their words."""

from __future__ import annotations

import pkgutil
import re
import shlex
from collections.abc import Iterator

import benchmarks
from invoke.exceptions import ParseError
from invoke.parser import Parser
from invoke.program import Program

from brickloop.tasks import namespace
from docs import make

_ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "(", ")"}
_DOIT = {"clean", "dumpdb", "forget", "help", "ignore", "info", "list", "reset-dep", "run"}
_GROUPS = {"upload", "run", "fetch"}
_LACKS = re.compile("did not receive required positional|needed value and was not given")
_INNER = re.compile(r"\$\(([^()]+)\)")


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command in shell text, comments, pipes and assignments left out."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        for inner in _INNER.findall(line):
            yield from commands(inner)
        lexer = shlex.shlex(_INNER.sub("x", line), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in _ENDS:
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"\w+=.*", word):
                words.append(word)


def fault(words: list[str], *, name_only: bool = False) -> str | None:
    """What is wrong with a command of ours; None where it parses, or is none of ours.

    With ``name_only`` it may lack what it needs: a sentence that names it leaves that out.
    """
    program = words[0].rpartition("/")[2]
    if program in ("invoke", "inv", "brickloop"):
        wrong = None if _is_group(words[1:]) else _invoke_fault(words[1:])
        return None if name_only and wrong and _LACKS.search(wrong) else wrong
    if program == "doit":
        return _doit_fault(words[1:])
    if program in ("python", "python3") and words[1:2] == ["-m"]:
        return _module_fault(words[2:])
    return None


def _module_fault(words: list[str]) -> str | None:
    known = {"benchmarks": benchmarks.__path__, "docs.make": make.__path__}.get(words[0])
    named = [word for word in words[1:2] if not word.startswith("-")]
    if known is None or not named or named[0].isupper():
        return None
    there = {module.name for module in pkgutil.iter_modules(known)}
    return None if named[0] in there else f"there is no {words[0]} {named[0]}"


def _invoke_fault(words: list[str]) -> str | None:
    if words[:1] and words[0] in ("--list", "--help", "--version", "-l", "--complete"):
        return None
    initial = Program().initial_context
    try:
        parsed = Parser(contexts=namespace().to_contexts(), initial=initial).parse_argv(words)
    except ParseError as error:
        return str(error)
    extra = [str(context.name) for context in parsed[2:]]
    if extra:
        return f"reads as several commands: {extra}"
    return None if parsed[1:] else "names no command"


def _is_group(words: list[str]) -> bool:
    """Whether the words name commands that belong together, such as ``sync``."""
    return len(words) == 1 and words[0].removesuffix(".*") in {
        name.partition(".")[0] for name in namespace().task_names if "." in name
    }


def _doit_fault(words: list[str]) -> str | None:
    # `doit target=prod` gives a variable; what is done comes after it, or is the usual
    for word in [word for word in words if not re.match(r"\w+=", word)][:1]:
        if word.startswith("-") or ":" in word or word in _DOIT | _GROUPS:
            return None
        return f"'{word}' is no command of doit"
    return None
