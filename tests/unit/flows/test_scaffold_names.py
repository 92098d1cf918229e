"""A project's name in the forms that folders, schemas and packages need."""

from __future__ import annotations

import keyword
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickloop.errors import UsageError
from brickloop.flows.scaffold import tomllib
from brickloop.flows.scaffold_names import project_name


@pytest.mark.parametrize(
    ("given", "identifier", "distribution", "title"),
    [
        ("my_project", "my_project", "my-project", "My project"),
        ("Sales-Report", "sales_report", "sales-report", "Sales Report"),
        ("my project", "my_project", "my-project", "My project"),
        ("v1.2", "v1_2", "v1-2", "V1 2"),
        ("2024-review", "p_2024_review", "2024-review", "2024 review"),
        ("überblick", "uberblick", "uberblick", "Überblick"),
        ("class", "class_project", "class-project", "Class"),
        ("default", "default_project", "default-project", "Default"),
        ("json", "json_project", "json-project", "Json"),
        # a project of that name could not depend on the package
        ("pandas", "pandas_project", "pandas-project", "Pandas"),
        ("brickloop", "brickloop_project", "brickloop-project", "Brickloop"),
    ],
)
def test_a_name_has_four_forms(given, identifier, distribution, title):
    found = project_name(given)
    assert (found.identifier, found.distribution, found.title) == (identifier, distribution, title)
    assert found.given == given


@pytest.mark.parametrize(
    "wrong",
    ["", "  ", ".", "..", "-x", "_", "a/b", "a\\b", "a\nb", "a\x1b[0m", "日本", "a'b", 'a"b', "x;y",
     "a" * 61, "con", "LPT1", "name.", "a$b"],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_a_hint(wrong):
    with pytest.raises(UsageError) as raised:
        project_name(wrong)
    assert raised.value.hint
    assert raised.value.exit_code == 2


@given(st.text(max_size=70))
def test_any_text_is_a_name_that_works_or_an_error(text):
    try:
        found = project_name(text)
    except UsageError:
        return
    assert found.identifier.isidentifier() and not keyword.iskeyword(found.identifier)
    assert found.identifier == found.identifier.lower()
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", found.distribution)
    assert tomllib.loads(f'name = "{found.title}"') == {"name": found.title}
