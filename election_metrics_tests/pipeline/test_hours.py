"""Hours: functions of their input, replaced whole, never by an older read."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from election_metrics.clock import hour_number
from election_metrics.lake import hours as lake
from election_metrics.lake.connect import connect
from election_metrics.pipeline import hour_figures
from election_metrics.pipeline import hours as module
from election_metrics.pipeline.compaction import compact_hours, lake_parts
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hour_comparison import compare_with_lake
from election_metrics.pipeline.hours import changed_hours, compute_hours, contiguous
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import CONTRACT, HOUR, Folder, issue, line, ms, vote

ONE = timedelta(hours=1)


def test_a_late_row_reopens_its_hour_and_only_that(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("a", ms(1)), vote("b", ms(1, hour=1)), name="1")
    update(chosen, tmp_path)
    assert changed_hours(chosen, NOW) == []
    folder.put(vote("late", ms(2)), name="2")
    land(chosen, tmp_path, "run", NOW)
    assert changed_hours(chosen, NOW) == [HOUR]


def test_computing_again_alone_in_a_range_or_backwards_gives_the_same_rows(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(*(vote(f"v{n}", ms(1, hour=n), "key") for n in range(5)), issue("i", ms(3, hour=2)))
    update(chosen, tmp_path)
    before = everything(chosen)
    compute_hours(chosen, HOUR, HOUR + 5 * ONE, "again", NOW)
    for number in reversed(range(5)):
        compute_hours(chosen, HOUR + number * ONE, HOUR + (number + 1) * ONE, "again", NOW)
    assert everything(chosen) == before
    # Lineage is of the run that computed a figure first; when an hour was computed last is said elsewhere.
    assert set(rows(chosen, "SELECT run_id FROM metrics.hourly_stats")["run_id"]) == {"run"}


def test_an_hour_in_progress_has_velocities_per_elapsed_part_and_is_computed_again_when_it_closes(
    chosen: Settings, tmp_path: Path
) -> None:
    Folder(tmp_path).put(vote("a", ms(1)), issue("b", ms(2)), issue("c", ms(3)))
    land(chosen, tmp_path, "run", HOUR + ONE / 4)
    refresh_registry(chosen, "run", HOUR + ONE / 4)
    compute_hours(chosen, HOUR, HOUR + ONE, "run", HOUR + ONE / 4)
    velocity = "SELECT bulletin_velocity, vote_velocity FROM metrics.hourly_stats"
    assert rows(chosen, velocity).iloc[0].tolist() == [8.0, 4.0]
    assert changed_hours(chosen, HOUR + ONE / 2) == []
    assert changed_hours(chosen, HOUR + ONE) == [HOUR]
    compute_hours(chosen, HOUR, HOUR + ONE, "run", HOUR + ONE)
    assert rows(chosen, velocity).iloc[0].tolist() == [2.0, 1.0]
    assert changed_hours(chosen, HOUR + 2 * ONE) == []


def test_an_older_read_never_replaces_a_newer_one(chosen: Settings, tmp_path: Path, monkeypatch) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("a", ms(1)), name="1")
    update(chosen, tmp_path)
    read = hour_figures.read_inputs
    slow_has_read, newer_is_written = threading.Event(), threading.Event()

    def read_then_wait(*args):
        inputs = read(*args)
        if threading.current_thread().name == "slow":
            slow_has_read.set()
            newer_is_written.wait(20)
        return inputs

    monkeypatch.setattr(module, "read_inputs", read_then_wait)
    # Without the lock, as if its connection had been lost: the guard must hold on its own.
    monkeypatch.setattr(module, "session_lock", lambda *_: contextlib.nullcontext())
    slow = threading.Thread(target=compute_hours, args=(chosen, HOUR, HOUR + ONE, "slow", NOW), name="slow")
    slow.start()
    assert slow_has_read.wait(20)
    folder.put(vote("b", ms(2)), name="2")
    land(chosen, tmp_path, "run", NOW)
    compute_hours(chosen, HOUR, HOUR + ONE, "fast", NOW)
    newer_is_written.set()
    slow.join(20)
    assert hourly(chosen)["08"]["votes_cast"] == 2
    assert rows(chosen, "SELECT run_id FROM metrics.hourly_stats").iloc[0, 0] == "fast"
    assert changed_hours(chosen, NOW) == []


def test_two_computers_at_once_agree(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(*(vote(f"v{n}", ms(n)) for n in range(50)))
    update(chosen, tmp_path)
    before = everything(chosen)
    both = [threading.Thread(target=compute_hours, args=(chosen, HOUR, HOUR + ONE, "x", NOW)) for _ in range(4)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert everything(chosen) == before


def test_the_denominator_of_an_hour_is_the_register_at_its_end(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(line("r1", ms(0, hour=-5), "addVotersList", votersCount=100), vote("a", ms(1)), vote("b", ms(1, hour=1)),
               line("r2", ms(30, hour=1), "removeFromVotersList", votersCount=50), name="1")  # fmt: skip
    update(chosen, tmp_path)
    query = "SELECT registered_voters, participation_rate FROM metrics.hourly_stats WHERE votes_cast > 0 ORDER BY hour"
    assert rows(chosen, query).values.tolist() == [[100, 1.0], [50, 2.0]]
    folder.put(line("r3", ms(0, hour=-4), "addToVotersList", userIdHashes='["a", "b"]'), name="2")
    update(chosen, tmp_path)
    assert rows(chosen, query)["registered_voters"].tolist() == [102, 52]
    assert rows(chosen, "SELECT registered_voters FROM metrics.constituencies").iloc[0, 0] == 52


def test_an_unknown_register_gives_no_rate_and_an_empty_one_neither(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(
        vote("a", ms(1)), line("r", ms(0, hour=1), "addVotersList", votersCount=0), vote("b", ms(1, hour=1))
    )
    update(chosen, tmp_path)
    found = rows(chosen, "SELECT registered_voters, participation_rate FROM metrics.hourly_stats ORDER BY hour")
    assert found["registered_voters"].isna().tolist() == [True, False]
    assert found["participation_rate"].isna().all()
    assert rows(chosen, "SELECT participation_rate FROM metrics.election_summaries").iloc[0].isna().all()


def test_turnout_above_the_register_is_not_clamped(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(line("r", ms(0), "addVotersList", votersCount=1), vote("a", ms(1)), vote("b", ms(2)))
    update(chosen, tmp_path)
    assert rows(chosen, "SELECT participation_rate FROM metrics.election_summaries").iloc[0, 0] == 200


def test_the_reference_overrides_and_its_change_reaches_every_hour(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(line("r", ms(0), "addVotersList", votersCount=4), vote("a", ms(1)))
    reference = tmp_path / "reference.csv"
    head = "constituency_id,name,election,region,time_zone,registered_voters,starts_at,ends_at\n"
    with_reference = chosen.model_copy(update={"reference": reference})
    reference.write_text(f"{head}{CONTRACT},Округ,Выборы,Край,Asia/Omsk,10,2026-09-18T08:00,2026-09-18T20:00\n")
    update(with_reference, tmp_path / "in")
    assert rows(chosen, "SELECT participation_rate FROM metrics.hourly_stats").iloc[0, 0] == 10
    found = rows(chosen, "SELECT name, region, time_zone, starts_at FROM metrics.constituencies").iloc[0].tolist()
    assert found == ["Округ", "Край", "Asia/Omsk", datetime(2026, 9, 18, 2, tzinfo=UTC)]
    reference.write_text(f"{head}{CONTRACT},Округ,Другие выборы,Край,Asia/Omsk,20,2026-09-18T08:00,2026-09-18T20:00\n")
    update(with_reference, tmp_path / "in")
    assert rows(chosen, "SELECT participation_rate FROM metrics.hourly_stats").iloc[0, 0] == 5
    assert rows(chosen, "SELECT name FROM metrics.elections")["name"].tolist() == ["Другие выборы"]
    assert len(rows(chosen, "SELECT * FROM metrics.election_summaries")) == 1


def test_ballots_outside_the_voting_times_are_anomalous_with_grace_for_votes(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(
        vote("early", ms(-1)), line("s", ms(0), "startVoting"), issue("in", ms(1)),
        line("f", ms(60), "finishVoting"), issue("late", ms(61)), vote("grace", ms(74)), vote("after", ms(76)),
    )  # fmt: skip
    update(chosen, tmp_path)
    found = rows(chosen, "SELECT sum(anomaly_count)::bigint FROM metrics.hourly_stats").iloc[0, 0]
    assert found == 3


@pytest.mark.long
def test_merging_parts_changes_no_figure_and_drops_what_was_superseded(chosen: Settings, tmp_path: Path) -> None:
    small = chosen.model_copy(update={"compact_after_parts": 3})
    folder = Folder(tmp_path)
    for number in range(5):
        folder.put(vote(f"v{number}", ms(number), "key"), vote("same", ms(9)), name=str(number))
        update(small, tmp_path)
    folder.put(vote("other", ms(20)), name="0")
    update(small, tmp_path)
    before = everything(small)
    assert compact_hours(small, HOUR, HOUR + ONE, NOW) == {hour_number(HOUR): 6}
    compute_hours(small, HOUR, HOUR + ONE, "run", NOW)
    assert everything(small) == before
    assert len(rows(chosen, "SELECT * FROM ingest.lake_parts WHERE retired_at IS NULL")) == 1
    compact_hours(small, HOUR, HOUR + ONE, NOW + timedelta(days=1))
    assert len(list(chosen.lake_path.rglob("*.parquet"))) == 1


def test_the_hours_hold_as_many_transactions_as_the_lake(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)), vote("b", ms(1)), issue("c", ms(1, hour=1)))
    update(chosen, tmp_path)
    compared = compare_with_lake(chosen, HOUR, HOUR + 2 * ONE)
    assert compared[["in_lake", "in_hours"]].values.tolist() == [[2, 2], [1, 1]]
    from election_metrics.warehouse.database import transaction

    with transaction(chosen) as connection:
        connection.exec_driver_sql("UPDATE metrics.hourly_stats SET transaction_count = transaction_count + 1")
    assert (compare_with_lake(chosen, HOUR, HOUR + 2 * ONE)["in_hours"] == [3, 2]).all()


@pytest.mark.parametrize(
    ("hours", "ranges"),
    [
        ([], []),
        ([0], [(0, 0)]),
        ([3, 1, 2], [(1, 3)]),
        ([1, 2, 5], [(1, 2), (5, 5)]),
        ([1, 2, 3, 4, 5], [(1, 4), (5, 5)]),
    ],
)
def test_changed_hours_become_ranges_without_a_hole(hours: list[int], ranges: list[tuple[int, int]]) -> None:
    found = contiguous([HOUR + hour * ONE for hour in hours], 4)
    assert list(found) == [(HOUR + first * ONE, HOUR + last * ONE) for first, last in ranges]


@pytest.mark.long
def test_seed_2092_of_two_compactions_at_once_one_counts_and_nothing_is_lost(chosen: Settings, tmp_path: Path) -> None:
    """Both wrote a file of the same name; the slower one, having lost, removed it."""

    folder = Folder(tmp_path / "in")
    for number in range(3):
        folder.put(vote(f"v{number}", ms(number)), name=f"f{number}")
        update(chosen, folder.root)
    eager = chosen.model_copy(update={"compact_after_parts": 2})
    parts = lake_parts(chosen, HOUR, HOUR + timedelta(hours=1))
    with connect(chosen) as engine:
        paths = [chosen.lake_path / path for path in parts["path"]]
        number = int(parts["hour_number"][0])
        slower = lake.compact(engine, chosen.lake_path, tmp_path, number, paths, [])
        assert compact_hours(eager, HOUR, HOUR + timedelta(hours=1)) == {number: 3}
        (chosen.lake_path / slower.path).unlink()
    compute_hours(chosen, HOUR, HOUR + timedelta(hours=1), "again")
    assert hourly(chosen)["08"]["votes_cast"] == 3


def test_seed_3041_constituencies_that_land_while_the_registry_is_refreshed_are_counted(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("a", ms(1)))
    land(chosen, tmp_path, "run", NOW)
    others = iter(["CsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr", "DsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"])

    def refresh_and_land(*arguments: object) -> object:
        made = refresh_registry(*arguments)  # type: ignore[arg-type]
        for contract in others:
            folder.put(vote(f"of {contract}", ms(2)), contract=contract)
            land(chosen, tmp_path, "run", NOW)
            break
        return made

    monkeypatch.setattr(module, "refresh_registry", refresh_and_land)
    compute_hours(chosen, HOUR, HOUR + ONE, "run", NOW)
    assert hourly(chosen)["08"]["votes_cast"] == 3
