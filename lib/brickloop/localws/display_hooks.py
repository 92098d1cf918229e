"""What a notebook shows: ``display``, ``displayHTML``, a cell's last value, figures."""

from __future__ import annotations

import datetime
import decimal
import io
import math
import sys
from collections.abc import Callable
from typing import Any

from brickloop.localws.recorder import Recorder

_ROWS = 10_000
_CELL_TEXT = 64 * 1024


class Display:
    """Turns values into what the recorder keeps."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def display(self, value: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show a frame as a table, a figure as an image, anything else as text."""
        if value is None:
            return
        if not self._show_rich(value):
            self._recorder.text(
                f"{value!r}\n" if not isinstance(value, str) else f"{value}\n", "stdout"
            )

    def display_html(self, html: Any) -> None:
        """Show HTML."""
        self._recorder.html(str(html))

    def show_last(self, value: Any) -> None:
        """Show the value of a cell's last expression, as an interactive Python does."""
        if value is not None and not self._show_rich(value):
            self._recorder.text(f"{value!r}\n", "stdout")

    def show_figures(self) -> None:
        """Show the figures that were made and not yet shown, and close them."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        for number in pyplot.get_fignums():
            self._show_figure(pyplot.figure(number))
        pyplot.close("all")

    def show_frame(self, frame: Any) -> None:
        """Show a Spark frame: at most 10,000 rows, fetched once."""
        columns = [(field.name, _type_name(field.dataType)) for field in frame.schema.fields]
        if not columns:
            return
        table = frame.limit(_ROWS + 1).toArrow()
        self._show_arrow(table, columns)

    def _show_arrow(self, table: Any, columns: list[tuple[str, str]]) -> None:
        rows = [
            [plain_value(value) for value in row]
            for row in zip(
                *(column.to_pylist() for column in table.slice(0, _ROWS).columns), strict=True
            )
        ]
        self._recorder.table(columns, rows, table.num_rows > _ROWS)

    def _show_rich(self, value: Any) -> bool:
        kind = type(value)
        name = f"{kind.__module__}.{kind.__name__}"
        if name.startswith("pyspark.sql") and kind.__name__ == "DataFrame":
            self.show_frame(value)
        elif name.startswith("pandas.") and kind.__name__ == "DataFrame":
            columns = [(str(column), str(dtype)) for column, dtype in value.dtypes.items()]
            rows = [
                [plain_value(item) for item in row]
                for row in value.head(_ROWS).itertuples(index=False)
            ]
            self._recorder.table(columns, rows, len(value) > _ROWS)
        elif name == "pyarrow.lib.Table":
            self._show_arrow(value, [(field.name, str(field.type)) for field in value.schema])
        elif name == "matplotlib.figure.Figure":
            self._show_figure(value)
            sys.modules["matplotlib.pyplot"].close(value)
        elif callable(getattr(value, "_repr_html_", None)):
            self._recorder.html(value._repr_html_())
        else:
            return False
        return True

    def _show_figure(self, figure: Any) -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        self._recorder.image("image/png", buffer.getvalue())


def plain_value(value: Any) -> Any:
    """The value in JSON's types, exact: what JSON cannot hold becomes text."""
    if value is None or isinstance(value, bool | str):
        return value if not isinstance(value, str) else value[:_CELL_TEXT]
    if isinstance(value, int):
        # JavaScript's numbers, and so many readers', are exact up to here
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        return plain_value(value.item())
    return str(value)[:_CELL_TEXT]


def _type_name(kind: Any) -> str:
    return str(kind.simpleString())


def attach(frame_class: type, show: Callable[[Any], None]) -> None:
    """Give a frame class its ``display`` method."""
    frame_class.display = lambda self: show(self)  # type: ignore[attr-defined]
