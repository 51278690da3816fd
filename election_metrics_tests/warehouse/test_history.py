"""What was shown can be asked for again: versions of rows, commits in order, the tables as of any of them."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from election_metrics.settings import Settings
from election_metrics.warehouse.as_of import KEPT, NotKeptError, in_the_past, known_at
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import copy_rows, read_frame, replace_scope
from election_metrics.warehouse.tables import elections, missing_input
from election_metrics.warehouse.tables import rule_coverage as table
from election_metrics.warehouse.thinning import thin_history
from election_metrics_tests.computing import rows

NOW = datetime(2026, 9, 18, tzinfo=UTC)
FIGURES = "SELECT rule, constituencies_judged, constituencies_total, run_id FROM metrics.rule_coverage ORDER BY rule"
State = Mapping[str, int]


@pytest.fixture
def election(chosen: Settings) -> Settings:
    """A warehouse with an election to hang rows on."""
    frame = pd.DataFrame([{"election_id": "e", "name": "e", "time_zone": "UTC", "run_id": "r", "computed_at": NOW}])
    with transaction(chosen) as connection:
        copy_rows(connection, elections, frame)
    return chosen


def commit(chosen: Settings, state: State, run: str = "run") -> None:
    """Makes a table equal to a state: constituencies_judged by rule."""
    frame = pd.DataFrame(
        [("e", rule, judged, 9, run, NOW) for rule, judged in state.items()],
        columns=["election_id", "rule", "constituencies_judged", "constituencies_total", "run_id", "computed_at"],
    )
    with transaction(chosen) as connection:
        begin_commit(connection, run, ["new file"])
        replace_scope(connection, table, table.c.election_id == "e", frame)


def shown(chosen: Settings, moment: datetime | None = None) -> list[list[object]]:
    """The table, now or as of a moment."""
    with transaction(chosen) as connection:
        return [list(row) for row in known_at(connection, moment).execute(sa.text(FIGURES))]


def clock(chosen: Settings) -> datetime:
    """The time of the database."""
    return pd.Timestamp(rows(chosen, "SELECT clock_timestamp() AS now")["now"].iloc[0]).to_pydatetime()


STATES = st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES)
def test_every_state_that_was_shown_is_shown_again(election: Settings, states: list[dict[str, int]]) -> None:
    seen = []
    for number, state in enumerate(states):
        commit(election, state, f"run {number}")
        now = shown(election)
        assert {str(row[0]): row[1] for row in now} == state
        seen.append((clock(election), now))
    for moment, then in seen:
        assert shown(election, moment) == then
    assert shown(election, clock(election)) == shown(election)
    versions = rows(
        election,
        "SELECT rule, valid_from, valid_to FROM history.rule_coverage UNION ALL SELECT rule, committed_at, '9999-01-01' "
        "FROM metrics.rule_coverage JOIN history.commits USING (commit_number) ORDER BY rule, valid_from",
    )
    assert (versions["valid_from"] < versions["valid_to"]).all()
    follows = versions["rule"] == versions["rule"].shift()
    assert (versions["valid_from"] >= versions["valid_to"].shift())[follows].all(), "two versions of a row overlap"


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES, hours=st.lists(st.integers(0, 3), min_size=8, max_size=8), limit=st.integers(0, 4))
def test_thinned_out_the_last_commit_of_each_hour_is_shown_as_it_was(
    election: Settings, states: list[dict[str, int]], hours: list[int], limit: int
) -> None:
    with transaction(election) as connection:
        connection.execute(sa.text("TRUNCATE history.rule_coverage_replaced, history.commits, metrics.rule_coverage"))
    hour, seen = datetime(2026, 9, 18, 8, tzinfo=UTC), {}
    for number, (state, later) in enumerate(zip(states, hours, strict=False)):
        hour += timedelta(hours=later)
        commit(election, state, f"run {number}")
        moment = hour + timedelta(minutes=number)
        with transaction(election) as connection:
            newest = "(SELECT max(commit_number) FROM history.commits)"
            connection.execute(
                sa.text(
                    f"UPDATE history.commits SET committed_at = :at WHERE commit_number = {newest} AND run_id = :run"
                ),
                {"at": moment, "run": f"run {number}"},
            )
        seen[moment] = shown(election)
    now = shown(election)
    limits = (datetime(2026, 9, 18, 8 + limit, tzinfo=UTC), None)
    with transaction(election) as connection:
        would = thin_history(connection, *limits, dry_run=True)
    with transaction(election) as connection:
        assert thin_history(connection, *limits, dry_run=False) == would
    kept = rows(election, "SELECT committed_at FROM history.commits WHERE is_kept")["committed_at"].tolist()
    for moment, then in seen.items():
        if moment in kept or moment >= limits[0]:
            assert shown(election, moment) == then
    assert shown(election) == now
    log = rows(election, "SELECT rule, commit_number, replaced_in FROM history.rule_coverage_replaced ORDER BY 1, 2")
    assert log["rule"].size == 0 or not log.duplicated(["rule", "replaced_in"]).any()
    with transaction(election) as connection:
        assert thin_history(connection, *limits, dry_run=False) == 0


def test_a_limit_of_the_history_leaves_what_was_known_at_it_and_all_that_is_current(election: Settings) -> None:
    for number in range(3):
        commit(election, {"a": number})
    now = clock(election)
    with transaction(election) as connection:
        thin_history(connection, now, now, dry_run=False)
    assert [row[1] for row in shown(election, now)] == [row[1] for row in shown(election)] == [2]
    commit(election, {"a": 7})
    assert [row[1] for row in shown(election, now)] == [2]
    assert [row[1] for row in shown(election, clock(election))] == [7]


def test_only_rows_that_differ_are_written_and_keep_the_run_that_changed_them(election: Settings) -> None:
    commit(election, {"a": 1, "b": 2}, "first")
    commit(election, {"a": 1, "b": 3, "c": 4}, "second")
    commit(election, {"a": 1, "b": 3, "c": 4}, "third")
    assert shown(election) == [["a", 1, 9, "first"], ["b", 3, 9, "second"], ["c", 4, 9, "second"]]
    with transaction(election) as connection:
        begin_commit(connection, "fourth", ["new file"])
        connection.execute(sa.text("DELETE FROM metrics.rule_coverage WHERE rule = 'nowhere'"))
    commits = rows(election, "SELECT run_id, causes FROM history.commits WHERE run_id IS NOT NULL ORDER BY 1")
    assert commits["run_id"].tolist() == ["first", "second"], "a commit without a change is none"
    assert commits["causes"].tolist() == [["new file"], ["new file"]]
    replaced = rows(election, "SELECT rule, constituencies_judged, run_id, replaced_by FROM history.rule_coverage")
    assert replaced.values.tolist() == [["b", 2, "first", "second"]]


def test_commits_are_in_the_order_of_time_also_when_the_clock_is_set_back(election: Settings) -> None:
    ahead = clock(election) + timedelta(hours=1)
    commit(election, {"a": 1})
    with transaction(election) as connection:
        connection.execute(
            sa.text("UPDATE history.commits SET committed_at = :ahead WHERE run_id = 'run'"), {"ahead": ahead}
        )
    commit(election, {"a": 2})
    times = rows(election, "SELECT committed_at FROM history.commits ORDER BY commit_number")["committed_at"]
    assert times.is_monotonic_increasing
    assert times.is_unique
    assert shown(election, ahead)[0][1] == 1


def test_a_change_in_place_is_kept_too_and_one_of_lineage_alone_is_none(election: Settings) -> None:
    commit(election, {"a": 1})
    before = clock(election)
    with transaction(election) as connection:
        connection.execute(sa.text("UPDATE metrics.rule_coverage SET run_id = 'other'"))
    assert rows(election, "SELECT count(*) AS n FROM history.rule_coverage")["n"].iloc[0] == 0
    with transaction(election) as connection:
        connection.execute(sa.text("UPDATE metrics.rule_coverage SET constituencies_judged = 5"))
    assert [row[1] for row in shown(election, before)] == [1]
    assert [row[1] for row in shown(election)] == [5]


def test_a_transaction_that_is_rolled_back_leaves_no_commit_and_no_version(election: Settings) -> None:
    commit(election, {"a": 1})
    before = rows(election, "SELECT count(*) AS n FROM history.commits")["n"].iloc[0]
    with contextlib.suppress(ZeroDivisionError), transaction(election) as connection:
        connection.execute(sa.text("DELETE FROM metrics.rule_coverage"))
        raise ZeroDivisionError
    assert rows(election, "SELECT count(*) AS n FROM history.commits")["n"].iloc[0] == before
    assert rows(election, "SELECT count(*) AS n FROM history.rule_coverage")["n"].iloc[0] == 0
    assert len(shown(election)) == 1


def test_every_table_of_figures_has_a_history(chosen: Settings) -> None:
    there = rows(chosen, "SELECT relname FROM pg_class WHERE relnamespace = 'as_of'::regnamespace AND relkind = 'v'")
    assert set(there["relname"]) == KEPT
    for name in sorted(KEPT):
        both = rows(chosen, f"SELECT * FROM as_of.{name} EXCEPT ALL SELECT * FROM metrics.{name}")
        assert both.empty


def test_what_has_no_history_says_so() -> None:
    assert in_the_past("SELECT metrics.natural_order(name) FROM metrics.elections") == (
        "SELECT metrics.natural_order(name) FROM as_of.elections"
    )
    for name in ("metrics.interval_stats", "ingest.transaction_files", "metrics.constituency_reference"):
        with pytest.raises(NotKeptError, match="is known as of the present only"):
            in_the_past(f"SELECT * FROM {name}")


def test_lists_and_unknown_values_are_compared_as_they_are_stored(election: Settings) -> None:
    """NULL equals NULL, and a row that moves to another key is a removal and a new row."""
    with transaction(election) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO metrics.constituencies (constituency_id, election_id, time_zone, is_zone_assumed, run_id, "
                "computed_at) VALUES ('c', 'e', 'UTC', false, 'r', now())"
            )
        )
    hour = pd.Timestamp("2026-09-18T05:00Z")
    frame = pd.DataFrame(
        [{"constituency_id": "c", "missing_from": hour, "missing_to": hour + pd.Timedelta(hours=2), "hours": 2,
          "election_id": "e", "reason": "region", "run_id": "one", "computed_at": NOW}]
    )  # fmt: skip
    scope = missing_input.c.election_id == "e"
    for run, rows_now, differ in (("one", frame, 1), ("two", frame, 0), ("three", frame.iloc[:0], 1)):
        with transaction(election) as connection:
            places = replace_scope(connection, missing_input, scope, rows_now.assign(run_id=run))
            assert len(places) == differ, run
            assert len(read_frame(connection, sa.select(missing_input))) == len(rows_now)
