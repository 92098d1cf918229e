"""One self-contained page of a run: no network, no script but our own, everything else escaped."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from html import escape

import brickloop
from brickloop.model.document import Document, Section
from brickloop.model.failure import describe_failure
from brickloop.model.run import (
    CellOutput,
    CellResult,
    HtmlOutput,
    ImageOutput,
    RunResult,
    RunStatus,
    TableOutput,
    TextOutput,
)
from brickloop.model.text import one_line, write_duration
from brickloop.report import markup
from brickloop.report.section_html import section_body
from brickloop.report.shell import render_shell
from brickloop.report.timing import cell_name, timing_chart

SavedFigure = Callable[[str, str, bytes], str]
"""The link from the page to a figure's file, by its title, kind and bytes; empty for none."""

_BUDGET = 24 * 1024 * 1024
"""Characters of a page, figures included: more than that opens slowly or not at all."""
_LEAST_ROOM = 100_000
_MOST_CARDS = 2_000
_MOST_ENTRIES = 200
_MOST_PROGRESS = 50
_SHORTEST_TOLD = 0.1


def render_page(result: RunResult, name: str, *, saved: SavedFigure | None = None) -> str:
    """The page of one run as HTML text."""
    return _Page(result, name, saved or (lambda title, mime, data: "")).render()


