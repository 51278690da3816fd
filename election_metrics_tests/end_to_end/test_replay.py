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
from election_metrics.counts import NAMES as ALL_COUNTS
from election_metrics.demo import demo_buckets, national_hours
from election_metrics.metrics.constituency import constituency_metrics
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import all_or_nothing, write_expected, write_replay
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
@pytest.mark.parametrize("faults", [True, pytest.param(False, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("series", "scale"),
    [pytest.param("districts_5min.csv", 1.0, marks=pytest.mark.long), ("national_5min.csv", 0.002)],
)
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


HEADER = "constituency,name,election,registered_voters,bucket_start,bulletins_issued,votes_cast,time_zone"
GOOD = [
    f"{place},Округ,Выборы,50,2026-09-18T{hour:02}:{minute:02}:00+03:00,3,2,Europe/Moscow"
    for place in ("one", "two") for hour in (8, 9) for minute in (0, 30)
]  # fmt: skip


def changed(line: int, **fields: str) -> list[str]:
    """The good lines, with other fields in one of them (from 0 on)."""
    names = HEADER.split(",")
    values = dict(zip(names, GOOD[line].split(","), strict=True)) | fields
    return [*GOOD[:line], ",".join(values[name] for name in names), *GOOD[line + 1 :]]


WRONG_SERIES = {
    "a negative count of votes": (changed(6, votes_cast="-1"), 8, "votes_cast is -1, and cannot be negative"),
    "a negative count of bulletins": (changed(7, bulletins_issued="-40"), 9, "bulletins_issued is -40"),
    "a count that is no number": (changed(5, votes_cast="two"), 7, "votes_cast is 'two', and must be a whole number"),
    "a count that is a part": (changed(5, votes_cast="1.5"), 7, "votes_cast is '1.5'"),
    "a count that is empty": (changed(5, bulletins_issued=""), 7, "bulletins_issued is ''"),
    "a count beyond all voters": (changed(5, bulletins_issued="9" * 30), 7, "which is more than"),
    "a negative register": (changed(7, registered_voters="-5"), 9, "registered_voters is -5, and cannot be negative"),
    "a time that goes back": (changed(7, bucket_start="2026-09-18T07:00:00+03:00"), 9, "order of time"),
    "a time that goes back by its offset": (changed(7, bucket_start="2026-09-18T09:30:00+09:00"), 9, "order of time"),
    "a bucket of no width": (changed(7, bucket_start="2026-09-18T09:00:00+03:00"), 9, "order of time"),
    "a bucket below a second": (changed(7, bucket_start="2026-09-18T09:00:00.5+03:00"), 9, "by a second or more"),
    "a time that is none": (changed(6, bucket_start="yesterday"), 8, "bucket_start is 'yesterday'"),
    "a time that is empty": (changed(6, bucket_start=""), 8, "bucket_start is ''"),
    "a time that no calendar has": (changed(6, bucket_start="0001-01-01T00:00:00+03:00"), 8, "must be from 2000 to"),
    "a time zone that is none": (changed(7, time_zone="Mars/Base"), 9, "time_zone is 'Mars/Base'"),
    "a time zone that is a path": (changed(7, time_zone="../etc"), 9, "time_zone is '../etc'"),
    "a line that ends early": ([*GOOD, "two,Округ,Выборы,50"], 10, "bucket_start is missing"),
    "a line with a field more": (changed(4, votes_cast="1,200"), 6, "there are 9 fields, and the header has 8"),
    "a constituency that comes back": ([*GOOD, GOOD[3].replace("09:30", "10:30")], 10, "rows of 'one' stand apart"),
    "a constituency with two names": (changed(7, name="Другой"), 9, "another name"),
    "a NUL": (changed(7, name="a\0b"), 9, "NUL"),
    "a field without end": (changed(7, name="a" * 200_000), 9, "field larger than field limit"),
}  # fmt: skip


def replay_into(out: Path, series: Path, *options: str) -> tuple[int, str]:
    """Types the command; returns its exit code and output, without the breaks of lines."""
    done = CliRunner().invoke(main, ["replay", str(series), "--out", str(out), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("kind", WRONG_SERIES)
@pytest.mark.parametrize("is_there", [False, True])
def test_a_wrong_series_is_told_with_its_line_and_writes_nothing(tmp_path: Path, kind: str, is_there: bool) -> None:
    lines, number, said = WRONG_SERIES[kind]
    series, out = tmp_path / "series.csv", tmp_path / "made" / "tree"
    series.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
    if is_there:
        out.mkdir(parents=True)
        (out / "expected.json").write_text("{}", "utf-8")
    before = sorted(tmp_path.rglob("*"))
    code, told = replay_into(out, series)
    assert code == 1
    assert f"series.csv: line {number}: " in told
    assert said in told
    assert sorted(tmp_path.rglob("*")) == before
    assert not is_there or (out / "expected.json").read_text("utf-8") == "{}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: missing columns: bucket_start, bulletins_issued, votes_cast"),
        (b"bucket_start,votes_cast\n2026-09-18T08:00:00+03:00,1\n", "line 1: missing columns: bulletins_issued"),
        (f"{HEADER}\n".encode(), "has no rows"),
        ("\n".join([HEADER, *GOOD]).encode("cp1251"), "line 2: it is no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_series_is_told_and_writes_nothing(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "series.csv").write_bytes(content)
    code, told = replay_into(tmp_path / "tree", tmp_path / "series.csv")
    assert (code, said in told) == (1, True), told
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("scale", ["-1", "nan", "inf"])
def test_a_scale_that_is_none_is_told_and_writes_nothing(tmp_path: Path, scale: str) -> None:
    code, told = replay_into(tmp_path / "tree", OWN, f"--scale={scale}")
    assert (code, "it must be a number from 0" in told) == (1, True), told
    assert not (tmp_path / "tree").exists()


def test_a_replay_is_not_mixed_with_another(tmp_path: Path) -> None:
    for name, lines in (("long", GOOD), ("short", GOOD[:1])):
        (tmp_path / f"{name}.csv").write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
    assert replay_into(tmp_path / "tree", tmp_path / "long.csv")[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "tree").rglob("*") if path.is_file()}
    assert replay_into(tmp_path / "tree", tmp_path / "long.csv")[0] == 0, "the same replay again is the same tree"
    code, told = replay_into(tmp_path / "tree", tmp_path / "short.csv")
    assert (code, "give an empty folder as --out" in told) == (1, True), told
    assert {path: path.read_bytes() for path in (tmp_path / "tree").rglob("*") if path.is_file()} == before


def test_a_tree_that_cannot_be_finished_is_not_begun(tmp_path: Path) -> None:
    def fail() -> None:
        with all_or_nothing(tmp_path / "tree") as unfinished:
            (unfinished / "half.csv").write_text("half", "utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_name_of_dots_stays_below_the_folder(tmp_path: Path) -> None:
    names = "region,election,name,bucket_start,bulletins_issued,votes_cast"
    (tmp_path / "series.csv").write_text(f"{names}\n..,..,..,2026-09-18T08:00:00+03:00,1,1\n", "utf-8")
    code, told = replay_into(tmp_path / "deep" / "tree", tmp_path / "series.csv")
    assert code == 0, told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "series.csv"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["tree"]
