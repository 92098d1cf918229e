"""However statements are quoted and commented, they are parted where they were joined."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brickloop.model.query import split_statements, tokens

QUOTED = st.text(alphabet="ab;'\"`-/*\\\n:", max_size=8)
PIECES = st.one_of(
    st.sampled_from(["SELECT", "1", "x", ",", "(", ")", "=", "a.b", ":p", "1.5", "CASE x END"]),
    QUOTED.map(lambda t: "'" + t.replace("\\", "\\\\").replace("'", "\\'") + "'"),
    QUOTED.map(lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    QUOTED.map(lambda t: "`" + t.replace("`", "``") + "`"),
    QUOTED.map(lambda t: "--" + t.replace("\n", " ") + "\n"),
    QUOTED.map(lambda t: "/* " + t.replace("/", "").replace("*", "") + " */"),
)
STATEMENTS = st.lists(PIECES, min_size=1, max_size=8).map(lambda pieces: "S " + " ".join(pieces))


@given(st.lists(STATEMENTS, min_size=1, max_size=5))
def test_what_was_joined_is_parted_again(statements):
    script = "\n;\n".join(statements)
    found = split_statements(script)
    assert [one.text for one in found] == [text.strip() for text in statements]
    for one in found:
        begin = script.split("\n")[one.line - 1]
        assert begin.lstrip().startswith(one.text.split("\n")[0][:1])


@given(st.text(max_size=60))
def test_any_text_is_read_to_its_end(text):
    for token in tokens(text):
        assert text[token.begin : token.end] == token.text
    split_statements(text)