class _Page:
    """The parts of a page, and how much room is left on it."""

    def __init__(self, result: RunResult, name: str, saved: SavedFigure) -> None:
        self._result = result
        self._name = name
        self._saved = saved
        self._left = _BUDGET
        self._document: Document | None = result.document
        file = name.rsplit("/", 1)[-1]
        self._text_file, self._json_file = f"{file}.txt", f"{file}.json"

    def render(self) -> str:
        document = self._document
        sections = list(document.sections) if document else []
        cells = [cell for cell in self._result.cells if _is_told(cell)]
        cards = [self._failure()] if not self._result.status.succeeded else []
        cards += self._gaps()
        cards += self._cards("Output", "section", sections, self._section)
        if document and document.progress and not document.complete:
            cards += [
                self._section(at, each, f"progress-{at}")
                for at, each in enumerate(document.progress[:_MOST_PROGRESS], 1)
            ]
        if self._result.exit_value:
            cards.append(self._exit(self._result.exit_value))
        if len(cells) > 1:
            cards.append(timing_chart(cells))
        cards += self._cards("Cells", "cell", cells, self._cell)
        if not sections and not cells and self._result.status.succeeded:
            cards.append('<p class="note">The run put nothing out.</p>')
        contents = self._contents(sections, cells)
        content = (
            f'<div class="wrap{" with-nav" if contents else ""}">{contents}'
            f'<main id="main">{"".join(cards)}</main></div>'
        )
        return render_shell(
            title=f"{one_line(self._name)}: {state_of(self._result.status)}",
            head=self._head(),
            content=content,
            foot=self._foot(),
        )

    def _head(self) -> str:
        result, document = self._result, self._document
        status = result.status
        facts = [("Started", moment(status.started_ms)), ("Took", _took_run(status))]
        run = str(status.run_id)
        if status.page_url.startswith(("https://", "http://")):
            run = f'<a href="{escape(status.page_url)}" rel="noopener noreferrer">{run}</a>'
        facts.append(("Run", run))
        named: dict[str, str] = {}
        if document is not None:
            named = {**document.params, **document.metadata}
        shown = [(text, value) for text, value in facts if value]
        items = "".join(f"<div><dt>{text}</dt><dd>{value}</dd></div>" for text, value in shown)
        items += "".join(
            f"<div><dt>{markup.short(key)}</dt><dd>{markup.short(value)}</dd></div>"
            for key, value in list(named.items())[:60]
        )
        return (
            f'<div class="title"><h1>{markup.text_markup(self._name)}</h1>'
            f'{state_pill(status)}</div><dl class="facts">{items}</dl>'
        )

    def _contents(self, sections: list[Section], cells: list[CellResult]) -> str:
        groups = (
            ("Output", "section", [(each.title, each.kind == "error") for each in sections]),
            (
                "Cells",
                "cell",
                [(f"{c.index + 1} {cell_name(c)}", c.error is not None) for c in cells],
            ),
        )
        parts = []
        for heading, kind, entries in groups:
            if entries:
                links = "".join(
                    f"<li><a{' class=bad' if bad else ''} href=#{kind}-{at}>"
                    f"{markup.short(text)}</a></li>"
                    for at, (text, bad) in enumerate(entries[:_MOST_ENTRIES], 1)
                )
                if len(entries) > _MOST_ENTRIES:
                    links += f"<li><a>… {len(entries) - _MOST_ENTRIES:,} more</a></li>"
                parts.append(f"<h2>{heading}</h2><ul>{links}</ul>")
        if not parts:
            return ""
        return f'<nav class="contents" aria-label="Contents">{"".join(parts)}</nav>'

    def _cards(
        self,
        heading: str,
        kind: str,
        items: Sequence[Section | CellResult],
        render: Callable[..., str],
    ) -> Iterable[str]:
        """A group of cards, as many as there is room for."""
        if not items:
            return
        button = ""
        if kind == "cell":
            button = (
                '<span class="plain"><button type="button" class="button" data-action="code" '
                'aria-pressed="false" hidden>Show all code</button></span>'
            )
        yield f'<h2 class="group">{heading}{button}</h2>'
        for at, item in enumerate(items, 1):
            if at > _MOST_CARDS or self._left < _LEAST_ROOM:
                left_out = len(items) - at + 1
                yield (
                    f'<p class="banner">{left_out:,} more of {len(items):,} {kind}s are not shown, '
                    f"to keep the page light. {self._files()} hold all of them.</p>"
                )
                return
            anchor = f"{kind}-{at}"
            card = render(at, item, anchor)
            if len(card) > self._left:
                card = self._too_large(item, anchor, len(card))
            self._left -= len(card)
            yield card

    def _too_large(self, item: Section | CellResult, anchor: str, size: int) -> str:
        """What stands in the place of a card that there is no room for."""
        named = item.title if isinstance(item, Section) else cell_name(item)
        return (
            f'<section class="card" id="{anchor}">{_card_head(markup.short(named))}'
            f'<p class="banner">With {size / 1e6:.0f} MB this is too large for the page. '
            f"{self._files()} hold it.</p></section>"
        )

    def _section(self, at: int, section: Section, anchor: str) -> str:
        css = {"error": " bad", "warning": " warn"}.get(section.kind, "")
        head = _card_head(markup.short(section.title), _took_section(section))
        return (
            f'<section class="card{css}" id="{anchor}">{head}{section_body(section, self._image)}'
            f"{''.join(map(markup.note_markup, section.notes))}</section>"
        )

    def _cell(self, at: int, cell: CellResult, anchor: str) -> str:
        outputs = "".join(self._output(output, cell) for output in cell.outputs)
        if not outputs and cell.command.lstrip().lower().startswith("%md"):
            first, _, rest = cell.command.lstrip().partition("\n")
            prose = markup.markdown(f"{first.partition(' ')[2]}\n{rest}")
            return f'<section class="card prose" id="{anchor}">{prose}</section>'
        title = markup.short(cell.first_line)
        css = "" if cell.title else ' class="code-line"'
        head = (
            f'<header><h3{css}><span class="n">{cell.index + 1}</span> {title}</h3>'
            f'<span class="took">{_took_cell(cell)}</span></header>'
        )
        failed = cell.error is not None
        lines = cell.command.count("\n") + 1
        source = (
            f'<details class="code"><summary>Code, {lines} line{"" if lines == 1 else "s"}'
            f"</summary>{markup.code(cell.command)}</details>"
        )
        return (
            f'<section class="card{" bad" if failed else ""}" id="{anchor}">'
            f"{head}{source}{outputs}</section>"
        )

    def _output(self, output: CellOutput, cell: CellResult) -> str:
        if isinstance(output, TextOutput):
            return markup.block(output.text.rstrip("\n"))
        if isinstance(output, TableOutput):
            return markup.table(
                output.columns, output.rows, cell.first_line, truncated=output.truncated
            )
        if isinstance(output, ImageOutput):
            return self._image(output.mime, output.data, cell.first_line)
        if isinstance(output, HtmlOutput):
            return markup.frame(output.html, cell.first_line)
        error = f"{output.name}: {output.message}" if output.name else output.message
        return (
            f'<p class="bad-text"><b>{markup.text_markup(error)}</b></p>'
            f"{markup.block(output.trace, 'trace')}"
        )

    def _image(self, mime: str | None, data: bytes | None, title: str) -> str:
        saved = self._saved(title, mime, data) if mime and data else ""
        return markup.image(mime, data, title, saved)

    def _failure(self) -> str:
        failure = describe_failure(self._result)
        error = f"{failure.name}: {failure.message}" if failure.name else failure.message
        parts = [f'<h2 class="bad-text">{markup.short(error)}</h2>']
        if len(error) > markup.LONGEST_TITLE:
            parts.append(markup.block(error))
        if failure.cell is not None:
            title = f" ({markup.short(failure.cell.title)})" if failure.cell.title else ""
            place = f", line {failure.line}" if failure.line else ""
            parts.append(f'<p class="note">in cell {failure.cell.index + 1}{title}{place}</p>')
            parts.append(markup.code(failure.cell.command, marked=failure.line or 0))
        if failure.trace:
            parts.append(markup.block(failure.trace, "trace"))
        full = self._full_trace()
        if failure.shortened and full:
            parts.append(
                "<details><summary>The whole trace</summary>"
                f"{markup.block(full, 'trace')}</details>"
            )
        if failure.hint:
            parts.append(f'<p class="hint"><b>Hint</b> {markup.text_markup(failure.hint)}</p>')
        return f'<section class="card failure" aria-label="Failure">{"".join(parts)}</section>'

    def _full_trace(self) -> str:
        error = next((cell.error for cell in self._result.cells if cell.error), None)
        return error.trace if error else self._result.error_trace or ""

    def _gaps(self) -> list[str]:
        """What is missing, said above everything else."""
        found = []
        document = self._document
        if (
            document is not None
            and not document.complete
            and (document.reason or not self._result.status.succeeded)
        ):
            why = f": {document.reason}" if document.reason else ""
            found.append(f"The output is incomplete{why}.")
        if self._result.cells_missing:
            found.append(f"There are no cells: {self._result.cells_missing}")
        return [f'<p class="banner">{markup.text_markup(text)}</p>' for text in found]

    def _exit(self, value: str) -> str:
        body = markup.json_block(value) if value[:1] in {"{", "["} else markup.block(value)
        return f'<section class="card" id="exit">{_card_head("Exit value")}{body}</section>'

    def _files(self) -> str:
        text, data = escape(_url(self._text_file)), escape(_url(self._json_file))
        return (
            f'<a href="{text}">{escape(one_line(self._text_file))}</a> and '
            f'<a href="{data}">{escape(one_line(self._json_file))}</a>'
        )

    def _foot(self) -> str:
        return (
            f"<span>brickloop {escape(brickloop.__version__)}</span>"
            f"<span>The same in other forms: {self._files()}</span>"
        )


