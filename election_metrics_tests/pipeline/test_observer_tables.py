"""The five tables that observers exchange, written from the lake."""

import csv
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from election_metrics.errors import DataError
from election_metrics.pipeline import hour_figures
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.observer_tables import write_tables
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, line, ms, rollback, vote

_MOSCOW = timezone(timedelta(hours=3))


def tables(out: Path) -> dict[str, list[dict[str, str]]]:
    """Each table's rows, as anybody reads them."""
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        return {
            name: list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8"), newline="")))
            for name in archive.namelist()
        }


def issued(name: str, at: int, precinct: object = 101, data: str = '["ballot"]', **more: object) -> str:
    return line(name, at, "blindSigIssue", data=data, primaryUikNumber=precinct, primaryUikRegionCode=77, **more)


def clock(minute: float) -> str:
    """A minute of HOUR on the clock of Moscow."""
    return datetime.fromtimestamp(ms(minute) / 1000, tz=_MOSCOW).strftime("%Y-%m-%d %H:%M:%S")


def test_every_row_that_counts_is_in_its_table_and_no_other(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in" / "77 - город Москва" / "Выборы, первые" / 'Округ "№1"')
    creation = [{"key": "VOTING_BASE", "stringValue": json.dumps({"dimension": [[1, 1, 2]]})}]
    folder.put(
        line("base", ms(-700), "createContract", diff=creation),
        line("l", ms(-600), "addVotersList", votersCount=400, primaryUikNumber="101", primaryUikRegionCode=77),
        line("m", ms(2), "addToVotersList", userIdHashes='["a","b"]'),
        line("n", ms(3), "removeFromVotersList", votersCount=7, primaryUikNumber=102, primaryUikRegionCode=77),
        issued("a", ms(1)), issue("b", ms(2), '["x","y"]'), issued("gone", ms(3)), rollback("gone"),
        issued("fails", ms(4), diff=[{"key": "FAIL_fails_blindSig", "stringValue": "no"}]),
        vote("v", ms(5), "key"), vote("again", ms(6), "key"), line("unknown", ms(7), "vote", "key-7"),
        line("bad", ms(8), "vote", "key-8", [{"key": "FAIL_key-8_bad_vote", "stringValue": "bad"}]),
        line("tally", ms(90), "results", diff=[{"key": "RESULTS", "stringValue": "[[1,0]]"}]),
    )  # fmt: skip
    update(chosen, tmp_path / "in")
    written = write_tables(chosen, tmp_path / "out.zip", NOW)
    found = tables(tmp_path / "out.zip")
    assert list(found) == ["elections.csv", "results.csv", "ballots.csv", "votes.csv", "voter_list_events.csv"]
    assert found["elections.csv"] == [
        {"contract_id": CONTRACT, "region": "город Москва", "election": "Выборы, первые", "district": 'Округ "№1"'}
    ]
    assert found["ballots.csv"] == [
        {"contract_id": CONTRACT, "uik": uik, "timestamp": clock(minute)}
        for uik, minute in (("101", 1), ("", 2), ("", 2))
    ]
    assert found["votes.csv"] == [{"contract_id": CONTRACT, "timestamp": clock(5)}]
    assert [tuple(row.values())[1:] for row in found["voter_list_events.csv"]] == [
        ("101", clock(-600), "400", "initial"), ("", clock(2), "2", "restore"), ("102", clock(3), "7", "remove")
    ]  # fmt: skip
    assert [(row["candidates"], row["results"]) for row in found["results.csv"]] == [('["", ""]', "[1, 0]")]
    assert (written.bulletins, written.votes, written.behind) == (3, 1, 0)


@pytest.fixture
def replayed(chosen: Settings, tmp_path: Path) -> Settings:
    """A warehouse with a vote of three constituencies, with faults of real data."""
    series = tmp_path / "series.csv"
    counts = (f"2026-09-18T{hour:02}:00,{9 * place + hour},{8 * place + hour},place-{place},{90 + 10 * place}"
              for place in range(3) for hour in range(8, 12))  # fmt: skip
    series.write_text("\n".join(["bucket_start,bulletins_issued,votes_cast,constituency,registered_voters", *counts]))
    list(write_replay(read_series(series), tmp_path / "tree", seed=3, faults=True, precincts=True))
    update(chosen, tmp_path / "tree")
    return chosen


def test_their_hours_are_those_of_the_figures(replayed: Settings, tmp_path: Path) -> None:
    write_tables(replayed, tmp_path / "out.zip", NOW)
    found = tables(tmp_path / "out.zip")
    query = "SELECT constituency_id, hour, bulletins_issued, votes_cast FROM metrics.hourly_stats"
    for name, column in (("ballots.csv", "bulletins_issued"), ("votes.csv", "votes_cast")):
        counted = Counter(
            (row["contract_id"], datetime.fromisoformat(f"{row['timestamp'][:13]}:00+03:00")) for row in found[name]
        )
        figures = {
            (row.constituency_id, row.hour): getattr(row, column)
            for row in rows(replayed, query).itertuples()
            if getattr(row, column)
        }
        assert counted == figures
    voters = Counter[str]()
    for row in found["voter_list_events.csv"]:
        voters[row["contract_id"]] += int(row["count"]) * (-1 if row["type"] == "remove" else 1)
    registers = rows(replayed, "SELECT constituency_id, registered_voters FROM metrics.constituencies")
    assert voters == dict(registers.itertuples(index=False, name=None))


def test_compact_tables_are_the_same_with_numbers(replayed: Settings, tmp_path: Path) -> None:
    write_tables(replayed, tmp_path / "long.zip", NOW)
    write_tables(replayed, tmp_path / "compact.zip", NOW, compact=True)
    long, compact = tables(tmp_path / "long.zip"), tables(tmp_path / "compact.zip")
    assert [row["contract_no"] for row in compact["elections.csv"]] == ["1", "2", "3"]
    ids = {row["contract_no"]: row["contract_id"] for row in compact["elections.csv"]}
    for name in ("ballots.csv", "votes.csv", "voter_list_events.csv"):
        named = [{"contract_id": ids[row.pop("contract_no")], **row} for row in compact[name]]
        assert Counter(map(repr, named)) == Counter(map(repr, long[name]))


def test_the_same_lake_gives_the_same_bytes_in_pieces_of_any_size(
    replayed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    write_tables(replayed, tmp_path / "one.zip", NOW)
    monkeypatch.setattr(hour_figures, "_MOST_ROWS_AT_ONCE", 10)
    write_tables(replayed, tmp_path / "two.zip", NOW, progress=lambda done, total: seen.append((done, total)))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert len(seen) > 3
    assert seen[-1][0] == seen[-1][1]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_nothing_is_written_over_or_in_part(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, folder, out = make_settings("home"), Folder(tmp_path / "in"), tmp_path / "out.zip"
    with pytest.raises(DataError, match="nothing has landed"):
        write_tables(settings, out, NOW)
    folder.put(vote("v", ms(1)), issued("i", ms(2)))
    update(settings, folder.root)
    folder.put(vote("w", ms(1)), contract=OTHER)
    land(settings, folder.root, "run", NOW)
    with pytest.raises(DataError, match=f"the contract {OTHER} has landed"):
        write_tables(settings, out, NOW)
    assert not out.exists()
    update(settings, folder.root)
    write_tables(settings, out, NOW)
    with pytest.raises(DataError, match=r"out\.zip exists"):
        write_tables(settings, out, NOW)
    with pytest.raises(DataError, match="none is no folder"):
        write_tables(settings, tmp_path / "none" / "out.zip", NOW)
    folder.put(issued("many", ms(3), data=json.dumps(["b"] * 30)), name="many")
    update(settings, folder.root)
    monkeypatch.setattr("election_metrics.pipeline.observer_tables._MOST_AT_ONCE", 29)
    with pytest.raises(DataError, match="a call has 30 ballots"):
        write_tables(settings, tmp_path / "many.zip", NOW)
    assert [path.name for path in tmp_path.glob("*.zip")] == ["out.zip"]
