"""Inside the hour: what is counted by 5 minutes, and what the rules find there, from files to findings."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from election_metrics.lake.duck import put_parquet_view
from election_metrics.lake.engine import sql
from election_metrics.lake.landing import PART_COLUMNS
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.finding_queries import series_around
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import OTHER, Folder, issue, line, ms, rollback, vote

NEW_RULES = ("burst", "equal_gaps", "regular_votes", "registrar_block", "registration_block", "votes_without_bulletins")


def found(settings: Settings) -> list[tuple[str, str]]:
    """Rule and state of the findings from inside an hour."""
    frame = rows(settings, "SELECT rule, state FROM metrics.anomalies ORDER BY rule")
    return [(rule, state) for rule, state in frame.itertuples(index=False, name=None) if rule in NEW_RULES]


def by_chance(count: int, seed: int = 0, hour: int = 0) -> Iterator[str]:
    """So many bulletins, each followed by its vote within three minutes, at times of chance."""
    chance = random.Random(seed)
    for number in range(count):
        at = ms(chance.uniform(0, 56), hour) + chance.randrange(1000)
        yield issue(f"i{seed}-{number}", at)
        yield vote(f"v{seed}-{number}", at + chance.randrange(5_000, 180_000))


def every(seconds: float, count: int, start: float = 1.0) -> Iterator[str]:
    """Votes that follow each other after so many seconds."""
    yield from (vote(f"m{number}", ms(start) + 137 + int(number * seconds * 1000)) for number in range(count))


def registered_by(registrar: str, name: str, at: int) -> str:
    return line(name, at, "blindSigIssue", registrar, data='["ballot"]')


def test_each_five_minutes_are_counted_once_and_corrected_as_their_hour_is(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(issue("i1", ms(0)), vote("v1", ms(4.99)), vote("v2", ms(5), "a"), vote("v3", ms(59.99)))
    folder.put(vote("v4", ms(6), "a"), vote("v5", ms(7)), rollback("v5"), vote("v2", ms(5), "a"), name="b")
    update(chosen, folder.root)
    counted = rows(chosen, "SELECT * FROM metrics.interval_stats ORDER BY interval_start")
    assert [(f"{row.interval_start:%M}", row.bulletins_issued, row.votes_cast) for row in counted.itertuples()] == [
        ("00", 1, 1), ("05", 0, 1), ("55", 0, 1)
    ]  # fmt: skip
    sums = (
        "SELECT election_id, constituency_id, hour, sum(bulletins_issued)::bigint AS bulletins, "
        "sum(votes_cast)::bigint AS votes, run_id, computed_at FROM metrics.{} GROUP BY 1, 2, 3, 6, 7"
    )
    pd.testing.assert_frame_equal(*(rows(chosen, sums.format(table)) for table in ("interval_stats", "hourly_stats")))


def test_switched_off_nothing_is_counted_and_what_was_found_stays(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*by_chance(60), *every(20, 30))
    update(chosen, folder.root)
    assert found(chosen) == [("equal_gaps", "open")]
    off = chosen.model_copy(update={"intervals": False})
    folder.put(vote("late", ms(30)), name="late")
    update(off, folder.root)
    assert rows(chosen, "SELECT count(*) AS n FROM metrics.interval_stats")["n"].tolist() == [0]
    assert found(chosen) == [("equal_gaps", "open")]
    folder.put(vote("later", ms(31)), name="later")
    update(chosen, folder.root)
    assert rows(chosen, "SELECT sum(votes_cast)::bigint AS n FROM metrics.interval_stats")["n"].tolist() == [92]


def test_votes_by_chance_are_not_found(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    for hour in range(4):
        folder.put(*by_chance(25 * 4**hour, hour, hour), name=f"h{hour}")
    update(chosen, folder.root)
    assert found(chosen) == []


@pytest.mark.parametrize("seconds", [7.0, 36.0])
def test_a_machine_that_votes_every_so_many_seconds_is_found(chosen: Settings, tmp_path: Path, seconds: float) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[issue(f"i{n}", ms(n / 4)) for n in range(100)], *every(seconds, 95))
    update(chosen, folder.root)
    assert found(chosen) == [("equal_gaps", "open"), ("regular_votes", "open")]
    said = rows(chosen, "SELECT explanation FROM metrics.anomalies WHERE rule = 'equal_gaps'")["explanation"].tolist()
    assert said == [f"94 times in a row, {seconds:.0f} seconds passed between two votes, to the second"]


def test_votes_that_come_before_any_bulletin_of_theirs_are_found(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    chance = random.Random(1)
    folder.put(*by_chance(200))
    folder.put(*[vote(f"x{n}", ms(40 + chance.uniform(0, 9), 2)) for n in range(40)], name="2026-09-18_1300-1400")
    update(chosen, folder.root)
    (finding,) = rows(chosen, "SELECT * FROM metrics.anomalies WHERE rule = 'votes_without_bulletins'").itertuples()
    assert f"{finding.window_start:%H:%M} {finding.window_end:%H:%M}" == "10:35 10:50"
    assert finding.explanation == "40 votes within 10 minutes, but 0 bulletins since half an hour before"


def test_one_registrar_among_others_and_a_block_of_registrations_are_told(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    chance = random.Random(2)
    turns = [chance.choice(["first-registrar", "second-registrar"]) for _ in range(60)]
    turns[30:30] = ["third-registrar"] * 25
    lists = [
        line("list", ms(1), "addVotersList", votersCount=900),
        line("late", ms(80), "addToVotersList", votersCount=60),
    ]
    folder.put(*[registered_by(who, f"i{n}", ms(n / 2) + n * 37) for n, who in enumerate(turns)], *lists)
    folder.put(
        *[registered_by(chance.choice(["a", "b"]), f"o{n}", ms(n / 2) + n * 41) for n in range(100)], contract=OTHER
    )
    update(chosen, folder.root)
    assert found(chosen) == [("registrar_block", "open"), ("registration_block", "open")]
    said = rows(chosen, "SELECT explanation FROM metrics.anomalies WHERE rule = 'registrar_block'")[
        "explanation"
    ].tolist()
    assert said == [
        "registrar third-re… issued 25 bulletins in a row, of 85 of the hour, while others issued before and after"
    ]


def test_parts_of_the_first_layout_are_read_beside_those_of_the_second(tmp_path: Path) -> None:
    here = duckdb.connect()
    here.execute(sql("macros"))
    put_parquet_view(here, "nothing", [], PART_COLUMNS)
    for name, text in (
        ("part-a.parquet", "SELECT * EXCLUDE (registrar) FROM one"),
        ("part-b.2.parquet", "SELECT * FROM one"),
    ):
        here.execute("CREATE OR REPLACE TEMP TABLE one AS SELECT * FROM nothing")
        here.execute("INSERT INTO one (transaction_id, registrar) VALUES (?, 'someone')", [name])
        here.execute(f"COPY ({text}) TO '{tmp_path / name}' (FORMAT parquet)")
    put_parquet_view(here, "landed", sorted(tmp_path.iterdir()), PART_COLUMNS)
    assert here.execute("SELECT transaction_id, registrar FROM landed ORDER BY 1").fetchall() == [
        ("part-a.parquet", None), ("part-b.2.parquet", "someone")
    ]  # fmt: skip


def test_the_picture_of_a_burst_is_by_5_minutes(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*by_chance(60), *every(20, 30))
    update(chosen, folder.root)
    (whole_hour,) = rows(chosen, "SELECT * FROM metrics.anomalies WHERE rule = 'equal_gaps'").to_dict("records")
    start = whole_hour["window_start"].to_pydatetime()
    within = {**whole_hour, "window_start": start + timedelta(minutes=20), "window_end": start + timedelta(minutes=30)}
    with transaction(chosen) as connection:
        (hour,) = series_around(
            connection, {**whole_hour, "window_start": start, "window_end": start + timedelta(hours=1)}
        )
        minutes = series_around(connection, within)
    assert (hour["votes_cast"], hour["bulletins_issued"]) == (90, 60)
    assert {row["ends_at"] - row["starts_at"] for row in minutes} == {timedelta(minutes=5)}
    assert sum(row["votes_cast"] for row in minutes) == 90


@pytest.mark.parametrize("rounding", [10_000, 15_000, 20_000, 60_000, 300_000])
@pytest.mark.parametrize("offset", [0, 30_000])
def test_rounded_times_are_no_machine(chosen: Settings, tmp_path: Path, rounding: int, offset: int) -> None:
    chance = random.Random(3)
    folder = Folder(tmp_path / "in")
    for hour in range(3):
        times = [ms(0, hour) + chance.randrange(3_500_000) // rounding * rounding + offset for _ in range(60)]
        name = f"2026-09-18_{11 + hour}00-{12 + hour}00"
        folder.put(*[issue(f"i{hour}-{n}", at) for n, at in enumerate(times)],
                   *[vote(f"v{hour}-{n}", at + rounding) for n, at in enumerate(times)], name=name)  # fmt: skip
    update(chosen, folder.root)
    assert found(chosen) == []
