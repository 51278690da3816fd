"""A replay of a turnout series gives its figures exactly, with and without what real data does wrong."""

import csv
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.demo import demo_buckets, national_hours
from election_metrics.metrics.constituency import COUNTS as ALL_COUNTS
from election_metrics.metrics.constituency import constituency_metrics
from election_metrics.replay import read_series, write_expected, write_replay
from election_metrics.settings import Settings
from election_metrics_tests.computing import rows, update
from election_metrics_tests.published import REGISTERED, national

OWN = Path(__file__).parents[1] / "data" / "series.csv"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "deg2026"
COLUMNS = ("transaction_count", "bulletins_issued", "bulletins_failed", "votes_cast", "votes_rejected", "votes_unknown",
           "revotes", "withdrawn")  # fmt: skip


def replayed(chosen: Settings, series: Path, out: Path, scale: float, faults: bool, zipped: bool = False) -> dict:
    *_, written = write_replay(read_series(series, scale), out, seed=11, faults=faults, zipped=zipped)
    expected = json.loads(write_expected(written, out).read_text("utf-8"))
    report = update(chosen, out)
    assert report.rejected == expected["rejected"]
    assert rows(chosen, "SELECT sum(lines)::bigint AS n FROM ingest.transaction_files").iloc[0, 0] == expected["lines"]
    found = rows(chosen, "SELECT * FROM metrics.hourly_stats")
    hours = {
        (row.constituency_id, f"{row.hour:%Y-%m-%dT%H:%M:%SZ}"): {name: getattr(row, name) for name in COLUMNS}
        for row in found.itertuples()
    }
    wanted = {
        (contract, hour): counts
        for contract, constituency in expected["constituencies"].items()
        for hour, counts in constituency["hours"].items()
    }
    assert hours == wanted
    return expected


@pytest.mark.parametrize(("faults", "zipped"), [(False, False), (True, False), (True, True)])
def test_every_hour_of_a_replay_is_what_the_series_says(
    chosen: Settings, tmp_path: Path, faults: bool, zipped: bool
) -> None:
    expected = replayed(chosen, OWN, tmp_path / "in", 1, faults, zipped)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    with OWN.open(encoding="utf-8") as series:
        for row in csv.DictReader(series):
            sums[row["constituency"], row["bucket_start"][:13]][0] += int(row["bulletins_issued"])
            sums[row["constituency"], row["bucket_start"][:13]][1] += int(row["votes_cast"])
    keys = {contract: constituency["key"] for contract, constituency in expected["constituencies"].items()}
    found = rows(chosen, "SELECT constituency_id, hour, bulletins_issued, votes_cast FROM metrics.hourly_stats")
    hours = {
        (keys[row.constituency_id], f"{row.hour.tz_convert('Europe/Moscow'):%Y-%m-%dT%H}"): [row.bulletins_issued, row.votes_cast]
        for row in found.itertuples()
        if row.bulletins_issued or row.votes_cast
    }  # fmt: skip
    assert hours == dict(sums)
    summary = rows(chosen, "SELECT registered_voters, coverage FROM metrics.election_summaries").iloc[0].tolist()
    assert summary == [180, 100]


