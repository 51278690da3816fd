"""What follows from hours becomes visible together with them; nothing is judged while hours wait."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from election_metrics.pipeline import overrides, publication
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hours import changed_hours, compute_hours
from election_metrics.pipeline.publication import compute_anomalies
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, vote

ONE = timedelta(hours=1)
_SHOWN = """
    SELECT
        (SELECT sum(votes_cast) FROM metrics.hourly_stats),
        (SELECT sum(votes_cast) FROM metrics.election_hours),
        (SELECT max(running_votes) FROM metrics.turnout_by_hour),
        (SELECT sum(votes_cast) FROM metrics.constituency_current),
        (SELECT sum(votes_cast) FROM metrics.constituency_metrics WHERE period = 'day'),
        (SELECT votes_cast FROM metrics.election_current),
        (SELECT sum(votes_cast) FROM metrics.region_summaries)
"""


@contextlib.contextmanager
def watched(settings: Settings, query: str) -> Iterator[set[tuple[int, ...]]]:
    """Collects every row of counts that a reader sees meanwhile, who asks again and again."""
    seen: set[tuple[int, ...]] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):  # a moment for the run: no state lasts so short
            with transaction(settings, snapshot=True) as connection:
                seen.update(tuple(int(count) for count in row) for row in connection.execute(sa.text(query)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join(20)


def test_every_table_that_shows_votes_shows_the_same_at_every_moment(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(line("r", ms(0), "addVotersList", votersCount=1000), vote("v", ms(1)), name="first")
    update(chosen, folder.root)
    with watched(chosen, _SHOWN) as seen:
        for number in range(6):
            folder.put(*[vote(f"v{number}_{n}", ms(n, hour=number % 3)) for n in range(number + 1)], name=f"{number}")
            update(chosen, folder.root)
    assert len(seen) > 3, "the watcher saw the figures change"
    assert [shown for shown in seen if len(set(shown)) > 1] == []


_REGISTER_SHOWN = """
    SELECT
        (SELECT sum(registered_voters) FROM metrics.constituencies),
        (SELECT sum(registered_voters) FROM metrics.constituency_current),
        (SELECT registered_voters FROM metrics.election_current),
        (SELECT sum(registered_voters) FROM metrics.region_summaries),
        (SELECT count(*) FROM metrics.constituencies) - (SELECT constituencies_total FROM metrics.election_current)
            + (SELECT registered_voters FROM metrics.election_current)
