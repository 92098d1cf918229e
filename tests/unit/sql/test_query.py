"""A statement's way through cache, single flight and warehouse."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pyarrow as pa
import pytest
from tests.fakes.sql import ME, FakeWarehouse

from brickloop.errors import ConnectionFailed, ConnectionLost, OutputUnavailable, StatementFailed
from brickloop.model.query import parse_parameter, split_statements
from brickloop.sql.cache import ResultCache
from brickloop.sql.pool import SessionPool
from brickloop.sql.query import QueryRunner, Wishes


class Setting:
    """A runner with everything around it in reach."""

    def __init__(self, folder, identity=ME):
        self.warehouse = FakeWarehouse()
        self.pool = SessionPool(self.warehouse.open)
        self.cache = ResultCache(folder)
        self.runner = QueryRunner(
            self.pool, lambda _may_ask: identity, self.cache, host=lambda: ME.host
        )

    def run(self, text, *pairs, **wishes):
        bound = [parse_parameter(pair) for pair in pairs]
        return self.runner.run(split_statements(text)[0], bound, Wishes(**wishes))

    @property
    def asked(self):
        return self.warehouse.statements


@pytest.fixture
def setting(tmp_path):
    made = Setting(tmp_path / "cache")
    yield made
    made.pool.close()
    made.cache.close()


def lost(may_have_run):
    return ConnectionLost("gone", may_have_run=may_have_run)


def test_the_second_time_it_is_answered_from_the_cache(setting):
    live = setting.run("SELECT 1")
    cached = setting.run("SELECT 1")
    assert setting.asked == ["SELECT 1"]
    assert (live.from_cache, cached.from_cache) == (False, True)
    assert live.origin.why == "not in the cache"
    assert cached.origin.why.endswith(" old")
    assert list(cached) == list(live) == [(1,)]
    assert cached[0].n == cached[0]["n"] == 1
    assert cached.to_arrow().equals(live.to_arrow())
    assert cached.to_pandas().to_dict("list") == {"n": [1]}


def test_parameters_make_another_result(setting):
    setting.run("SELECT :a", "a=1")
    setting.run("SELECT :a", "a=2")
    setting.run("SELECT :a", "a=1")
    assert len(setting.asked) == 2


@pytest.mark.parametrize("field", ["user", "warehouse", "catalog", "schema", "host"])
def test_two_of_anything_never_share(tmp_path, field):
    one = Setting(tmp_path / "cache")
    two = Setting(tmp_path / "cache", replace(ME, **{field: "another"}))
    one.run("SELECT 1")
    assert not two.run("SELECT 1").from_cache
    assert two.run("SELECT 1").from_cache


def test_a_result_that_is_too_old_is_asked_anew(setting):
    setting.run("SELECT 1")
    time.sleep(0.02)
    result = setting.run("SELECT 1", ttl=0.01)
    assert not result.from_cache
    assert result.origin.why.startswith("the cached result is")


def test_refresh_asks_anew_and_keeps_the_result(setting):
    setting.run("SELECT 1")
    setting.warehouse.reply = lambda _text: pa.table({"n": [2]})
    assert list(setting.run("SELECT 1", refresh=True)) == [(2,)]
    assert list(setting.run("SELECT 1")) == [(2,)]


def test_without_the_cache_nothing_is_kept(setting):
    assert setting.run("SELECT 1", cache=False).origin.why == "the cache is not used"
    assert not setting.run("SELECT 1").from_cache


def test_offline_answers_whatever_the_age_and_never_asks(setting):
    setting.run("SELECT 1")
    time.sleep(0.02)
    assert setting.run("SELECT 1", offline=True, ttl=0.01).from_cache
    with pytest.raises(OutputUnavailable, match="no cached result: not in the cache"):
        setting.run("SELECT 2", offline=True)
    assert setting.asked == ["SELECT 1"]


def test_offline_without_knowing_who_asks_is_said(tmp_path):
    setting = Setting(tmp_path / "cache", None)
    with pytest.raises(OutputUnavailable, match="nothing is known of this workspace"):
        setting.run("SELECT 1", offline=True)


@pytest.mark.parametrize("text", ["SELECT now()", "SHOW TABLES", "INSERT INTO t VALUES (1)"])
def test_what_may_not_be_kept_is_asked_each_time(setting, text):
    for _ in range(2):
        result = setting.run(text)
        assert not result.from_cache
        assert result.origin.why.startswith("not cached: ")
    assert setting.asked == [text, text]


def test_a_change_made_from_here_makes_older_results_stale(setting):
    setting.run("SELECT * FROM t")
    setting.run("INSERT INTO t VALUES (1)")
    again = setting.run("SELECT * FROM t")
    assert not again.from_cache
    assert "data was changed from here" in again.origin.why
    assert setting.run("SELECT * FROM t").from_cache


def test_a_change_that_failed_may_have_changed_something_too(setting):
    setting.run("SELECT * FROM t")
    setting.warehouse.failures = [StatementFailed("no")]
    with pytest.raises(StatementFailed):
        setting.run("DELETE FROM t")
    assert not setting.run("SELECT * FROM t").from_cache


def test_a_limit_is_kept_to_and_said(setting):
    setting.warehouse.reply = lambda _text: pa.table({"n": list(range(10))})
    cut = setting.run("SELECT * FROM t", row_limit=3)
    assert (cut.row_count, cut.truncated) == (3, True)
    whole = setting.run("SELECT * FROM t", row_limit=10)
    assert (whole.row_count, whole.truncated) == (10, False)
    assert setting.run("SELECT * FROM t", row_limit=3).truncated
    assert len(setting.asked) == 2


def test_a_large_result_comes_back_whole(setting):
    table = pa.table({"n": list(range(50_000)), "s": ["x" * 20] * 50_000})
    setting.warehouse.reply = lambda _text: table
    setting.run("SELECT * FROM t")
    cached = setting.run("SELECT * FROM t")
    assert cached.from_cache
    assert 0 < len(cached.head.rows) <= 1000
    assert cached.to_arrow().equals(table)
    assert len(list(setting.run("SELECT * FROM t").plain_rows())) == 50_000


@pytest.mark.parametrize("may_have_run", [True, False])
def test_a_query_is_sent_again_when_the_connection_was_lost(setting, may_have_run):
    setting.warehouse.failures = [lost(may_have_run)]
    assert list(setting.run("SELECT 1")) == [(1,)]
    assert setting.asked == ["SELECT 1"] * 2
    assert len(setting.warehouse.sessions) == 2


def test_a_change_is_sent_again_only_if_it_cannot_have_run(setting):
    setting.warehouse.failures = [lost(False)]
    setting.run("INSERT INTO t VALUES (1)")
    assert len(setting.asked) == 2
    setting.warehouse.failures = [lost(True)]
    with pytest.raises(ConnectionLost):
        setting.run("INSERT INTO t VALUES (2)")
    assert len(setting.asked) == 3


def test_nothing_is_sent_a_third_time(setting):
    setting.warehouse.failures = [lost(False), lost(False)]
    with pytest.raises(ConnectionLost):
        setting.run("SELECT 1")
    assert len(setting.asked) == 2


def test_a_statement_that_failed_is_not_sent_again(setting):
    setting.warehouse.failures = [StatementFailed("no")]
    with pytest.raises(StatementFailed):
        setting.run("SELECT 1")
    assert len(setting.asked) == 1
    assert not setting.run("SELECT 1").from_cache


def test_a_session_that_cannot_be_opened_is_tried_once_more(setting):
    setting.warehouse.open_failures = [lost(False)]
    assert list(setting.run("SELECT 1")) == [(1,)]
    setting.pool.discard_idle()
    setting.warehouse.open_failures = [ConnectionFailed("no")]
    with pytest.raises(ConnectionFailed):
        setting.run("SELECT 2")


def test_use_and_set_hold_on_every_session_and_in_the_key(setting):
    setting.run("SELECT 1")
    setting.run("USE sales")
    setting.run("SET timezone = UTC")
    setting.pool.discard_idle()
    assert not setting.run("SELECT 1").from_cache
    assert setting.warehouse.sessions[-1].seen == ["USE sales", "SET timezone = UTC", "SELECT 1"]
    assert setting.run("SELECT 1").from_cache


def test_a_use_that_failed_does_not_hold(setting):
    setting.warehouse.failures = [StatementFailed("no such schema")]
    with pytest.raises(StatementFailed):
        setting.run("USE nowhere")
    setting.pool.discard_idle()
    setting.run("SELECT 1")
    assert setting.warehouse.sessions[-1].seen == ["SELECT 1"]


def test_with_a_temporary_view_nothing_is_cached(setting):
    setting.run("SELECT 1")
    setting.run("CREATE TEMP VIEW v AS SELECT 1")
    result = setting.run("SELECT 1")
    assert not result.from_cache
    assert "temporary views" in result.origin.why


def test_threads_that_ask_the_same_at_once_ask_once(setting):
    def slowly(_text):
        time.sleep(0.2)
        return pa.table({"n": [1]})

    setting.warehouse.reply = slowly
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(list(setting.run("SELECT 1"))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [[(1,)]] * 8
    assert setting.asked == ["SELECT 1"]


def test_where_the_one_that_asks_fails_the_next_asks(setting):
    setting.warehouse.failures = [StatementFailed("no")]

    def slowly(_text):
        time.sleep(0.05)
        return pa.table({"n": [1]})

    setting.warehouse.reply = slowly
    outcomes = []

    def ask():
        try:
            outcomes.append(list(setting.run("SELECT 1")))
        except StatementFailed:
            outcomes.append("failed")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, outcomes)) == ["[Row(n=1)]"] * 3 + ["failed"]
    assert len(setting.asked) == 2


def versions(*numbers):
    def reply(text):
        if "DESCRIBE HISTORY" in text:
            return pa.table(
                {
                    "place": list(range(len(numbers))),
                    "version": list(numbers),
                    "timestamp": ["then"] * len(numbers),
                }
            )
        return pa.table({"n": [1]})

    return reply


def test_fresh_uses_a_result_while_its_tables_are_the_same(setting):
    setting.warehouse.reply = versions(3, 7)
    text = "SELECT * FROM a JOIN b ON a.x = b.x"
    assert not setting.run(text, fresh=True).from_cache
    # one request, before the statement
    assert [one.startswith("SELECT 0 AS place") for one in setting.asked] == [True, False]
    time.sleep(0.02)
    again = setting.run(text, fresh=True, ttl=0.01)
    assert again.from_cache
    assert again.origin.why == "2 tables unchanged"
    setting.warehouse.reply = versions(3, 8)
    changed = setting.run(text, fresh=True)
    assert not changed.from_cache
    assert changed.origin.why == "a table has a new version"
    assert setting.run(text, fresh=True).from_cache


def test_fresh_asks_live_where_versions_cannot_be_known(setting):
    def reply(text):
        if "HISTORY" in text:
            raise StatementFailed("not a Delta table")
        return pa.table({"n": [1]})

    setting.warehouse.reply = reply
    for _ in range(2):
        assert not setting.run("SELECT * FROM a_view", fresh=True).from_cache


def test_a_label_names_a_result_for_one_identity(setting, tmp_path):
    setting.run("SELECT 1", label="mine")
    assert setting.run("SELECT  1 AS n", label="mine").from_cache
    other = Setting(tmp_path / "cache", replace(ME, user="you"))
    assert not other.run("SELECT 1", label="mine").from_cache


def test_a_broken_cache_does_not_keep_an_answer_away(tmp_path):
    (tmp_path / "file").write_text("")
    setting = Setting(tmp_path / "file")
    for _ in range(2):
        assert list(setting.run("SELECT 1")) == [(1,)]
    assert len(setting.asked) == 2


def damage(setting):
    """Turn a bit in the table's part of the one large entry."""
    path = next(setting.cache.directory.rglob("*.val"))
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def test_a_table_found_damaged_late_is_asked_anew(setting, tmp_path):
    told = []
    setting.cache = ResultCache(tmp_path / "other", warn=told.append)
    setting.runner = QueryRunner(
        setting.pool, lambda _may_ask: ME, setting.cache, host=lambda: ME.host
    )
    setting.warehouse.reply = lambda _text: pa.table({"n": list(range(50_000))})
    setting.run("SELECT * FROM t")
    damage(setting)
    setting.warehouse.reply = lambda _text: pa.table({"n": list(range(60_000))})
    found = setting.run("SELECT * FROM t")
    # its first rows are good, and shown without a look at the rest
    assert len(list(found.plain_rows(10))) == 10
    assert len(setting.asked) == 1
    assert len(list(found.plain_rows())) == 60_000
    assert (len(setting.asked), found.from_cache, found.row_count) == (2, False, 60_000)
    assert len(told) == 1
    assert "damaged" in told[0]
    damage(setting)
    with pytest.raises(OutputUnavailable, match="it was damaged"):
        setting.run("SELECT * FROM t", offline=True).to_arrow()


