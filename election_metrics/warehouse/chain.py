"""The shards of the chain: which blocks of them landed, and which are missing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import copy_rows, read_frame
from election_metrics.warehouse.tables import block_ranges, expected_shards

ONE_VOTE = timedelta(days=30)
"""Blocks that are farther apart are of other votes."""
_OF = " of "


def replace_ranges(connection: sa.Connection, paths: Sequence[str], ranges: pd.DataFrame) -> None:
    """Replaces the blocks of these dumps: every column of `block_ranges`."""
    connection.execute(sa.delete(block_ranges).where(is_any_of(block_ranges.c.path, paths)))
    copy_rows(connection, block_ranges, ranges)


def read_ranges(connection: sa.Connection) -> pd.DataFrame:
    """The blocks of every dump: every column of `block_ranges` but identities."""
    return read_frame(connection, sa.select(*[column for column in block_ranges.c if column.name != "identities"]))


def read_overlapping(connection: sa.Connection, shard: str, first: int, last: int) -> pd.DataFrame:
    """Blocks of a shard that landed with these heights: path, member, first_height, identities (as text)."""
    query = sa.select(
        block_ranges.c.path, block_ranges.c.member, block_ranges.c.first_height,
        sa.cast(block_ranges.c.identities, sa.Text).label("identities"),
    ).where(
        block_ranges.c.shard == shard, block_ranges.c.first_height <= last, block_ranges.c.last_height >= first
    )  # fmt: skip
    return read_frame(connection, query)


def shards_of_contracts(connection: sa.Connection) -> dict[str, str]:
    """The shard of each contract that landed from a dump."""
    query = sa.text(
        "SELECT DISTINCT ON (constituency_id) constituency_id, shard FROM ingest.transaction_files "
        "WHERE shard IS NOT NULL AND status = 'landed' ORDER BY constituency_id, file_id"
    )
    return {contract: shard for contract, shard in connection.execute(query)}


def expect_shards(connection: sa.Connection, shards: int | None) -> bool:
    """Sets how many shards the chain has; returns whether that is another number than before."""
    before = connection.execute(sa.select(expected_shards.c.shards)).scalar()
    if before == shards:
        return False
    connection.execute(sa.delete(expected_shards))
    if shards is not None:
        connection.execute(sa.insert(expected_shards).values(shards=shards))
    return True


def shards_of_election(connection: sa.Connection, election: str) -> pd.DataFrame:
    """The shards of an election's constituencies: constituency_id, shard."""
    query = sa.text(
        "SELECT DISTINCT constituency_id, shard FROM ingest.transaction_files "
        "JOIN metrics.constituencies USING (constituency_id) "
        "WHERE election_id = :election AND shard IS NOT NULL AND status = 'landed'"
    )
    return read_frame(connection, query, election=election)


def elections_on_chain(connection: sa.Connection) -> set[str]:
    """The elections of which a constituency landed from a dump, according to the registry."""
    query = sa.text(
        "SELECT DISTINCT election_id FROM ingest.constituency_registry JOIN ingest.transaction_files "
        "USING (constituency_id) WHERE shard IS NOT NULL AND status = 'landed'"
    )
    return set(connection.execute(query).scalars())


def split_shard(shard: str) -> tuple[str, str]:
    """Name of a shard, and the month by which it is told from those of another vote; empty where it needs none."""
    name, _, month = shard.partition(_OF)
    return name, month


def join_shard(name: str, month: str) -> str:
    """The reverse of `split_shard`: "3 of 2026-09"."""
    return f"{name}{_OF}{month}" if month else name


def vote_of(shard: str) -> str:
    """The month of `split_shard`."""
    return split_shard(shard)[1]


def absent_shards(connection: sa.Connection, known: Sequence[str]) -> list[str]:
    """Shards of which nothing landed: those whose number is missing, and as many more as the setting says there are.

    Shards that have no number are only counted: "2 of 7". Those of each vote are looked at by themselves.
    """
    expected = connection.execute(sa.select(expected_shards.c.shards)).scalar() or 0
    votes: dict[str, list[str]] = {}
    for name, vote in map(split_shard, known):
        votes.setdefault(vote, []).append(name)
    return [join_shard(name, vote) for vote, names in sorted(votes.items()) for name in _absent(names, expected)]


def _absent(known: Sequence[str], expected: int) -> list[str]:
    numbers = {int(shard) for shard in known if shard.isdigit()}
    if not numbers:
        lacking = expected - len(known)
        return [f"{lacking} of {expected}"] if lacking > 0 else []
    first = 0 if 0 in numbers else 1
    return [str(number) for number in range(first, max(expected + first, max(numbers) + 1)) if number not in numbers]


def read_shards(connection: sa.Connection) -> pd.DataFrame:
    """The shards that are known.

    Returns:
        shard, first_height, last_height, first_at, last_at (UTC), missing (heights between them that did not land),
        gaps (such as "1,201 to 1,450 (18.09. 10:05 to 18.09. 10:31 UTC)", by height), constituencies, trouble: what is
        missing, in words; empty if nothing is.
    """
    shards = read_frame(connection, _SHARDS)
    newest = shards.groupby(shards["shard"].map(vote_of))["last_at"].transform("max")
    troubles = [_trouble(row, until) for row, until in zip(shards.itertuples(), newest, strict=True)]
    return shards.assign(trouble=pd.Series(troubles, index=shards.index, dtype="str"))


_SHOWN = 3
_BEHIND = timedelta(hours=1)
"""A shard whose last block is so much older than that of another has stopped."""


def _trouble(shard: Any, newest: datetime) -> str:
    gaps = list(shard.gaps or [])
    more = f" and {len(gaps) - _SHOWN} more" if len(gaps) > _SHOWN else ""
    said = [f"lacks heights {', '.join(gaps[:_SHOWN])}{more}"] if gaps else []
    if shard.first_height > 1:
        said.append(f"begins at height {shard.first_height:,}")
    if _BEHIND <= newest - shard.last_at <= ONE_VOTE:
        said.append(f"ends at height {shard.last_height:,} ({shard.last_at:%d.%m. %H:%M} UTC), while others go on")
    return f"shard {shard.shard} {' and '.join(said)}" if said else ""


_SHARDS = sa.text(
    """
    WITH place AS (
        SELECT *, lag(last_height) OVER ordered AS before, lag(last_at) OVER ordered AS before_at
        FROM ingest.shard_coverage WINDOW ordered AS (PARTITION BY shard ORDER BY first_height)
    ), contracts AS (
        SELECT shard, count(DISTINCT constituency_id) AS constituencies FROM ingest.transaction_files
        WHERE shard IS NOT NULL AND status = 'landed' GROUP BY shard
    )
    SELECT
        shard, min(first_height) AS first_height, max(last_height) AS last_height, min(first_at) AS first_at,
        max(last_at) AS last_at, coalesce(sum(first_height - before - 1), 0)::bigint AS missing,
        array_agg(
            to_char(before + 1, 'FM999,999,999,999') || ' to '
            || to_char(first_height - 1, 'FM999,999,999,999') || ' ('
            || to_char(before_at AT TIME ZONE 'UTC', 'DD.MM. HH24:MI') || ' to '
            || to_char(first_at AT TIME ZONE 'UTC', 'DD.MM. HH24:MI') || ' UTC)'
            ORDER BY first_height
        ) FILTER (WHERE before IS NOT NULL) AS gaps,
        coalesce(max(constituencies), 0)::bigint AS constituencies
    FROM place LEFT JOIN contracts USING (shard)
    GROUP BY shard
    ORDER BY metrics.natural_order(shard)
    """
)
