"""What sensors and schedule decide."""

from datetime import UTC, datetime, timedelta

import pytest

from election_metrics.automation.decisions import (
    Attempt,
    ElectionsPlan,
    RegistryPlan,
    RunPlan,
    Skip,
    ask_for_active,
    ask_for_elections,
    ask_for_hours,
    ask_for_new,
    ask_for_quiet_hours,
    ask_for_what_changed,
    fingerprint,
    wait_after_failures,
)

NOW = datetime(2026, 9, 18, 8, 20, tzinfo=UTC)
HOUR = datetime(2026, 9, 18, 8, tzinfo=UTC)
ONE = timedelta(hours=1)
NOTHING = "the ledger has every file version of the source"


def test_no_new_file_asks_for_nothing() -> None:
    assert ask_for_new("", NOTHING, [], NOW, 168) == Skip(NOTHING)


def test_new_files_ask_for_the_hours_they_seem_to_touch() -> None:
    asked = ask_for_new("3 new file(s)", NOTHING, [HOUR - 2 * ONE, HOUR], NOW, 168)
    assert isinstance(asked, RunPlan)
    assert (asked.first, asked.last) == (HOUR - 2 * ONE, HOUR)


def test_what_is_new_without_a_known_hour_is_landed_all_the_same() -> None:
    assert ask_for_new("1 new file(s)", NOTHING, [], NOW, 168) == RunPlan(HOUR, HOUR, "1 new file(s)")


def test_a_run_covers_no_more_hours_than_it_may() -> None:
    asked = ask_for_new("1 new file(s)", NOTHING, [HOUR - 1000 * ONE, HOUR], NOW, 168)
    assert isinstance(asked, RunPlan)
    assert asked.last - asked.first == 167 * ONE


def test_changed_hours_are_asked_for_as_few_ranges_newest_first() -> None:
    hours = [HOUR, HOUR - ONE, HOUR - 5 * ONE, HOUR - 9 * ONE]
    asked = ask_for_hours(hours, 168, most_ranges=2)
    assert isinstance(asked, list)
    assert [(a.first, a.last) for a in asked] == [(HOUR - ONE, HOUR), (HOUR - 5 * ONE, HOUR - 5 * ONE)]
    assert ask_for_hours([], 168) == []
    assert isinstance(ask_for_elections([]), Skip)
    assert ask_for_elections(["e", "f"]).reason == "2 election(s) behind their hours, such as e"


@pytest.mark.parametrize(
    ("starts", "ends", "says"),
    [
        (NOW + ONE, NOW + 2 * ONE, "voting starts at 2026-09-18 09:20 UTC"),
        (NOW - 9 * ONE, NOW - ONE, "voting ended at 2026-09-18 07:20 UTC"),
        (None, None, "voting times are not known"),
    ],
)
def test_the_schedule_says_why_it_skips(starts: datetime | None, ends: datetime | None, says: str) -> None:
    asked = ask_for_active([("E", starts, ends)], NOW)
    assert isinstance(asked, Skip)
    assert says in asked.reason


@pytest.mark.parametrize("ends", [NOW + ONE, None, NOW - timedelta(minutes=14)])
def test_the_schedule_asks_while_an_election_is_voting(ends: datetime | None) -> None:
    assert ask_for_active([("E", NOW - 9 * ONE, ends)], NOW) == RunPlan(HOUR - ONE, HOUR, "E is voting")


def test_tries_at_the_same_work_get_rarer_and_never_end() -> None:
    assert wait_after_failures([], NOW) is None
    for failures, seconds in ((1, 5), (2, 10), (4, 40), (30, 600)):
        failed = [Attempt("run", NOW)] * failures
        assert isinstance(wait_after_failures(failed, NOW + timedelta(seconds=seconds - 1)), Skip)
        assert wait_after_failures(failed, NOW + timedelta(seconds=seconds)) is None


def test_equal_states_have_equal_names_in_any_order() -> None:
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"]) != fingerprint(["a"])


def test_what_people_said_comes_before_hours_and_they_before_elections() -> None:
    registry = [RegistryPlan("reference data changed, or the folders that name elections and regions")]
    assert ask_for_what_changed([HOUR], ["e"], True, 168) == registry
    assert ask_for_what_changed([], [], True, 168) == registry
    (hours,) = ask_for_what_changed([HOUR], ["e"], False, 168)
    assert isinstance(hours, RunPlan)
    (elections,) = ask_for_what_changed([], ["e"], False, 168)
    assert isinstance(elections, ElectionsPlan)
    (nothing,) = ask_for_what_changed([], [], False, 168)
    assert isinstance(nothing, Skip)


def test_hours_that_are_over_and_that_nobody_computed_are_asked_for_the_newest_first() -> None:
    known = {HOUR - 3 * ONE}
    asked = ask_for_quiet_hours(HOUR - 5 * ONE, NOW, known, 168)
    assert [(ask.first, ask.last) for ask in asked] == [(HOUR - 2 * ONE, HOUR - ONE), (HOUR - 5 * ONE, HOUR - 4 * ONE)]
    assert ask_for_quiet_hours(None, NOW, set(), 168) == []
    assert all((ask.last - ask.first) < 168 * ONE for ask in ask_for_quiet_hours(HOUR - 9000 * ONE, NOW, set(), 168))
