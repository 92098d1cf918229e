"""`doit` on the example project: what the notebooks say against what pandas finds in the files."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from brickloop import launcher
from brickloop.model.locking import FileLock

ROOT = Path(__file__).parents[2]
DATA = ROOT / "projects" / "nyc_flights" / "data"
NOTEBOOKS = ("01_load", "02_clean", "03_delays", "04_weather", "05_figures")
TOLERANCE = 0.051
"""Percentages are rounded to one digit."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of outputs after one `doit` in a copy of the project, for all test processes."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    root = base / "example-project"
    with FileLock(base / "example-project.lock", wait_seconds=300):
        if not root.exists():
            run_doit(root)
    return root / "outputs"


def run_doit(root: Path) -> None:
    """Copy the project to ``root``, run `doit` there and stop its workspace."""
    root.mkdir()
    for name in ("dodo.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "projects", root / "projects", ignore=ignored)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABRICKS_", "BRICKLOOP_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "doit"],
        cwd=root,
        env={**kept, "DATABRICKS_CONFIG_FILE": str(root / "none.cfg")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    launcher.stop(root / ".brickloop" / "local")
    assert done.returncode == 0, done.stdout + done.stderr


@functools.cache
def flights() -> pd.DataFrame:
    """The flights as published, with the three facts that the notebooks work out."""
    frame = pd.read_csv(DATA / "flights.csv.gz")
    frame["hour"] = frame["sched_dep_time"] // 100
    frame["cancelled"] = frame["dep_delay"].isna()
    # a flight that never left is neither late nor on time
    frame["late"] = (frame["dep_delay"] >= 15).astype(float).where(~frame["cancelled"])
    return frame


@functools.cache
def flights_in_weather() -> pd.DataFrame:
    """The flights with the reading of their hour and the name of that weather."""
    weather = pd.read_csv(DATA / "weather.csv.gz")
    weather["wind_speed"] = weather["wind_speed"].where(weather["wind_speed"] <= 253)
    keys = ["origin", "year", "month", "day", "hour"]
    frame = flights().merge(weather, on=keys, how="left", validate="many_to_one")
    frame["condition"] = [name_weather(row) for row in frame.itertuples()]
    return frame


def name_weather(row: Any) -> str:
    """The rules of flight_rules.py in plain Python."""
    if pd.isna(row.visib):
        return "unknown"
    if row.precip > 0:
        if row.temp <= 34:
            return "snow"
        return "heavy rain" if row.precip >= 0.1 else "rain"
    if row.visib < 3:
        return "fog"
    return "wind" if row.wind_speed >= 20 or row.wind_gust >= 30 else "calm"


def document(outputs: Path, notebook: str) -> dict[str, Any]:
    """What `doit` saved of a notebook's run."""
    loaded: dict[str, Any] = json.loads((outputs / f"{notebook}.json").read_text())
    return loaded


def section(outputs: Path, notebook: str, title: str) -> dict[str, Any]:
    """The section of a notebook's output with a title."""
    found = [s for s in document(outputs, notebook)["sections"] if s["title"] == title]
    assert len(found) == 1, f"{len(found)} sections '{title}' in {notebook}"
    return dict(found[0])


def table(part: dict[str, Any], index: str) -> dict[Any, dict[str, Any]]:
    """A table's rows as dicts, by the value in one of its columns."""
    names = [name for name, _ in part["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in part["rows"]]
    return {row[index]: row for row in rows}


def cell_table(outputs: Path, notebook: str, title: str, index: str) -> dict[Any, dict[str, Any]]:
    """The table that the cell with a title displayed."""
    cells = [c for c in document(outputs, notebook)["cells"] if c["title"] == title]
    assert len(cells) == 1, f"{len(cells)} cells '{title}' in {notebook}"
    tables = [out for out in cells[0]["outputs"] if out["kind"] == "table"]
    assert len(tables) == 1
    return table(tables[0], index)


def test_each_notebook_succeeds_and_leaves_three_files(outputs: Path) -> None:
    for notebook in NOTEBOOKS:
        saved = document(outputs, notebook)
        assert saved["run"]["result"] == "SUCCESS"
        assert {cell["state"] for cell in saved["cells"]} == {"finished"}
        assert (outputs / f"{notebook}.txt").stat().st_size > 500
        assert "<html" in (outputs / f"{notebook}.html").read_text()
    assert len(list(outputs.glob("*.json"))) == len(NOTEBOOKS)


def test_every_row_of_the_files_is_loaded(outputs: Path) -> None:
    loaded = table(section(outputs, "01_load", "Rows loaded"), "table_name")
    expected = {
        "raw_flights": len(flights()),
        "raw_weather": len(pd.read_csv(DATA / "weather.csv.gz")),
        "airlines": len(pd.read_csv(DATA / "airlines.csv")),
        "airports": len(pd.read_csv(DATA / "airports.csv")),
        "planes": len(pd.read_csv(DATA / "planes.csv")),
    }
    assert {name: int(row["row_count"]) for name, row in loaded.items()} == expected
    assert expected["raw_flights"] >= 10_000


def test_a_longer_table_is_cut_and_says_how_long_it_is(outputs: Path) -> None:
    first = section(outputs, "01_load", "The first departures of February")
    assert len(first["rows"]) == 5
    assert first["truncated"] is True
    assert first["total"] == len(flights())


def test_cleaning_counts_what_was_wrong(outputs: Path) -> None:
    quality = table(section(outputs, "02_clean", "Quality of the data"), "what")
    built = pd.read_csv(DATA / "planes.csv").set_index("tailnum")["year"]
    raw = flights()
    assert {what: int(row["row_count"]) for what, row in quality.items()} == {
        "flights": len(raw),
        "cancelled": int(raw["dep_delay"].isna().sum()),
        "diverted": int((raw["dep_delay"].notna() & raw["arr_delay"].isna()).sum()),
        "without a tail number": int(raw["tailnum"].isna().sum()),
        "aircraft of unknown age": int(raw["tailnum"].map(built).isna().sum()),
        "impossible wind readings": 1,
    }


def test_months_are_as_late_as_pandas_finds_them(outputs: Path) -> None:
    months = table(section(outputs, "02_clean", "Months"), "month")
    assert sorted(months) == [2, 4, 7, 10]
    for month, rows in flights().groupby("month"):
        assert int(months[month]["flights"]) == len(rows)
        check_percent(months[month]["late_percent"], rows["late"])
        check_percent(months[month]["cancelled_percent"], rows["cancelled"])


def test_the_sql_notebook_agrees_on_airports_and_hours(outputs: Path) -> None:
    airports = cell_table(outputs, "03_delays", "The three airports", "origin")
    assert sorted(airports) == ["EWR", "JFK", "LGA"]
    for origin, rows in flights().groupby("origin"):
        assert int(airports[origin]["flights"]) == len(rows)
        check_percent(airports[origin]["late_percent"], rows["late"])
        assert float(airports[origin]["mean_delay"]) == pytest.approx(
            rows["dep_delay"].mean(), abs=TOLERANCE
        )
    hours = cell_table(outputs, "03_delays", "The day, hour by hour", "hour")
    expected = flights()[flights()["hour"] >= 5]
    assert sorted(hours) == sorted(expected["hour"].unique())
    for hour, rows in expected.groupby("hour"):
        check_percent(hours[hour]["late_percent"], rows["late"])


def test_the_weather_notebook_joins_without_losing_a_flight(outputs: Path) -> None:
    conditions = table(section(outputs, "04_weather", "Weather and delay"), "condition")
    assert sum(int(row["flights"]) for row in conditions.values()) == len(flights())
    expected = flights_in_weather().groupby("condition")
    assert sorted(conditions) == sorted(expected.groups)
    for condition, rows in expected:
        found = conditions[condition]
        assert int(found["flights"]) == len(rows)
        check_percent(found["late_percent"], rows["late"])
        check_percent(found["cancelled_percent"], rows["cancelled"])


def test_the_blizzard_of_february_stands_out(outputs: Path) -> None:
    part = section(outputs, "04_weather", "Most cancellations in a day")
    assert "count_if(cancelled)" in part["query"]
    days = table(part, "flight_date")
    assert list(days)[:2] == ["2013-02-08", "2013-02-09"]
    counted = flights()[flights()["cancelled"]].groupby(["month", "day"]).size()
    assert [int(row["cancelled"]) for row in days.values()] == sorted(counted, reverse=True)[:5]


def test_the_figures_are_images_and_the_conclusions_are_right(outputs: Path) -> None:
    saved = document(outputs, "05_figures")
    figures = [part for part in saved["sections"] if part["kind"] == "figure"]
    assert [part["title"] for part in figures] == ["Late departures by hour", "Weather", "Airlines"]
    for part in figures:
        data = base64.b64decode(part["data"])
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(data) > 10_000
    names = pd.read_csv(DATA / "airlines.csv", keep_default_na=False).set_index("carrier")["name"]
    by_carrier = flights().groupby("carrier").agg(n=("late", "size"), late=("late", "mean"))
    large = by_carrier[by_carrier["n"] >= 1000]["late"]
    assert saved["metadata"]["worst_carrier"] == names[str(large.idxmax())]
    assert saved["metadata"]["best_carrier"] == names[str(large.idxmin())]


def test_the_data_is_what_its_readme_says() -> None:
    readme = (DATA / "README.md").read_text()
    for name in ("flights", "weather", "airlines", "airports", "planes"):
        packed = DATA / f"{name}.csv.gz"
        text = (
            gzip.decompress(packed.read_bytes())
            if packed.exists()
            else (DATA / f"{name}.csv").read_bytes()
        )
        assert f"{hashlib.sha256(text).hexdigest()}  {name}.csv" in readme
        assert f"{text.count(10) - 1:,} |" in readme
    assert sum(file.stat().st_size for file in DATA.iterdir()) <= 3 * 1024 * 1024
    assert "CC0" in readme


def check_percent(found: Any, values: pd.Series[Any]) -> None:
    """That a rounded percentage is the share of ``values`` that hold; missing ones do not count."""
    assert float(found) == pytest.approx(100 * values.mean(), abs=TOLERANCE)
