"""What a mapping makes of files, before anything lands: for people to compare with what they know of the vote."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import pandas as pd

from election_metrics.lake import table_rows
from election_metrics.lake.engine import connect_here
from election_metrics.pipeline.mapped_files import FilesSnapshot, MappedFiles
from election_metrics.pipeline.mapped_source import rules_off
from election_metrics.pipeline.table_opening import reading_of
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import columns_of
from election_metrics.sources.file_versions import Unreadable
from election_metrics.sources.mapping_expressions import Expression

_MOST_BATCHES = 10
_COUNTS = (
    "constituency IS NOT NULL AND (quantity IS NULL OR regexp_full_match(quantity, '[0-9]+')) "
    "AND TRY_CAST(time AS TIMESTAMPTZ) BETWEEN (SELECT earliest FROM clock) AND (SELECT latest FROM clock)"
)


@dataclass(frozen=True)
class Checked:
    """What a mapping makes of files.

    Attributes:
        files: number of files that can be read.
        unreadable: what cannot be read, and why.
        said: number of rows in the files.
        first: the first rows as they would count: constituency, type, time, quantity, status.
        kinds: type, status, rows, quantity: what they add up to.
        begin, end: earliest and latest time (UTC); None without any.
        places: constituency_id, name, region, registered_voters, as the files say.
        rejected: reason, rows, example: of the first rows, those that would not count.
        sampled: how many rows `rejected` is of.
        falls: how many published counters are lower than the one before.
        spread: how many published counters are of a longer time than an hour, over which they would be spread.
        off: anomaly rules that would not be judged.
        empty: rows without any number that is counted: not published yet, or in another column.
        repeated: rows that say the same of a place and time as another row of their file: one place, or two.
        swapped: keys of times that could as well be read with day and month the other way round.
    """

    files: int
    unreadable: list[Unreadable]
    said: int
    first: pd.DataFrame
    kinds: pd.DataFrame
    begin: datetime | None
    end: datetime | None
    places: pd.DataFrame
    rejected: pd.DataFrame
    sampled: int
    falls: int
    spread: int
    off: list[str]
    empty: int
    repeated: int
    swapped: list[str]


def check_files(settings: Settings, files: MappedFiles) -> Checked:
    """Reads the files as a landing would; lands nothing.

    Raises:
        SourceError: there is no such file.
    """
    with files.snapshot() as snapshot, connect_here(settings) as engine:
        here = snapshot.connection
        # Rows of one id count once.
        once = (
            "mapped"
            if files.mapping.columns.id is None
            else "(SELECT * FROM mapped QUALIFY row_number() OVER (PARTITION BY id, time) = 1)"
        )
        ((said,),) = here.execute("SELECT count(*) FROM placed").fetchall()
        first = here.execute(
            f"SELECT constituency, type, time, quantity, status FROM mapped WHERE {_COUNTS} "  # noqa: S608 ours
            "ORDER BY constituency, time LIMIT 8"
        ).df()
        kinds = here.execute(
            "SELECT type, status, count(*) AS rows, "  # noqa: S608
            "sum(coalesce(TRY_CAST(quantity AS BIGINT), 1))::BIGINT AS quantity "
            f"FROM {once} WHERE {_COUNTS} GROUP BY type, status ORDER BY rows DESC, type, status"
        ).df()
        ((begin, end),) = here.execute("SELECT epoch_ms(min(instant)), epoch_ms(max(instant)) FROM placed").fetchall()
        ((falls, spread),) = here.execute(
            "SELECT (SELECT count(*) FROM observed WHERE change < 0), "
            "(SELECT count(*) FROM observed WHERE observed_at - begins_at > INTERVAL 1 HOUR)"
        ).fetchall()
        swapped = [key for key, one in columns_of(files.mapping) if _may_be_swapped(snapshot, key, one)]
        places = snapshot.places()
        reading = reading_of(files)
        table_rows.begin_rows(engine, reading)
        for batch in islice(snapshot.every_row(), _MOST_BATCHES):
            table_rows.add_rows(engine, reading, batch.rows)
        return Checked(
            files=snapshot.files,
            unreadable=snapshot.unreadable,
            said=said,
            first=first,
            kinds=kinds,
            begin=None if begin is None else datetime.fromtimestamp(begin / 1000, UTC),
            end=None if end is None else datetime.fromtimestamp(end / 1000, UTC),
            places=places,
            rejected=table_rows.unreadable(engine, settings, reading, datetime.now(UTC)),
            sampled=table_rows.count_rows(engine),
            falls=falls,
            spread=spread,
            off=rules_off(files.mapping),
            empty=_empty(snapshot, files.mapping.counted),
            repeated=_repeated(snapshot) if files.mapping.rows != "events" else 0,
            swapped=swapped,
        )


def _empty(snapshot: FilesSnapshot, counted: list[str]) -> int:
    if not counted:
        return 0
    nothing = " AND ".join(f"{name} IS NULL" for name in counted)
    ((rows,),) = snapshot.connection.execute(f"SELECT count(*) FROM placed WHERE {nothing}").fetchall()  # noqa: S608 ours
    return int(rows)


def _repeated(snapshot: FilesSnapshot) -> int:
    ((rows,),) = snapshot.connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM counts WHERE instant IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY constituency, counter, instant, path) > 1)"
    ).fetchall()
    return int(rows)


def _may_be_swapped(snapshot: FilesSnapshot, key: str, expression: Expression) -> bool:
    """Whether a time that was read by a format has no day after the 12th, so that nothing shows which is the month."""
    form = expression.format
    if form is None or not ("%d" in form and "%m" in form) or "%B" in form or not key.endswith("time"):
        return False
    rows = snapshot.connection.execute(
        "SELECT count(*) > 0 AND coalesce(max(day(instant)) <= 12, false) FROM placed WHERE instant IS NOT NULL"
    ).fetchall()
    return bool(rows[0][0])
