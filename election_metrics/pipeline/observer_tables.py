"""Writes the five tables in which observers of this vote exchange it: CSVs in a zip, from the lake.

`elections.csv` (contract_id, region, election, district), `results.csv` (contract_id, candidates, results),
`ballots.csv` (contract_id, uik, timestamp: a row a bulletin), `votes.csv` (contract_id, timestamp: a row an accepted
vote), `voter_list_events.csv` (contract_id, uik, timestamp, count, type). Times are Moscow time, to the second.
"""

import csv
import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from election_metrics.clock import hour_number, hour_start
from election_metrics.errors import DataError
from election_metrics.lake.duck import DuckEngine
from election_metrics.lake.engine import connect_here, sql
from election_metrics.lake.hours import LakeHours, open_hours
from election_metrics.lake.reading import quoted
from election_metrics.locations import Location
from election_metrics.pipeline.hour_figures import chunks_of_hours, read_inputs
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.scratch import work_folder
from election_metrics.settings import Settings
from election_metrics.warehouse import observer_queries, stale_hours
from election_metrics.warehouse.database import transaction

_MOSCOW = ZoneInfo("Europe/Moscow")
_MOST_AT_ONCE = 1_000_000
"""Ballots of one call; a row each would be no table any more."""
_OF_LAKE = {
    "ballots.csv": ("uik", "timestamp"), "votes.csv": ("timestamp",),
    "voter_list_events.csv": ("uik", "timestamp", "count", "type"),
}  # fmt: skip


@dataclass
class Written:
    """What was written.

    Attributes:
        rows: number of rows of each table, by name.
        bulletins: sum of bulletins in `hourly_stats`, and votes: of accepted votes there.
        votes: see above.
        behind: hours that landed and are not computed; the tables hold them, the sums do not.
        bytes: size of the zip.
    """

    rows: dict[str, int] = field(default_factory=dict)
    bulletins: int = 0
    votes: int = 0
    behind: int = 0
    bytes: int = 0


def write_tables(
    settings: Settings, out: Path, now: datetime, *, compact: bool = False, progress: Report | None = None
) -> Written:
    """Writes the zip; the tables of the lake are of one moment. The same lake gives the same bytes.

    Args:
        settings: the settings.
        out: the zip, which must not exist; it appears when it is complete.
        now: the current time.
        compact: number the contracts in the order of `elections.csv`, instead of repeating their ids.
        progress: called with (done, total) hours.

    Raises:
        DataError: nothing has landed, the file exists, or a call has too many ballots for a row each.
    """
    if out.exists():
        raise DataError(f"{out} exists; name another file, or remove it")
    if not out.parent.is_dir():
        raise DataError(f"{out.parent} is no folder; make it first")
    written = Written()
    with transaction(settings, snapshot=True) as connection:
        contracts = observer_queries.contracts(connection)
        results = observer_queries.results(connection)
        first, last = stale_hours.first_and_last_hour(connection)
        written.bulletins, written.votes = observer_queries.sums(connection)
        written.behind = len(stale_hours.changed_hours(connection, now))
    if first is None or last is None:
        raise DataError("nothing has landed; type: election-metrics ingest FOLDER")
    numbers = {contract: number for number, contract in enumerate(contracts["contract_id"], start=1)}
    key = "contract_no" if compact else "contract_id"
    with work_folder(settings.scratch_path) as work:
        _write_small(work / "elections.csv", _elections(contracts, compact=compact))
        _write_small(work / "results.csv", _results(results, numbers if compact else None))
        for name, columns in _OF_LAKE.items():
            (work / name).write_text(",".join((key, *columns)) + "\n", "utf-8")
        written.rows = {"elections.csv": len(contracts), "results.csv": results["constituency_id"].nunique()}
        written.rows |= _write_lake(settings, work, numbers, compact, first, last, progress)
        unfinished = out.with_name(f".{out.name}.part")
        _zip(work, unfinished)
        written.bytes = unfinished.stat().st_size
        unfinished.replace(out)
    return written


def _elections(contracts: pd.DataFrame, *, compact: bool) -> Iterable[Sequence[object]]:
    numbered = ("contract_no",) if compact else ()
    yield (*numbered, "contract_id", "region", "election", "district")
    for number, row in enumerate(contracts.itertuples(index=False), start=1):
        yield (*((number,) if compact else ()), *(value or "" for value in row))