@pytest.mark.skipif(not SHARED.exists(), reason="the published series are not part of this repository")
@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize(("series", "scale"), [("districts_5min.csv", 1.0), ("national_5min.csv", 0.002)])
def test_the_published_series_give_the_published_hours(
    chosen, tmp_path: Path, series: str, scale: float, faults: bool
) -> None:
    expected = replayed(chosen, SHARED / series, tmp_path / "in", scale, faults)
    keys = {contract: constituency["key"] for contract, constituency in expected["constituencies"].items()}
    published = defaultdict(list)
    with (SHARED / "hourly_expected.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            hour = datetime.fromisoformat(row["hour_start"])
            published[row["constituency"]].append((hour, int(row["bulletins_issued"]), int(row["votes_cast"])))
    found = rows(chosen, "SELECT constituency_id, hour, bulletins_issued, votes_cast FROM metrics.hourly_stats")
    for contract, key in keys.items():
        mine = found[found["constituency_id"] == contract].set_index("hour")
        running = [[0, 0], [0, 0]]
        for hour, *counts in sorted(published[key]):
            for kind, column in enumerate(("bulletins_issued", "votes_cast")):
                running[0][kind] += counts[kind]
                running[1][kind] += int(mine[column].get(hour, 0))
                # A scaled running total is the published one times the scale, rounded down.
                assert running[1][kind] == int(running[0][kind] * scale + 1e-9), (key, hour, column)


def test_the_packages_national_curve_has_the_published_sums() -> None:
    hours = national_hours()
    assert len(hours) == 70
    assert (sum(hour[1] for hour in hours), sum(hour[2] for hour in hours)) == (12_202_035, 12_088_374)
    assert sum(votes > bulletins for _, bulletins, votes in hours) == 43


def test_the_demo_never_gives_a_constituency_more_votes_than_bulletins_and_ends_today() -> None:
    today = datetime(2026, 11, 23).date()  # noqa: DTZ001
    buckets = list(demo_buckets(today))
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for bucket in buckets:
        totals[bucket.voting.key][0] += bucket.bulletins
        totals[bucket.voting.key][1] += bucket.votes
        assert totals[bucket.voting.key][1] <= totals[bucket.voting.key][0]
    assert len(totals) == 36
    assert 95_000 < sum(map(sum, totals.values())) < 105_000
    assert max(bucket.start for bucket in buckets).date() == today
    assert len({bucket.voting.time_zone for bucket in buckets}) == 3


def test_the_national_series_has_its_published_days_totals_and_gaps() -> None:
    series = national()
    zeros = dict.fromkeys(set(ALL_COUNTS) - {*series.columns, "transaction_count"}, 0)
    series = series.assign(**zeros, election_id="e", transaction_count=series["bulletins_issued"] + series["votes_cast"],
                           first_transaction_at=series["hour"], last_transaction_at=series["hour"])  # fmt: skip
    frame = constituency_metrics(series, pd.Series({"all": "Europe/Moscow"}), pd.Series({"all": REGISTERED}))
    days = frame[frame["period"] == "day"]
    assert days["votes_cast"].tolist() == [9_445_910, 1_547_818, 1_094_646]
    whole = frame[frame["period"] == "election"].iloc[0]
    assert (whole["bulletins_issued"], whole["votes_cast"]) == (12_202_035, 12_088_374)
    assert round(whole["participation_rate"], 2) == 90.08
    assert round(whole["gap_rate"], 2) == 0.93
    hours = frame[frame["period"] == "hour"].set_index("period_start")
    gap = (1 - hours["running_votes"] / hours["running_bulletins"]) * 100
    assert round(gap[pd.Timestamp("2026-09-18T11:00+03:00")], 2) == 1.65  # at noon
    assert (hours["votes_cast"] > hours["bulletins_issued"]).sum() == 43
    assert not (hours["running_votes"] > hours["running_bulletins"]).any()


_HEAD = "constituency,bucket_start,bulletins_issued,votes_cast,registered_voters,time_zone\n"
_GOOD = "a,2026-09-18T08:00:00+03:00,5,4,10,Europe/Moscow\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,2026-09-18T09:00:00+03:00,-5,4,10,", "line 3: bulletins_issued is -5"),
        ("a,2026-09-18T09:00:00+03:00,5,-1,10,", "line 3: votes_cast is -1"),
        ("a,2026-09-18T09:00:00+03:00,5,4,-10,", "line 3: registered_voters is -10"),
        ("a,2026-09-18T09:00:00+03:00,5.5,4,10,", "line 3: bulletins_issued is '5.5'"),
        ("a,2026-09-18T09:00:00+03:00,,4,10,", "line 3: bulletins_issued is ''"),
        ("a,2026-09-18T09:00:00+03:00", "line 3: bulletins_issued is None"),
        ("a,2026-09-18T07:00:00+03:00,5,4,10,", "line 3: bucket_start is 2026-09-18T07:00:00+03:00, not after"),
        ("a,2026-09-18T08:00:00+03:00,5,4,10,", "line 3: bucket_start is 2026-09-18T08:00:00+03:00, not after"),
        ("a,2026-09-18T09:00:00,5,4,10,", "line 3: bucket_start is '2026-09-18T09:00:00', without an offset"),
        ("a,tomorrow,5,4,10,", "line 3: Invalid isoformat string: 'tomorrow'"),
        ("a,2026-09-18T09:00:00+03:00,5,4,10,Mars/Olympus", "line 3: time_zone is 'Mars/Olympus'"),
        (
            "b,2026-09-18T08:00:00+03:00,5,4,10,\na,2026-09-18T09:00:00+03:00,5,4,10,",
            "line 4: rows of 'a' stand in several",
        ),
    ],
)
def test_a_series_that_is_wrong_is_named_by_line_and_nothing_is_written(tmp_path: Path, row: str, said: str) -> None:
    series, out = tmp_path / "series.csv", tmp_path / "out"
    series.write_text(f"{_HEAD}{_GOOD}{row}\n", "utf-8")
    told = CliRunner().invoke(main, ["replay", str(series), "--out", str(out)])
    assert told.exit_code == 1
    assert said in told.output
    assert not out.exists()
