"""Findings in the warehouse: found in what landed, settled by people, kept through every computation."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hours import compute_hours
from election_metrics.pipeline.overrides import set_state, set_threshold
from election_metrics.pipeline.publication import (
    compute_anomalies,
    compute_constituency_metrics,
    compute_election_summaries,
)
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics.warehouse.stale_elections import behind_summaries
from election_metrics_tests.archived import zipped
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, rollback, vote
from election_metrics_tests.typed import typed


def findings(chosen: Settings) -> list[tuple[str, str, str]]:
    """(rule, severity, state) of every finding."""
    frame = rows(chosen, "SELECT rule, severity, state FROM metrics.anomalies ORDER BY rule, window_start")
    return list(frame.itertuples(index=False, name=None))


def issued(name: str, at: int, voter: str) -> str:
    return issue(name, at, data=f'[{{"userId":"{voter}","maskedSig":"00"}}]')


def test_a_voter_who_is_issued_two_bulletins_is_found_across_hours_files_and_landings(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    voters = [f"{number:064x}" for number in range(3)]
    folder.put(*[issued(f"first{n}", ms(n), voter) for n, voter in enumerate(voters)])
    update(chosen, folder.root)
    assert findings(chosen) == []
    folder.put(issued("second", ms(1, hour=3), voters[0]), issued("first1", ms(1), voters[1]), name="b")
    folder.put(issued("elsewhere", ms(1), voters[2]), name="c", contract=OTHER)
    update(chosen, folder.root)
    assert findings(chosen) == [("voter_issued_twice", "warning", "open")]
    (found,) = rows(chosen, "SELECT * FROM metrics.anomalies").itertuples()
    assert (found.constituency_id, f"{found.window_start:%H}", found.observed) == (CONTRACT, "11", 1)
    assert rows(chosen, "SELECT sum(bulletins_issued)::bigint AS n FROM metrics.hourly_stats").iloc[0, 0] == 5
    folder.put(rollback("second"), name="d")
    update(chosen, folder.root)
    assert findings(chosen) == [("voter_issued_twice", "warning", "resolved")]


def test_more_votes_than_bulletins_is_critical_counted_in_the_summary_and_over_when_the_bulletins_land(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[vote(f"v{n}", ms(n)) for n in range(4)])
    update(chosen, folder.root)
    assert findings(chosen) == [("votes_exceed_bulletins", "critical", "open")]
    summary = "SELECT anomalies_critical, anomalies_by_rule FROM metrics.election_summaries"
    assert rows(chosen, summary).values.tolist() == [[1, {"votes_exceed_bulletins": 1}]]
    (before,) = rows(chosen, "SELECT anomaly_id FROM metrics.anomalies")["anomaly_id"]
    folder.put(*[issue(f"i{n}", ms(n)) for n in range(5)], name="late")
    update(chosen, folder.root)
    assert findings(chosen) == [("votes_exceed_bulletins", "critical", "resolved")]
    (after,) = rows(chosen, "SELECT anomaly_id, state_by, state_note FROM metrics.anomalies").itertuples(index=False)
    assert (after.anomaly_id, after.state_by) == (before, "system")
    assert "no longer found by run" in after.state_note
    assert rows(chosen, summary).values.tolist() == [[0, {}]]


def test_a_total_that_falls_because_a_file_shrank_is_found_and_rollbacks_are_not(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    path = folder.put(*[issue(f"i{n}", ms(n)) for n in range(10)])
    update(chosen, folder.root)
    folder.put(rollback("i3"), name="taken-back")
    update(chosen, folder.root)
    assert findings(chosen) == []
    path.write_text("\n".join(issue(f"i{n}", ms(n)) for n in range(6)) + "\n")
    update(chosen, folder.root)
    assert findings(chosen) == [("figures_fall", "warning", "open")]
    assert "fell from 10 to 6" in rows(chosen, "SELECT explanation FROM metrics.anomalies").iloc[0, 0]


def recompute(chosen: Settings) -> None:
    compute_constituency_metrics(chosen, "again", now=NOW)
    compute_anomalies(chosen, "again", now=NOW)
    compute_election_summaries(chosen, "again", now=NOW)


def test_what_a_person_says_of_a_finding_survives_and_thresholds_hold_for_their_election(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[vote(f"v{n}", ms(n)) for n in range(4)])
    update(chosen, folder.root)
    (name,) = rows(chosen, "SELECT anomaly_id FROM metrics.anomalies")["anomaly_id"]
    set_state(chosen, name, "resolved", "anna", "the bulletins are in another contract")
    recompute(chosen)
    (stored,) = rows(chosen, "SELECT state, state_by, state_note, run_id FROM metrics.anomalies").values.tolist()
    assert stored == ["resolved", "anna", "the bulletins are in another contract", "run"]
    assert rows(chosen, "SELECT anomalies_critical FROM metrics.election_summaries").iloc[0, 0] == 0
    set_state(chosen, name, "open", "anna", None)
    (election,) = rows(chosen, "SELECT election_id FROM metrics.elections")["election_id"]
    set_threshold(chosen, election, "votes_exceed_bulletins", "least_excess", 5, "anna")
    recompute(chosen)
    assert findings(chosen) == [("votes_exceed_bulletins", "critical", "resolved")]
    set_threshold(chosen, election, "votes_exceed_bulletins", "least_excess", None, "anna")
    recompute(chosen)
    assert findings(chosen) == [("votes_exceed_bulletins", "critical", "open")]
    for words, says in (
        ((election, "nonsense", "x"), "there is no rule 'nonsense'"),
        ((election, "spike", "x"), "spike has no threshold 'x'"),
        (("nowhere", "spike", "ratio"), "there is no election 'nowhere'"),
    ):
        with pytest.raises(ElectionMetricsError, match=says):
            set_threshold(chosen, *words, 1, "anna")
    with pytest.raises(ElectionMetricsError, match="there is no finding 'spike-0'"):
        set_state(chosen, "spike-0", "open", "anna", None)


def test_the_hour_in_progress_is_not_judged(chosen: Settings, tmp_path: Path) -> None:
    now = datetime(2026, 9, 18, 8, 30, tzinfo=UTC)
    Folder(tmp_path).put(*[vote(f"v{n}", ms(n)) for n in range(4)])
    update(chosen, tmp_path)
    compute_anomalies(chosen, "r", [rows(chosen, "SELECT election_id FROM metrics.elections").iloc[0, 0]], now=now)
    assert findings(chosen) == [("votes_exceed_bulletins", "critical", "resolved")]


def test_the_commands_list_explain_and_settle_findings_and_compare_constituencies(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[vote(f"v{n}", ms(n)) for n in range(4)])
    folder.put(issue("i", ms(1)), line("r", ms(0), "addVotersList", votersCount=10), vote("w", ms(2)), contract=OTHER)
    assert "No finding is open" in typed("anomalies", "list").stdout
    update(chosen, folder.root)
    (name,) = rows(chosen, "SELECT anomaly_id FROM metrics.anomalies")["anomaly_id"]
    listed = typed("anomalies", "list", "--severity", "critical").stdout
    assert name in listed
    assert "4 votes against 0 bulletins" in listed
    shown = typed("anomalies", "show", name).stdout
    for words in (
        "A constituency has more votes than bulletins",
        CONTRACT,
        "least_excess 1",
        "state     open",
        "43 of 70",
        "look at   missing hours and files of this constituency",
        "expected  from its own total so far",
    ):
        assert words in shown
    assert typed("anomalies", "acknowledge", name, "--note", "asked").returncode == 0
    assert f"acknowledged since {datetime.now(UTC):%Y-%m-%d}" in typed("anomalies", "show", name).stdout
    assert f"by {getpass.getuser()}: asked" in typed("anomalies", "show", name).stdout
    assert typed("anomalies", "resolve", name, "--by", "anna").returncode == 0
    assert "No finding is open" in typed("anomalies", "list").stdout
    assert name in typed("anomalies", "list", "--all").stdout
    assert "spike" in typed("anomalies", "rules").stdout
    compared = typed("compare", CONTRACT, OTHER, "--from", "2026-09-18T08:00", "--to", "2026-09-18T08:00").stdout
    assert compared.index(CONTRACT) < compared.index(OTHER)
    assert "10.00" in compared
    assert "there is no constituency 'x'" in typed("compare", "x").stderr
    assert "no transactions in these hours" in typed("compare", OTHER, "--to", "2026-09-17T08:00").stderr


def test_the_reader_may_read_schema_metrics_and_nothing_else(chosen: Settings) -> None:
    with psycopg.connect(plain_url(warehouse_url(chosen)), autocommit=True) as connection:
        connection.execute("SET ROLE election_metrics_reader")
        views = ("turnout_by_hour", "constituency_current", "election_current", "register_changes")
        for table in ("hourly_stats", "anomalies", *views):
            connection.execute(f"SELECT * FROM metrics.{table}")
        for forbidden in (
            "SELECT * FROM ingest.transaction_files", "DELETE FROM metrics.anomalies", "CREATE TABLE metrics.x ()",
            "CREATE TABLE public.x ()", "CREATE SCHEMA x", "UPDATE metrics.elections SET name = 'x'",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


@pytest.mark.long
def test_a_constituency_that_moves_to_another_election_takes_its_findings_and_their_state_along(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    for contract in (CONTRACT, OTHER):
        folder.put(
            *[vote(f"{contract[0]}{n}", ms(n)) for n in range(3)], issue(f"{contract}i", ms(0)), contract=contract
        )
    reference = tmp_path / "reference.csv"
    reference.write_text(f"constituency_id,election\n{CONTRACT},A election\n{OTHER},A election\n")
    known = chosen.model_copy(update={"reference": reference})
    update(known, folder.root)
    (name,) = rows(known, "SELECT anomaly_id FROM metrics.anomalies").loc[
        rows(known, "SELECT constituency_id FROM metrics.anomalies")["constituency_id"] == CONTRACT, "anomaly_id"
    ]
    set_state(known, name, "acknowledged", "anna", "asked the commission")
    reference.write_text(f"constituency_id,election\n{CONTRACT},B election\n{OTHER},A election\n")
    refresh_registry(known, "moved", NOW)
    compute_anomalies(known, "moved", now=NOW)  # while the hours still say the old election
    update(known, folder.root)
    query = f"SELECT state, state_by, election_id FROM metrics.anomalies WHERE anomaly_id = '{name}'"
    (state, who, election) = rows(known, query).iloc[0].tolist()
    assert (state, who, election[:10]) == ("acknowledged", "anna", "b-election")
    reference.write_text(f"constituency_id,election\n{CONTRACT},C election\n{OTHER},C election\n")
    update(known, folder.root)
    assert set(rows(known, "SELECT state FROM metrics.anomalies")["state"]) == {"acknowledged", "open"}


def test_a_file_that_becomes_empty_is_a_figure_that_falls(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    path = folder.put(*[issue(f"i{n}", ms(n)) for n in range(10)])
    update(chosen, folder.root)
    path.write_text("")
    update(chosen, folder.root)
    assert findings(chosen) == [("figures_fall", "warning", "open")]
    assert "fell from 10 to 0" in rows(chosen, "SELECT explanation FROM metrics.anomalies").iloc[0, 0]


def test_a_missing_hourly_file_is_missing_though_its_neighbours_hold_rows_of_it(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(
        line("s", ms(0), "startVoting"), issue("i", ms(1)), issue("late", ms(0.05, hour=1)), name="2026-09-18_1100-1200"
    )
    folder.put(issue("early", ms(59.9, hour=1)), issue("j", ms(1, hour=2)), name="2026-09-18_1300-1400")
    folder.put(line("f", ms(0, hour=3), "finishVoting"), name="2026-09-18_1400-1500")
    update(chosen, folder.root)
    missing = rows(chosen, "SELECT missing_from, hours FROM metrics.missing_input").iloc[0].tolist()
    assert missing == [HOUR + timedelta(hours=1), 1]
    assert rows(chosen, "SELECT hours_expected, hours_delivered FROM metrics.election_summaries").values.tolist() == [
        [3, 2]
    ]


def test_a_run_that_changes_nothing_leaves_completed_elections_alone(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(line("s", ms(0), "startVoting"), issue("i", ms(1)), line("f", ms(0, hour=3), "finishVoting"))
    update(chosen, folder.root)
    refresh_registry(chosen, "again", NOW + timedelta(hours=1))
    with transaction(chosen) as connection:
        assert behind_summaries(connection) == {}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_threshold_that_is_no_positive_number_is_refused(chosen: Settings, value: float) -> None:
    with pytest.raises(ElectionMetricsError, match="must be a number above 0"):
        set_threshold(chosen, "e", "spike", "scatter", value, "anna")


def shown(path: Path) -> str:
    """The end of a path, as readers see it."""
    return "/".join(path.parts[-3:])


def test_a_file_whose_lines_cannot_be_read_is_not_delivered_and_is_critical(chosen: Settings, tmp_path: Path) -> None:
    """Two hours are due; of one nothing can be read, of the other one line in four."""
    folder = Folder(tmp_path / "in" / "77 - город Москва" / "Выборы" / "Округ 1")
    register = line("r", ms(-1), "startVoting")
    sound = [register, vote("a", ms(1)), vote("b", ms(2)), "rubbish"]
    folder.put(*sound, name="2026-09-18_1100-1200")
    wrong = folder.put(*["rubbish"] * 20, name="2026-09-18_1200-1300")
    update(chosen, tmp_path / "in", HOUR + timedelta(hours=2))
    summary = rows(
        chosen, "SELECT hours_expected, hours_delivered, constituencies_complete FROM metrics.election_summaries"
    )
    assert summary.values.tolist() == [[3, 1, 0]], "the hour of the opening is due too"
    found = rows(chosen, "SELECT constituency_id, severity, observed, explanation FROM metrics.anomalies "
                         "WHERE rule = 'unreadable_input' ORDER BY constituency_id")  # fmt: skip
    assert found["constituency_id"].fillna("").tolist() == [CONTRACT, ""]
    assert found["severity"].tolist() == ["critical", "critical"]
    assert found["explanation"].tolist() == [
        f"21 of 24 lines (87.5 %) cannot be read, in 2 files, most of them in: 20 of 20 lines of {shown(wrong)}. What they hold is "
        "counted nowhere",
        "21 of 24 lines of the election (87.5 %) cannot be read, in 1 constituency: its figures are too low",
    ]
    wrong.write_text("".join(f"{vote(f'c{n}', ms(n, hour=1))}\n" for n in range(20)))
    update(chosen, tmp_path / "in", HOUR + timedelta(hours=2))
    query = "SELECT severity, state FROM metrics.anomalies WHERE rule = 'unreadable_input'"
    assert rows(chosen, query).values.tolist() == [["warning", "open"]] * 2


@pytest.mark.parametrize("kind", ["utf-16", "torn zip", "torn member"])
def test_a_constituency_of_which_no_file_can_be_read_is_there_and_incomplete(
    kind: str, chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in" / "77 - город Москва" / "Выборы" / "Округ 1")
    other = folder.root.with_name("Округ 2")
    other.mkdir(parents=True)
    for hour in range(3):
        folder.put(
            *[vote(f"v{hour}-{n}", ms(n, hour)) for n in range(5)], name=f"2026-09-18_{11 + hour}00-{12 + hour}00"
        )
        path = other / f"{OTHER}_2026-09-18_{11 + hour}00-{12 + hour}00.csv"
        if kind == "utf-16":
            path.write_bytes(vote(f"w{hour}", ms(1, hour)).encode("utf-16"))
        elif kind == "torn zip":
            path.with_suffix(".zip").write_bytes(b"PK torn")
        else:
            whole = zipped({path.name: b"x" * 1000})
            path.with_suffix(".zip").write_bytes(whole[:40] + b"\xff" * 8 + whole[48:])
    update(chosen, tmp_path / "in", HOUR + timedelta(hours=3))
    places = rows(chosen, "SELECT constituency_id, name, region FROM metrics.constituencies ORDER BY 1").values.tolist()
    assert places == [[CONTRACT, "Округ 1", "город Москва"], [OTHER, "Округ 2", "город Москва"]]
    query = (
        "SELECT severity, explanation FROM metrics.anomalies WHERE rule = 'unreadable_input' AND constituency_id = '{}'"
    )
    ((severity, said),) = rows(chosen, query.format(OTHER)).values.tolist()
    assert severity == "critical"
    assert said.startswith("3 files cannot be read")
    summary = rows(chosen, "SELECT * FROM metrics.election_summaries").iloc[0]
    assert summary["coverage"] < 100
    assert summary["constituencies_complete"] < summary["constituencies_total"] == 2
    missing = rows(chosen, "SELECT constituency_id, hours FROM metrics.missing_input").values.tolist()
    assert missing == [[OTHER, 3]]
    for path in other.iterdir():
        path.unlink()
    folder.put(vote("w", ms(1)), contract=OTHER)
    update(chosen, tmp_path / "in", HOUR + timedelta(hours=3))
    assert rows(chosen, query.format(OTHER) + " AND state <> 'resolved'").empty


def test_a_file_that_cannot_be_read_at_all_is_told_of_its_constituency(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in" / "77 - город Москва" / "Выборы" / "Округ 1")
    folder.put(vote("a", ms(1)))
    torn = folder.root / f"{CONTRACT}_2026-09-18_1200-1300.zip"
    torn.write_bytes(b"PK torn")
    update(chosen, tmp_path / "in")
    query = "SELECT severity, state, explanation FROM metrics.anomalies WHERE rule = 'unreadable_input'"
    ((severity, state, explanation),) = rows(chosen, query).values.tolist()
    assert (severity, state) == ("warning", "open")
    assert explanation.startswith(f"1 file cannot be read, such as {shown(torn)}: ")
    torn.unlink()
    update(chosen, tmp_path / "in")
    assert rows(chosen, query)["state"].tolist() == ["resolved"]


def test_nothing_is_found_while_a_part_of_what_landed_is_not_computed(chosen: Settings, tmp_path: Path) -> None:
    """Hours that span more than a run computes: constituencies that merely wait are not silent."""
    folder = Folder(tmp_path / "in" / "77 - город Москва" / "Выборы")
    for contract in (CONTRACT, OTHER):
        lines = [
            vote(f"{contract[0]}{hour}-{n}", ms(n, hour=hour), f"{contract[0]}{hour}-{n}")
            for hour in range(30)
            for n in range(30)
        ]
        lines += [issue(f"i{contract[0]}{hour}-{n}", ms(n, hour=hour)) for hour in range(30) for n in range(30)]
        folder.put(*lines, name="dump", contract=contract)
    land(chosen, tmp_path / "in", "run", NOW)
    refresh_registry(chosen, "run", NOW)
    for first in (20, 0, 10):
        compute_hours(chosen, HOUR + timedelta(hours=first), HOUR + timedelta(hours=first + 10), "run", NOW)
        compute_constituency_metrics(chosen, "run", now=NOW)
        compute_anomalies(chosen, "run", now=NOW)
        compute_election_summaries(chosen, "run", now=NOW)
        assert findings(chosen) == [], first


ERROR_PAGE = ["<html>", "<h1>502 Bad Gateway</h1>", "</html>"]


@pytest.mark.parametrize("lines", [ERROR_PAGE, ['{"error": "Too many requests"}']])
def test_error_pages_in_place_of_hours_are_missing_input_and_are_told(
    chosen: Settings, tmp_path: Path, lines: list[str]
) -> None:
    folder = Folder(tmp_path / "in")
    for contract in (CONTRACT, OTHER):
        for hour in range(4):
            name = f"2026-09-18_{11 + hour}00-{12 + hour}00"
            good = [line for n in range(40) for line in (issue(f"i{contract[:3]}{hour}-{n}", ms(n, hour)),
                                                         vote(f"v{contract[:3]}{hour}-{n}", ms(n + 1, hour)))]  # fmt: skip
            folder.put(*(lines if hour in (1, 2) else good), name=name, contract=contract)
    update(chosen, folder.root)
    summary = rows(chosen, "SELECT coverage, hours_expected FROM metrics.election_summaries").iloc[0]
    assert (summary["coverage"], summary["hours_expected"]) == (50, 8)
    found = rows(chosen, "SELECT * FROM metrics.anomalies WHERE rule = 'unreadable_input' ORDER BY constituency_id")
    of_places = found[found["constituency_id"].notna()]
    assert of_places["severity"].tolist() == ["critical", "critical"]
    assert of_places["observed"].tolist() == [2 * len(lines)] * 2, "the same page in several hours counts in each"
    assert all("2 of 4 files lost most lines" in text for text in of_places["explanation"])
    (election,) = found[found["constituency_id"].isna()].itertuples()
    assert election.severity == "critical"
    assert election.explanation.endswith("2 of 2 constituencies lost most of their files")


def test_what_a_person_settled_stays_settled_without_an_expected_value(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[issue(f"i{n}", ms(n / 2)) for n in range(100)],
               *[vote(f"m{n}", ms(1) + 137 + n * 21_000) for n in range(60)])  # fmt: skip
    update(chosen, folder.root)
    (settled,) = rows(chosen, "SELECT anomaly_id FROM metrics.anomalies WHERE rule = 'equal_gaps'")["anomaly_id"]
    set_state(chosen, settled, "resolved", "anna", "seen")
    folder.put(vote("late", ms(55)), name="late")
    update(chosen, folder.root)
    states = rows(chosen, "SELECT state FROM metrics.anomalies WHERE rule = 'equal_gaps'")["state"].tolist()
    assert states == ["resolved"]