def _results(results: pd.DataFrame, numbers: dict[str, int] | None) -> Iterable[Sequence[object]]:
    """Names and votes of the first question of each contract; a name that is not known is empty."""
    yield ("contract_no" if numbers else "contract_id", "candidates", "results")
    for contract, options in results.groupby("constituency_id", sort=True):
        names = json.dumps([name or "" for name in options["name"]], ensure_ascii=False)
        votes = json.dumps([int(count) for count in options["votes"]])
        yield (numbers[str(contract)] if numbers else contract, names, votes)


def _write_small(file: Path, rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


def _write_lake(
    settings: Settings, work: Path, numbers: dict[str, int], compact: bool, first: int, last: int,
    progress: Report | None,
) -> dict[str, int]:  # fmt: skip
    """Appends the rows of all hours to the tables of the lake, in the order of their times; returns how many."""
    inputs = read_inputs(settings, first, last)
    rows = dict.fromkeys(_OF_LAKE, 0)
    with DuckEngine(connect_here(settings)) as engine:
        known = pd.DataFrame({"constituency_id": list(numbers), "contract_no": list(numbers.values())})
        engine.put_frame("contracts", known, {"constituency_id": "STRING", "contract_no": "BIGINT"})
        for start, end in chunks_of_hours(settings, first, last):
            hours = range(start, end + 1)
            open_hours(engine, _of_hours(inputs.hours, hours))
            engine.put_frame(
                "offsets",
                pd.DataFrame({"hour_number": list(hours), "offset_ms": [_offset_ms(hour) for hour in hours]}),
                {"hour_number": "INTEGER", "offset_ms": "BIGINT"},
            )
            _check(engine)
            engine.put_view("observed", sql("observer_tables"))
            for name, columns in _OF_LAKE.items():
                part = work / "part.csv"
                query = _query(name, columns, compact=compact)
                copied = engine.local.execute(f"COPY ({query}) TO {quoted(str(part))} (FORMAT csv, HEADER false)")
                rows[name] += int((copied.fetchone() or (0,))[0])
                with part.open("rb") as source, (work / name).open("ab") as table:
                    shutil.copyfileobj(source, table, 1 << 20)
                part.unlink()
            if progress:
                progress(end - first + 1, last - first + 1)
    return rows


def _check(engine: DuckEngine) -> None:
    """Refuses what these tables cannot tell."""
    found = engine.query(
        """
        SELECT
            coalesce(max(quantity) FILTER (kind IN ('vote_cast', 'bulletin_issued')), 0) AS most,
            min(constituency_id) FILTER (constituency_id NOT IN (SELECT constituency_id FROM contracts)) AS unknown
        FROM transactions
        """
    ).iloc[0]
    if int(found["most"]) > _MOST_AT_ONCE:
        raise DataError(f"a call has {int(found['most']):,} ballots: these tables have a row for each")
    if not pd.isna(found["unknown"]):
        raise DataError(
            f"the contract {found['unknown']} has landed, and its figures are not computed yet; wait for the run that "
            "does, or type: election-metrics ingest"
        )


def _query(name: str, columns: Sequence[str], *, compact: bool) -> str:
    """The rows of a table, in an order that depends on nothing but the rows."""
    chosen = ", ".join(("contract_no" if compact else "constituency_id", *columns))
    return (
        f"SELECT {chosen} FROM observed INNER JOIN contracts USING (constituency_id) "  # noqa: S608 our own names
        f"WHERE of_table = '{name}' ORDER BY occurred_ms // 1000, {chosen}"
    )


def _of_hours(hours: LakeHours, chosen: range) -> LakeHours:
    """The parts of these hours, with all corrections."""

    def some(parts: Sequence[Location]) -> list[Location]:
        return [part for part in parts if _hour_of(part) in chosen]

    return replace(hours, clean_parts=some(hours.clean_parts), conflicted_parts=some(hours.conflicted_parts))


def _hour_of(part: Location) -> int:
    """The hour of a part, from the name of its folder (`lake.landing.hour_folder`)."""
    found = re.search(r"/hour=(\d{4}-\d{2}-\d{2}T\d{2})/", str(part))
    if found is None:
        raise DataError(f"{part} is in no folder of an hour")
    return hour_number(datetime.fromisoformat(f"{found[1]}:00+00:00"))


def _offset_ms(hour: int) -> int:
    offset = hour_start(hour).astimezone(_MOSCOW).utcoffset()
    return 0 if offset is None else int(offset.total_seconds() * 1000)


def _zip(work: Path, out: Path) -> None:
    """The tables, with no time of their own, so that the same tables are the same bytes."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("elections.csv", "results.csv", *_OF_LAKE):
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with (work / name).open("rb") as source, archive.open(entry, "w", force_zip64=True) as table:
                shutil.copyfileobj(source, table, 1 << 20)
