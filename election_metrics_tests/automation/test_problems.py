"""What is a problem, and what an alert says of it."""

from datetime import UTC, datetime, timedelta

from election_metrics.automation.alert_texts import message
from election_metrics.automation.duty import NAMES
from election_metrics.automation.observations import (
    FailedCheck,
    FailedRun,
    FailingTicks,
    FullDisk,
    Overdue,
    Seen,
    Silent,
    Waiting,
)
from election_metrics.automation.problems import find_problems

NOW = datetime(2026, 9, 19, 12, tzinfo=UTC)


def problems(**seen: object) -> dict[str, str]:
    found = find_problems(Seen(**seen), NOW, "http://ui", "http://page")  # type: ignore[arg-type]
    return {problem.key: f"{problem.severity}: {problem.title} | {problem.detail}" for problem in found}


def test_nothing_is_wrong_where_all_is_well() -> None:
    assert problems(oldest_behind=NOW - timedelta(minutes=2)) == {}


def test_each_kind_of_problem_says_where_and_why() -> None:
    found = problems(
        failed_runs=[
            FailedRun("abc", "update_metrics_job (backfill)", "exports/x.csv line 7: no number", "anna: hourly_stats")
        ],
        failed_checks=[FailedCheck("hourly_stats", "hours_equal_lake", True, "The hours hold as much as the lake.")],
        oldest_behind=NOW - timedelta(minutes=20),
        disks=[FullDisk("the lake", "/lake", 0.01, "1 of 100 MB are free"), FullDisk("HOME", "/home", 0.5, "")],
        tables=[("ballots", NOW - timedelta(minutes=11)), ("others", NOW - timedelta(minutes=9))],
        source=("/mnt/share", "does not exist"),
        failing_ticks=[FailingTicks("changed_hours_sensor", 3, "deadline exceeded")],
        stopped=["problems_sensor"],
        silent=[Silent("webserver", NOW)],
    )
    assert len(found) == 9
    (run,) = (text for key, text in found.items() if key.startswith("run "))
    assert "line 7" in run
    assert "where: update_metrics_job (backfill): anna: hourly_stats" in run
    assert "http://ui/runs/abc" in run
    assert found["check hourly_stats.hours_equal_lake"].startswith("error: ")
    assert "20 minutes" in found["hours behind"]
    assert "99 % full" in found["disk /lake"]
    assert "election-metrics table check" in found["table ballots"]
    assert "The source /mnt/share does not exist" in found["source /mnt/share does not exist"]
    assert "3 times in a row" in found["ticks changed_hours_sensor deadline exceeded"]
    assert found["stopped problems_sensor"].startswith("warning: problems_sensor is turned off")
    for text in found.values():
        assert all(word in text for word in ("where: ", "why: ", "type: ", "see: http://")), text


def test_one_cause_is_one_problem_and_another_cause_another() -> None:
    failed = [FailedRun("3", "update (live)", "/in/a.csv, line 9: no number"),
              FailedRun("2", "update (backfill)", "(psycopg.OperationalError) connection to server failed"),
              FailedRun("1", "reconcile (upkeep)", "PostgreSQL is away or busy: server closed the connection"),
              FailedRun("0", "update (live)", "/in/a.csv, line 4: no number")]  # fmt: skip
    found = problems(failed_runs=failed)
    assert sorted(found) == ["run /in/a.csv, line #: no number", "run PostgreSQL was away or busy"]
    assert "http://ui/runs/3" in found["run /in/a.csv, line #: no number"], "the newest of its cause"
    assert "update (backfill), reconcile (upkeep) failed" in found["run PostgreSQL was away or busy"]


def test_a_full_disk_is_told_as_one_and_not_by_each_run_that_fails_of_it() -> None:
    failed = [
        FailedRun("1", "update (live)", "election_metrics.errors.TransientError: the disk of HOME (/h) is full: 1 MB")
    ]
    assert problems(failed_runs=failed, sees_every_disk=True) == {}
    (told,) = problems(failed_runs=failed).values()  # PostgreSQL is on a disk that nobody here sees
    assert told.startswith("error: update (live) failed: a disk is full | ")
    assert "why: a disk is full (the disk of HOME (/h) is full: 1 MB)" in told


def test_a_failed_check_says_what_it_found_and_what_to_type_for_more() -> None:
    check = FailedCheck("anomalies", "nothing_critical", False, "No critical finding is open.", "2, such as rule burst")
    (told,) = problems(failed_checks=[check]).values()
    assert "found: 2, such as rule burst" in told
    assert "type: election-metrics anomalies list" in told


def test_what_waits_for_the_database_is_no_problem_of_its_own() -> None:
    silent = [Silent("webserver", NOW), Silent("daemon (sensor)", NOW)]
    assert list(problems(silent=silent)) == ["silent webserver", "silent daemon (sensor)"]
    found = problems(silent=silent, database="it hangs")
    assert list(found) == ["database"]
    assert "http://page" in found["database"], "the page answers while the Dagster UI does not"


def test_files_that_do_not_land_are_a_problem_after_a_while() -> None:
    assert problems(waiting=Waiting("/in", 9, NOW - timedelta(minutes=14))) == {}
    assert "9 file(s) wait" in problems(waiting=Waiting("/in", 9, NOW - timedelta(minutes=16)))["waiting"]


def test_an_alert_names_the_machine() -> None:
    (problem,) = find_problems(Seen(database="it hangs"), NOW, "http://ui")
    assert "on duty-7, since 2026-09-19 12:00 UTC" in message(problem, NOW, "duty-7")


def test_duty_knows_every_sensor_and_schedule_by_name() -> None:
    from election_metrics.definitions import defs

    repository = defs.get_repository_def()
    assert {each.name for each in [*repository.sensor_defs, *repository.schedule_defs]} == NAMES


def test_overdue_input_is_a_problem_which_says_how_much_and_since_when() -> None:
    found = problems(overdue=[Overdue("Duma", 1, NOW - timedelta(hours=2)), Overdue("Perm", 36, NOW)])
    assert (
        "why: 1 hour of its constituencies should have arrived, the first at 2026-09-19 10:00" in found["overdue Duma"]
    )
    assert "why: 36 hours of its" in found["overdue Perm"]
