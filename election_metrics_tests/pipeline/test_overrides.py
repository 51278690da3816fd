"""What people own: it wins over what was counted, is written down, and what follows from it is computed again."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.hours import changed_hours
from election_metrics.pipeline.overrides import (
    NotThereError,
    delete_override,
    set_constituency,
    set_election,
    set_threshold,
)
from election_metrics.pipeline.publication import elections_behind
from election_metrics.pipeline.registry import refresh_registry, registry_is_behind
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics.warehouse.tables import anomaly_thresholds, constituency_reference, election_reference
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, ms, vote


@pytest.fixture
def voted(chosen: Settings, tmp_path: Path) -> Settings:
    folder = Folder(tmp_path / "in")
    folder.put(issue("i", ms(1)), vote("v", ms(2)))
    update(chosen, folder.root)
    assert not registry_is_behind(chosen)
    return chosen


def the_election(settings: Settings) -> str:
    return str(rows(settings, "SELECT election_id FROM metrics.elections")["election_id"][0])


def test_what_is_said_of_a_constituency_wins_over_the_file_and_moves_its_figures(
    voted: Settings, tmp_path: Path
) -> None:
    (tmp_path / "reference.csv").write_text(f"constituency_id,name,registered_voters\n{CONTRACT},File,7\n", "utf-8")
    with_file = voted.model_copy(update={"reference": tmp_path / "reference.csv"})
    set_constituency(voted, CONTRACT, {"registered_voters": 50, "time_zone": "Asia/Omsk"}, "anna")
    assert registry_is_behind(voted)
    refresh_registry(with_file, "again", NOW)
    assert not registry_is_behind(voted)
    known = "SELECT name, registered_voters, time_zone FROM ingest.constituency_registry"
    assert rows(voted, known).values.tolist() == [["File", 50, "Asia/Omsk"]]
    assert changed_hours(voted, NOW), "another register is another rate: the hours are behind"
    shown = "SELECT name, registered_voters, time_zone FROM metrics.constituencies"
    assert rows(voted, shown).values.tolist() != [["File", 50, "Asia/Omsk"]], "not before the rate is"
    update(with_file, tmp_path / "in")
    assert rows(voted, shown).values.tolist() == [["File", 50, "Asia/Omsk"]]
    assert rows(voted, "SELECT participation_rate FROM metrics.election_summaries").iloc[0, 0] == 2.0
    delete_override(voted, constituency_reference, {"constituency_id": CONTRACT}, "boris")
    refresh_registry(with_file, "again", NOW)
    assert rows(voted, "SELECT registered_voters FROM ingest.constituency_registry").iloc[0, 0] == 7


def test_a_constituency_that_sent_nothing_yet_can_be_said(voted: Settings) -> None:
    set_constituency(voted, OTHER, {"name": "Округ №2", "election": "Выборы", "registered_voters": 10}, "anna")
    refresh_registry(voted, "again", NOW)
    stored = rows(
        voted, f"SELECT name, registered_voters FROM metrics.constituencies WHERE constituency_id = '{OTHER}'"
    )
    assert stored.values.tolist() == [["Округ №2", 10]]


def test_voting_times_of_an_election_hold_in_every_time_zone_but_where_more_is_known(voted: Settings) -> None:
    election = the_election(voted)
    set_constituency(
        voted, OTHER, {"time_zone": "Asia/Kamchatka", "ends_at": datetime(2026, 9, 20, 1, tzinfo=UTC)}, "anna"
    )
    times = {"name": "The vote", "opens_at": datetime(2026, 9, 18, 8), "closes_at": datetime(2026, 9, 20, 20)}  # noqa: DTZ001
    set_election(voted, election, times, "anna")
    refresh_registry(voted, "again", NOW)
    stored = rows(voted, "SELECT constituency_id, starts_at, ends_at FROM ingest.constituency_registry ORDER BY 1")
    assert [[one, *(f"{moment:%d %H:%M}" for moment in moments)] for one, *moments in stored.values.tolist()] == [
        [CONTRACT, "18 05:00", "20 17:00"],
        [OTHER, "17 20:00", "20 01:00"],
    ]
    (name,) = rows(voted, f"SELECT name FROM metrics.elections WHERE election_id = '{election}'")["name"]
    assert name == "The vote"
    delete_override(voted, election_reference, {"election_id": election}, "anna")
    refresh_registry(voted, "again", NOW)
    assert rows(voted, f"SELECT name FROM metrics.elections WHERE election_id = '{election}'")["name"][0] != "The vote"


def test_every_change_is_written_down_whoever_makes_it(voted: Settings) -> None:
    election = the_election(voted)
    set_constituency(voted, CONTRACT, {"registered_voters": 50}, "anna")
    set_constituency(voted, CONTRACT, {"registered_voters": 60}, "boris")
    delete_override(voted, constituency_reference, {"constituency_id": CONTRACT}, "anna")
    set_threshold(voted, election, "spike", "ratio", 4, "anna")
    with psycopg.connect(plain_url(warehouse_url(voted))) as connection:  # by psql, past our code
        connection.execute("DELETE FROM metrics.anomaly_thresholds")
        (user,) = connection.execute("SELECT session_user").fetchone() or ("",)
    stored = rows(
        voted,
        "SELECT who, action, target, before ->> 'registered_voters' AS b, after ->> 'registered_voters' AS a "
        "FROM ingest.audit_log ORDER BY entry_id",
    )
    key = f"metrics.constituency_reference {CONTRACT}"
    threshold = f"metrics.anomaly_thresholds {election}/spike/ratio"
    assert stored.astype(object).where(stored.notna(), None).values.tolist() == [
        ["anna", "insert", key, None, "50"],
        ["boris", "update", key, "50", "60"],
        ["anna", "delete", key, "60", None],
        ["anna", "insert", threshold, None, None],
        [user, "delete", threshold, None, None],
    ]
    assert elections_behind(voted) == [election], "it is judged anew by the other thresholds"


def test_nothing_to_take_back_is_an_error_and_is_not_written_down(voted: Settings) -> None:
    for table, key in (
        (constituency_reference, {"constituency_id": CONTRACT}),
        (anomaly_thresholds, {"election_id": "x", "rule": "spike", "threshold": "ratio"}),
    ):
        with pytest.raises(NotThereError, match="has no row for"):
            delete_override(voted, table, key, "anna")
    with pytest.raises(NotThereError, match="there is no election 'nowhere'"):
        set_election(voted, "nowhere", {"name": "x"}, "anna")
    with pytest.raises(ElectionMetricsError, match="must be a number above 0"):
        set_threshold(voted, the_election(voted), "spike", "ratio", -1, "anna")
    assert rows(voted, "SELECT * FROM ingest.audit_log").empty


def as_api(settings: Settings, statement: str) -> int:
    with transaction(settings) as connection:
        connection.execute(sa.text("SET LOCAL ROLE election_metrics_api"))
        return connection.execute(sa.text(statement)).rowcount


def test_the_role_of_the_api_reads_metrics_and_writes_only_what_people_own(voted: Settings) -> None:
    tables = rows(voted, "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables "
                         "WHERE table_schema IN ('metrics', 'ingest') AND table_type = 'BASE TABLE'")["name"]  # fmt: skip
    writable = set()
    for table in tables:
        try:
            as_api(voted, f"DELETE FROM {table}")
            writable.add(table)
        except sa.exc.ProgrammingError as error:
            refused = str(error)
            assert "permission denied" in refused
        if table.startswith("metrics."):
            assert as_api(voted, f"SELECT * FROM {table}") >= 0
    assert writable == {
        "metrics.constituency_reference", "metrics.election_reference", "metrics.anomaly_thresholds"
    }  # fmt: skip
    as_api(voted, "UPDATE metrics.anomalies SET state = 'acknowledged'")
    as_api(voted, "INSERT INTO ingest.audit_log (who, action, target) VALUES ('a', 'refresh', 'b')")
    for refused in (
        "UPDATE metrics.anomalies SET severity = 'info'", "UPDATE metrics.hourly_stats SET votes_cast = 0",
        "UPDATE ingest.audit_log SET who = 'nobody'", "UPDATE ingest.registry_version SET registry_version = 9",
        "SELECT * FROM ingest.corrections", "CREATE TABLE metrics.mine (a int)", "SELECT ingest.people_changed()",
    ):  # fmt: skip
        with pytest.raises(sa.exc.DBAPIError):
            as_api(voted, refused)
    election = the_election(voted)
    as_api(voted, f"INSERT INTO metrics.anomaly_thresholds VALUES ('{election}', 'spike', 'ratio', 4, 'x', now())")
    assert elections_behind(voted) == [election], "the trigger may what the role may not"


def test_an_end_before_the_start_is_not_known_and_stops_nothing(voted: Settings, tmp_path: Path) -> None:
    election = the_election(voted)
    set_constituency(voted, CONTRACT, {"starts_at": datetime(2026, 9, 18, tzinfo=UTC)}, "anna")
    set_election(voted, election, {"closes_at": datetime(2025, 1, 1, 20)}, "anna")  # noqa: DTZ001
    update(voted, tmp_path / "in")
    (stored,) = rows(voted, "SELECT starts_at IS NOT NULL, ends_at IS NULL FROM metrics.elections").values.tolist()
    assert stored == [True, True]
    assert not registry_is_behind(voted)


def test_a_mistyped_constituency_leaves_no_trace_when_it_is_taken_back(voted: Settings, tmp_path: Path) -> None:
    name = rows(voted, "SELECT name FROM metrics.elections")["name"][0]
    before = rows(voted, "SELECT constituencies_total, registered_voters FROM metrics.election_summaries")
    times = {"starts_at": datetime(2026, 9, 18, tzinfo=UTC), "ends_at": datetime(2026, 9, 20, tzinfo=UTC)}
    set_constituency(voted, OTHER, {"election": name, "registered_voters": 1_000_000, **times}, "anna")
    update(voted, tmp_path / "in")
    assert rows(voted, "SELECT registered_voters FROM metrics.election_summaries").iloc[0, 0] == 1_000_000
    assert not rows(voted, f"SELECT * FROM metrics.missing_input WHERE constituency_id = '{OTHER}'").empty
    delete_override(voted, constituency_reference, {"constituency_id": OTHER}, "anna")
    update(voted, tmp_path / "in")
    after = rows(voted, "SELECT constituencies_total, registered_voters FROM metrics.election_summaries")
    assert after.astype(str).values.tolist() == before.astype(str).values.tolist()
    assert rows(voted, f"SELECT * FROM metrics.constituencies WHERE constituency_id = '{OTHER}'").empty
