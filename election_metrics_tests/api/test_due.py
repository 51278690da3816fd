"""What input is overdue, and what is due next: of the clock and the files, not of the newest transaction."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from rich.console import Console

from election_metrics.commands.reports import print_summary
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.due import read_overdue
from election_metrics.warehouse.election_queries import elections_now
from election_metrics.warehouse.tables import constituencies, election_summaries, elections, missing_input
from election_metrics_tests.computing import rows

LATE_AFTER = timedelta(minutes=30)
HOUR = timedelta(hours=1)


@pytest.fixture
def voting(voted: Settings) -> tuple[Settings, str, datetime]:
    """An election that opened a day ago and closes in one, of which all came so far; and the hour in progress."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    times = {"starts_at": hour - 24 * HOUR, "ends_at": hour + 24 * HOUR}
    with transaction(voted) as connection:
        election = str(connection.execute(sa.select(elections.c.election_id).limit(1)).scalar_one())
        for table in (elections, constituencies):
            connection.execute(sa.update(table).filter_by(election_id=election).values(**times))
        connection.execute(sa.delete(missing_input).filter_by(election_id=election))
        computed = {"computed_at": datetime.now(UTC), "last_transaction_at": hour - 9 * HOUR}
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**computed))
    return voted, election, hour


def said(settings: Settings, election: str, **values: object) -> dict[str, object]:
    """What is said of an election whose summary has these values."""
    with transaction(settings) as connection:
        if values:
            connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**values))
        return elections_now(connection, LATE_AFTER, election)[0]


def miss(settings: Settings, election: str, first: datetime, hours: int) -> str:
    """One constituency of the election lacks these hours; returns which."""
    with transaction(settings) as connection:
        place = connection.execute(sa.select(constituencies.c.constituency_id).filter_by(election_id=election).limit(1))
        one = str(place.scalar_one())
        row = {"constituency_id": one, "missing_from": first, "missing_to": first + hours * HOUR, "hours": hours,
               "election_id": election, "reason": "voting times", "run_id": "run", "computed_at": datetime.now(UTC)}  # fmt: skip
        connection.execute(sa.insert(missing_input).values(row))
    return one


def test_nothing_is_overdue_while_every_file_is_there_however_old_the_newest_transaction(
    voting: tuple[Settings, str, datetime],
) -> None:
    settings, election, hour = voting
    found = said(settings, election)
    assert (found["hours_overdue"], found["overdue_since"], found["next_due_at"]) == (0, None, hour + HOUR)
    with transaction(settings) as connection:
        assert read_overdue(connection, LATE_AFTER) == []


def test_an_hour_is_overdue_only_when_its_grace_is_over(voting: tuple[Settings, str, datetime]) -> None:
    settings, election, hour = voting
    miss(settings, election, hour - 3 * HOUR, 3)
    for late_after, overdue in ((timedelta(0), 3), (HOUR, 2), (5 * HOUR, 0)):
        with transaction(settings) as connection:
            found = elections_now(connection, late_after, election)[0]
            assert found["hours_overdue"] == overdue
            assert found["overdue_since"] == (hour - 2 * HOUR if overdue else None)
            assert len(read_overdue(connection, late_after)) == bool(overdue)


def test_hours_that_ended_since_the_figures_were_computed_are_overdue_too(
    voting: tuple[Settings, str, datetime],
) -> None:
    settings, election, hour = voting
    places = said(settings, election)["constituencies_total"]
    found = said(settings, election, computed_at=hour - 5 * HOUR + timedelta(minutes=10))
    in_grace = datetime.now(UTC) - hour < LATE_AFTER
    assert found["hours_overdue"] == places * (4 if in_grace else 5)


def test_after_the_last_closing_nothing_is_due_any_more(voting: tuple[Settings, str, datetime]) -> None:
    settings, election, hour = voting
    with transaction(settings) as connection:
        for table in (elections, constituencies):
            connection.execute(sa.update(table).filter_by(election_id=election).values(ends_at=hour - 2 * HOUR))
    found = said(settings, election, computed_at=hour - HOUR)
    assert (found["hours_overdue"], found["next_due_at"], found["status"]) == (0, None, "completed")


@pytest.mark.parametrize(
    ("hours", "days"), [(12, 1), (22, 1), (36, 2), (46, 2), (60, 3), (70, 3), (71.5, 3), (None, None)]
)
def test_elections_of_one_kind_last_equally_long_whatever_time_zones_add(
    voting: tuple[Settings, str, datetime], hours: float | None, days: int | None
) -> None:
    settings, election, hour = voting
    with transaction(settings) as connection:
        ends = None if hours is None else hour + timedelta(hours=hours)
        connection.execute(sa.update(elections).filter_by(election_id=election).values(starts_at=hour, ends_at=ends))
    assert said(settings, election)["voting_days"] == days


@pytest.mark.parametrize("ahead", [timedelta(seconds=5), timedelta(hours=3), timedelta(hours=-3)])
def test_no_age_is_negative(voting: tuple[Settings, str, datetime], ahead: timedelta) -> None:
    settings, election, _ = voting
    said(settings, election, last_transaction_at=datetime.now(UTC) + ahead)
    query = f"SELECT age IS NULL AS unknown, age >= '0' AS right FROM metrics.election_current WHERE election_id = '{election}'"
    (row,) = rows(settings, query).itertuples()
    assert row.unknown if ahead > timedelta(0) else row.right


def test_summary_says_when_an_election_opens_and_no_turnout_before(voting: tuple[Settings, str, datetime]) -> None:
    settings, election, hour = voting
    with transaction(settings) as connection:
        times = {"starts_at": hour + 27 * HOUR, "ends_at": hour + 60 * HOUR}
        connection.execute(sa.update(elections).filter_by(election_id=election).values(**times))
    console = Console(record=True, width=200)
    print_summary(console, settings)
    text = next(part for part in console.export_text().split("\n\n") if election in part)
    assert f"voting    {hour + 27 * HOUR:%Y-%m-%d %H:%M} to {hour + 60 * HOUR:%Y-%m-%d %H:%M} UTC" in text
    assert re.search(r"opens in  1 d [123] h", text)  # an hour may begin meanwhile
    assert "turnout" not in text