def state_of(status: RunStatus) -> str:
    """The result state, or the life-cycle state of a run that has none."""
    return status.result.value if status.result else status.life_cycle.value


def state_pill(status: RunStatus) -> str:
    """The state of a run, in its colour and in words."""
    css = "good" if status.succeeded else "bad" if status.life_cycle.is_final else "open"
    words = state_of(status).replace("_", " ").capitalize()
    return f'<span class="state {css}">{escape(words)}</span>'


def _is_told(cell: CellResult) -> bool:
    return cell.state != "skipped" and bool(cell.command.strip() or cell.outputs)


def _card_head(title: str, took: str = "") -> str:
    return f'<header><h3>{title}</h3><span class="took">{took}</span></header>'


def _took_run(status: RunStatus) -> str:
    return write_duration(status.ended_ms - status.started_ms) if status.ended_ms else ""


def _took_section(section: Section) -> str:
    """How long a query took, else how long it was since the section before."""
    if section.ms is not None:
        return write_duration(section.ms)
    if section.seconds is None or section.seconds < _SHORTEST_TOLD:
        return ""
    since = write_duration(section.seconds * 1000)
    return f'<span title="{since} after what is before it">+{since}</span>'


def _took_cell(cell: CellResult) -> str:
    if cell.kept:
        return '<span title="not run again: as an earlier run left it">kept</span>'
    return write_duration(max(cell.ended_ms - cell.started_ms, 0)) if cell.ended_ms else ""


def moment(ms: int) -> str:
    """A time as markup, in UTC; empty for none."""
    if ms <= 0:
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return ""
    return f'<time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'


def _url(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