"""


@pytest.mark.long
def test_every_table_that_shows_the_register_shows_the_same_at_every_moment(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(line("r", ms(0), "addVotersList", votersCount=1000), vote("v", ms(1)), name="first")
    update(chosen, folder.root)
    with watched(chosen, _REGISTER_SHOWN) as seen:
        for number in range(5):
            contract = CONTRACT if number % 2 else f"{OTHER[:-1]}{number + 1}"
            more = line(f"r{number}", ms(2), "addVotersList", votersCount=100)
            folder.put(more, vote(f"v{number}", ms(3, hour=number)), name=f"{number}", contract=contract)
            update(chosen, folder.root)
        overrides.set_constituency(chosen, CONTRACT, {"name": "another"}, "somebody")
        refresh_registry(chosen, "run", NOW)
    assert len(seen) > 3, "the watcher saw the figures change"
    assert [shown for shown in seen if len(set(shown)) > 1] == []


def test_what_people_say_is_shown_at_once_where_no_hour_waits(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("v", ms(1)), name="first")
    update(chosen, folder.root)
    overrides.set_constituency(chosen, CONTRACT, {"name": "another"}, "somebody")
    refresh_registry(chosen, "run", NOW)
    assert rows(chosen, "SELECT name FROM metrics.constituency_current").iloc[0, 0] == "another"


def test_hours_stay_as_they_were_if_what_follows_from_them_cannot_be_computed(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("v", ms(1)), name="first")
    update(chosen, folder.root)
    folder.put(vote("late", ms(2)), name="late")
    land(chosen, folder.root, "run", NOW)
    with transaction(chosen) as connection:
        connection.execute(sa.text("ALTER TABLE metrics.election_summaries ADD CHECK (votes_cast < 2)"))
    with pytest.raises(Exception, match="violates check constraint"):
        compute_hours(chosen, HOUR, HOUR + ONE, "run", NOW)
    assert rows(chosen, "SELECT votes_cast FROM metrics.hourly_stats").iloc[0, 0] == 1
    assert changed_hours(chosen, NOW) == [HOUR]


def test_a_constituency_that_waits_to_be_computed_is_not_silent(chosen: Settings, tmp_path: Path) -> None:
    """Two days, every hour alike; the second is computed by a later run than the first."""
    folder = Folder(tmp_path)
    for contract in (None, OTHER):
        lines = [
            line(f"s{contract}", ms(0), "startVoting"),
            line(f"r{contract}", ms(0), "addVotersList", votersCount=9000),
        ]
        for hour in range(48):
            for n in range(20):
                name = f"{contract}{hour}_{n}"
                lines += [issue(f"i{name}", ms(n * 2, hour)), vote(f"v{name}", ms(n * 2 + 1, hour))]
        folder.put(*lines, name="dump", **({} if contract is None else {"contract": contract}))
    now = HOUR + 48 * ONE
    land(chosen, folder.root, "run", now)
    refresh_registry(chosen, "run", now)
    for first in (0, 12, 24, 36):
        compute_hours(chosen, HOUR + first * ONE, HOUR + (first + 12) * ONE, "run", now)
        compute_anomalies(chosen, "run", now=now)
        assert rows(chosen, "SELECT rule, severity, explanation FROM metrics.anomalies").values.tolist() == []
        behind = publication.elections_behind(chosen)
        assert bool(behind) == (first < 36), "an election that was not judged is judged when its hours are computed"


def test_an_election_is_judged_whatever_other_elections_wait(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "90 - Пермский край" / "Выборы А")
    folder.put(line("r", ms(0), "addVotersList", votersCount=1), vote("a", ms(1)), vote("b", ms(2)))
    update(chosen, tmp_path)
    assert rows(chosen, "SELECT rule FROM metrics.anomalies")["rule"].tolist().count("turnout_above_register") == 1
    Folder(tmp_path / "90 - Пермский край" / "Выборы Б").put(vote("c", ms(1, hour=50)), contract=OTHER)
    folder.put(line("more", ms(3), "addVotersList", votersCount=5), name="more")
    land(chosen, tmp_path, "run", NOW)
    refresh_registry(chosen, "run", NOW)
    compute_hours(chosen, HOUR, HOUR + ONE, "run", NOW)
    query = "SELECT state FROM metrics.anomalies WHERE rule = 'turnout_above_register'"
    assert rows(chosen, query)["state"].tolist() == ["resolved"]


_STATES = """
    SELECT
        summary.votes_cast,
        (SELECT coalesce(sum(votes_cast), 0) FROM metrics.hourly_stats AS h WHERE h.election_id = summary.election_id),
        (SELECT coalesce(sum(votes_cast), 0) FROM metrics.election_hours AS h WHERE h.election_id = summary.election_id),
        (SELECT coalesce(sum(votes_cast), 0) FROM metrics.constituency_metrics AS m
            WHERE m.election_id = summary.election_id AND period = 'election'),
        (SELECT coalesce(sum(votes_cast), 0) FROM metrics.region_summaries AS r
            WHERE r.election_id = summary.election_id)
    FROM metrics.election_summaries AS summary
"""


@pytest.mark.parametrize(
    ("old", "new", "by"),
    [
        ("Б", "A", "folder"),
        ("Z", "Y", "people"),
        pytest.param("Y", "Z", "people", marks=[pytest.mark.long, pytest.mark.rare]),
        pytest.param("A", "Б", "people", marks=[pytest.mark.long, pytest.mark.rare]),
    ],
)
@pytest.mark.parametrize("most", [1, pytest.param(744, marks=[pytest.mark.long, pytest.mark.rare])])
def test_a_contract_that_moves_to_another_election_is_never_in_both_or_in_none(
    chosen: Settings, tmp_path: Path, old: str, new: str, most: int, by: str
) -> None:
    """The register is loaded the evening before, so that its hours are two ranges."""
    region = tmp_path / "77 - Москва"
    stays, moves = Folder(region / new), Folder(region / old)
    for folder, contract, voters in ((stays, CONTRACT, 39), (moves, OTHER, 50)):
        folder.put(
            line(f"r{contract}", ms(0, hour=-12), "addVotersList", votersCount=100),
            *[vote(f"{contract}{n}", ms(n, hour=n % 2 * 3)) for n in range(voters)],
            name="dump", contract=contract,
        )  # fmt: skip
    update(chosen, tmp_path)
    with watched(chosen, _STATES) as seen:
        if by == "folder":
            (path,) = (region / old).rglob("*.csv")
            target = region / new / path.relative_to(region / old)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        else:
            with transaction(chosen) as connection:
                say = "INSERT INTO metrics.constituency_reference (constituency_id, election, set_by, set_at) VALUES (:c, :e, 'me', now())"
                connection.execute(sa.text(say), {"c": OTHER, "e": new})
        update(chosen, tmp_path, NOW + ONE, most)
    assert [state for state in seen if len(set(state)) > 1] == []
    query = "SELECT votes_cast, registered_voters FROM metrics.election_summaries"
    assert rows(chosen, query).values.tolist() == [[89, 200]]
    assert publication.elections_behind(chosen) == []