def test_a_change_counts_though_nobody_knows_yet_who_made_it(tmp_path):
    known = Setting(tmp_path / "cache")
    known.run("SELECT * FROM t")
    unknown = Setting(tmp_path / "cache", None)
    unknown.run("INSERT INTO t VALUES (1)", cache=False)
    assert not known.run("SELECT * FROM t").from_cache


def test_who_waited_for_one_that_failed_is_not_given_a_stale_result(setting):
    setting.run("SELECT * FROM t")
    setting.run("INSERT INTO t VALUES (1)")

    def slowly(_text):
        time.sleep(0.1)
        return pa.table({"n": [2]})

    setting.warehouse.reply = slowly
    outcomes = []

    def ask():
        try:
            outcomes.append(list(setting.run("SELECT * FROM t")))
        except StatementFailed:
            outcomes.append("failed")

    setting.warehouse.failures = [StatementFailed("no")]
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, outcomes)) == ["[Row(n=2)]"] * 2 + ["failed"]


def test_versions_are_asked_again_when_the_connection_was_lost(setting):
    setting.warehouse.reply = versions(3)
    setting.run("SELECT * FROM a", fresh=True)
    setting.warehouse.failures = [lost(False)]
    assert setting.run("SELECT * FROM a", fresh=True).from_cache
