"""What a notebook shows: ``display``, ``displayHTML``, a cell's last value, figures."""

from __future__ import annotations

import base64
import io
import json
import pprint
import sys
from collections.abc import Callable
from typing import Any

from brickloop.localws.table_values import ROW_LIMIT, arrow_item, table_item

_LINE = 79


class Display:
    """Turns values into items of the notebook model; ``send`` takes each."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send

    def display(self, *values: Any, **_options: Any) -> None:
        """Show frames as tables, figures as images, anything else as text."""
        for value in values:
            if not self._show_rich(value):
                print(value if isinstance(value, str) else _text_of(value))  # noqa: T201

    def display_html(self, html: Any, **_options: Any) -> None:
        """Show HTML."""
        self._send({"type": "htmlSandbox", "data": str(html)})

    def show_last(self, value: Any) -> None:
        """Show the value of a cell's last expression, as an interactive Python does."""
        if value is None:
            return
        if _is_spark_frame(value):
            # a frame is lazy; it is shown when display is asked for
            print(repr(value))  # noqa: T201
        elif not self._show_rich(value):
            print(_text_of(value))  # noqa: T201

    def show_frame(self, frame: Any) -> None:
        """Show a Spark frame: at most 10,000 rows, fetched once."""
        item = fetch_frame(frame)
        if item is not None:
            self._send(item)

    def show_last_statement(self, frame: Any, *, shown: bool) -> None:
        """Run an SQL statement's frame; show it when it is the cell's last."""
        item = fetch_frame(frame)
        if item is not None and shown:
            self._send(item)

    def show_figures(self) -> None:
        """Show the figures that are open, and close them."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            if figure.axes or figure.texts or figure.images:
                self._show_figure(figure)
        pyplot.close("all")

    def hook_pyplot(self) -> None:
        """Make ``plt.show()`` show the figures where it stands, not at the cell's end."""
        pyplot: Any = sys.modules["matplotlib.pyplot"]
        pyplot.show = lambda *_args, **_options: self.show_figures()

    def hook_plotly(self) -> None:
        """Make plotly's ``figure.show()`` show it in the cell."""
        plotly: Any = sys.modules["plotly.io"]
        plotly.show = lambda figure, *_args, **_options: self.display(figure)

    def _show_rich(self, value: Any) -> bool:
        """Whether the value was shown as something better than text."""
        kind = type(value)
        module, name = kind.__module__, kind.__name__
        if _is_spark_frame(value):
            self.show_frame(value)
        elif module.startswith("pandas.") and name in {"DataFrame", "Series"}:
            self._send(_pandas_item(value))
        elif module.startswith("pyarrow.") and name == "Table":
            self._send(arrow_item(value))
        elif _is_listing(value):
            self._send(_listing_item(value))
        elif "matplotlib.figure" in {base.__module__ for base in kind.__mro__}:
            self._show_figure(value)
            sys.modules["matplotlib.pyplot"].close(value)
        elif module.startswith("plotly.") and callable(getattr(value, "to_html", None)):
            self.display_html(value.to_html(include_plotlyjs=True, full_html=False))
        else:
            return self._show_by_itself(value)
        return True

    def _show_by_itself(self, value: Any) -> bool:
        """Ask the object how it wants to be shown, as IPython does."""
        if isinstance(value, type):
            return False
        own = getattr(value, "_ipython_display_", None)
        if callable(own):
            own()
            return True
        bundle = _call(value, "_repr_mimebundle_")
        if isinstance(bundle, tuple):
            bundle = bundle[0]
        html = (bundle or {}).get("text/html") or _call(value, "_repr_html_")
        if html:
            self.display_html(html)
            return True
        for mime, method in (("image/png", "_repr_png_"), ("image/jpeg", "_repr_jpeg_")):
            data = (bundle or {}).get(mime) or _call(value, method)
            if data:
                text = data if isinstance(data, str) else base64.b64encode(data).decode()
                self._send({"type": "mimeBundle", "data": {mime: text}})
                return True
        svg = (bundle or {}).get("image/svg+xml") or _call(value, "_repr_svg_")
        if svg:
            self._send({"type": "mimeBundle", "data": {"image/svg+xml": str(svg)}})
        return bool(svg)

    def _show_figure(self, figure: Any) -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", bbox_inches="tight")
        encoded = base64.b64encode(buffer.getvalue()).decode()
        self._send({"type": "mimeBundle", "data": {"image/png": encoded}})


def fetch_frame(frame: Any) -> dict[str, Any] | None:
    """The table of a Spark frame's first 10,000 rows; None for the result of a command."""
    schema = frame.schema
    if not schema.fields:
        frame.toArrow()
        return None
    if getattr(frame, "isStreaming", False):
        raise ValueError("a streaming frame cannot be displayed in the local workspace")
    # never toPandas: it fails on dates past 2262 and holds everything four times
    table = frame.limit(ROW_LIMIT + 1).toArrow()
    return arrow_item(table, [json.dumps(field.dataType.jsonValue()) for field in schema.fields])


def _pandas_item(value: Any) -> dict[str, Any]:
    import pyarrow as pa

    frame = value.to_frame() if type(value).__name__ == "Series" else value
    if type(frame.index).__name__ != "RangeIndex":
        taken = {str(name) for name in frame.columns}
        names = [
            str(name) if name is not None and str(name) not in taken else f"index{i or ''}"
            for i, name in enumerate(frame.index.names)
        ]
        frame = frame.reset_index(names=names)
    more = len(frame) > ROW_LIMIT
    head = frame.head(ROW_LIMIT)
    names, types, columns = [], [], []
    for position, name in enumerate(head.columns):
        column = head.iloc[:, position]
        try:
            item = arrow_item(pa.table({"x": pa.Array.from_pandas(column)}))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            item = table_item(["x"], ['"string"'], [[_mixed(each) for each in column]], more=False)
        # what Arrow takes for missing in a float column is NaN there
        values = [row[0] for row in item["data"]]
        if column.dtype.kind == "f":
            values = column.tolist()
        names.append(str(name))
        types.append(item["schema"][0]["type"])
        columns.append(values)
    rows = min((len(values) for values in columns), default=0)
    return table_item(
        names, types, [values[:rows] for values in columns], more=more or rows < len(head)
    )


def _mixed(value: Any) -> Any:
    return None if value is None else str(value)


def _listing_item(entries: list[Any]) -> dict[str, Any]:
    names = list(entries[0]._fields)
    columns = [[getattr(entry, name) for entry in entries] for name in names]
    types = ['"long"' if isinstance(column[0], int) else '"string"' for column in columns]
    return table_item(names, types, columns, more=False)


def _is_listing(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, tuple) and hasattr(each, "_fields") for each in value)
        and len({type(each) for each in value}) == 1
    )


def _is_spark_frame(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.startswith("pyspark.sql") and kind.__name__ == "DataFrame"


def _text_of(value: Any) -> str:
    text = repr(value)
    if len(text) > _LINE and type(value) in {dict, list, tuple, set, frozenset}:
        return pprint.pformat(value, width=_LINE, sort_dicts=False)
    return text


def _call(value: Any, method: str) -> Any:
    found = getattr(value, method, None)
    if not callable(found):
        return None
    try:
        return found()
    except Exception:  # noqa: BLE001 - a broken representation falls back to the next one
        return None
