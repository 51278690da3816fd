"""The hours, constituencies and deliveries of an election, as frames: inputs of its derived tables."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.counts import NAMES
from election_metrics.metrics.hours import hour_numbers
from election_metrics.warehouse.replace import arrow_schema, read_arrow, read_frame, to_frame
from election_metrics.warehouse.tables import constituency_metrics, figures, hourly_stats
from election_metrics.warehouse.unreadable import IS_LOST

FIGURES = [column.name for column in figures(hourly_stats)]
"""Columns of hourly_stats without run_id and computed_at."""


def read_hourly(
    connection: sa.Connection, election: str, names: Sequence[str], constituencies: Sequence[str] | None = None
) -> pd.DataFrame:
    """These columns of hourly_stats of an election's hours, of all constituencies or of some.

    Sorted by constituency and hour.
    """
    where, some = "row.election_id = %(election)s", {}
    if constituencies is not None:
        where, some = where + " AND constituency_id = ANY(%(some)s)", {"some": list(constituencies)}
    read = [name for name in names if name not in ("constituency_id", "election_id", "hour")]
    rows = _read_hours(connection, read, where, election=election, **some)
    return rows.assign(election_id=election)[list(names)]


def read_hours_of_members(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Counts and register by hour of the present constituencies of an election, whatever election_id their rows have.

    Returns:
        constituency_id, hour, hour_number (since 1970), registered_voters, outside_voting, and the counts; sorted by
        constituency and hour.
    """
    names = ["registered_voters", "outside_voting", *NAMES]
    rows = _read_hours(connection, names, "place.election_id = %(election)s", election=election)
    return rows.astype({"registered_voters": "Int64"})


def _read_hours(connection: sa.Connection, names: Sequence[str], where: str, **parameters: object) -> pd.DataFrame:
    """Columns of hourly_stats after constituency_id, hour and hour_number; sorted by constituency and hour."""
    every = sa.text(
        'SELECT array_agg(constituency_id ORDER BY constituency_id COLLATE "C") FROM metrics.constituencies'
    )
    ids = pd.array(connection.execute(every).scalar_one() or [], dtype="str")
    # A number stands for the constituency: it is sent, read and sorted faster than an id of 44 characters.
    query = (
        f"SELECT place.number, row.hour, {', '.join(f'row.{name}' for name in names)} "  # noqa: S608 names are ours
        "FROM metrics.hourly_stats AS row JOIN ("
        'SELECT *, row_number() OVER (ORDER BY constituency_id COLLATE "C") - 1 AS number FROM metrics.constituencies'
        f") AS place USING (constituency_id) WHERE {where}"
    )
    schema = arrow_schema(hourly_stats, ["hour", *names]).insert(0, pa.field("number", pa.int64()))
    rows = read_arrow(connection, query, schema, **parameters)
    number, hour = rows["number"].to_numpy(), hour_numbers(rows["hour"].to_pandas()).to_numpy("int64")
    order = np.lexsort((hour, number))
    frame = to_frame(rows.drop_columns(["number"])).iloc[order].reset_index(drop=True)
    frame.insert(0, "constituency_id", ids.take(number[order]))
    frame.insert(2, "hour_number", hour[order])
    return frame


"""Most lines of a file cannot be read: it covers nothing."""
_EARLIER = sa.text(
    """
    SELECT earlier.election_id
    FROM metrics.elections AS this
    JOIN metrics.elections AS earlier ON earlier.ends_at <= this.starts_at
    JOIN metrics.election_summaries AS summary ON summary.election_id = earlier.election_id
    WHERE this.election_id = :election AND summary.votes_cast >= 10000 AND summary.coverage >= 95
        AND abs(extract(epoch FROM (earlier.ends_at - earlier.starts_at) - (this.ends_at - this.starts_at))) < 43200
    ORDER BY earlier.ends_at DESC, earlier.election_id
    LIMIT 2
    """
)
_SHAPE = sa.text(
    """
    SELECT
        floor(extract(epoch FROM (row.hour AT TIME ZONE place.time_zone)
            - (date_trunc('day', election.starts_at AT TIME ZONE place.time_zone) + interval '8 hours')) / 3600)::bigint
            AS index,
        sum(row.votes_cast)::bigint AS votes
    FROM metrics.hourly_stats AS row
    JOIN metrics.constituencies AS place ON place.constituency_id = row.constituency_id
    JOIN metrics.elections AS election ON election.election_id = place.election_id
    WHERE place.election_id = :election AND row.hour < election.ends_at
    GROUP BY 1
    """
)


def earlier_elections(connection: sa.Connection, election: str) -> Sequence[str]:
    """The two latest elections that were over before this one opened, and say something of its curve.

    They lasted as long as this one (to half a day), have 10,000 votes or more, and 95 % of their hours were delivered.
    """
    return connection.execute(_EARLIER, {"election": election}).scalars().all()


def later_elections(connection: sa.Connection, election: str) -> list[str]:
    """Elections of which this one is one of the `earlier_elections`."""
    opened_after = sa.text(
        "SELECT later.election_id FROM metrics.elections AS this "
        "JOIN metrics.elections AS later ON later.starts_at >= this.ends_at WHERE this.election_id = :election"
    )
    found = connection.execute(opened_after, {"election": election}).scalars().all()
    return [later for later in found if election in earlier_elections(connection, later)]


def read_earlier_shapes(connection: sa.Connection, election: str) -> list[np.ndarray]:
    """Votes by hour since 08:00 local time of the opening day, of each of the `earlier_elections`."""
    shapes = []
    for earlier in earlier_elections(connection, election):
        rows = read_frame(connection, _SHAPE, election=earlier)
        rows = rows[rows["index"] >= 0]
        if rows.empty:
            continue
        shape = np.zeros(int(rows["index"].max()) + 1)
        shape[rows["index"].to_numpy("int64")] = rows["votes"].to_numpy("float64")
        shapes.append(shape)
    return shapes


def give_hours_to_own_election(connection: sa.Connection, constituencies: Sequence[str]) -> set[str]:
    """Sets election_id in hourly_stats of these constituencies to the election that they vote in now.

    Returns:
        The elections (election_id) that lost or gained rows.
    """
    query = sa.text(
        """
        WITH misplaced AS (
            SELECT row.constituency_id, row.hour, row.election_id AS had, place.election_id AS has
            FROM metrics.hourly_stats AS row
            JOIN ingest.constituency_registry AS place USING (constituency_id)
            WHERE row.constituency_id = ANY(:constituencies) AND row.election_id <> place.election_id
        ), given AS (
            UPDATE metrics.hourly_stats AS row SET election_id = misplaced.has FROM misplaced
            WHERE row.constituency_id = misplaced.constituency_id AND row.hour = misplaced.hour
        )
        SELECT DISTINCT had, has FROM misplaced
        """
    )
    rows = connection.execute(query, {"constituencies": list(constituencies)}).all()
    return {name for row in rows for name in (row.had, row.has)}


def sum_hours(connection: sa.Connection, election: str) -> pd.DataFrame:
    """The sums of an election's hourly_stats by hour: input of `metrics.hourly.election_hours`."""
    columns = hourly_stats.columns
    sums = [
        sa.cast(sa.func.sum(columns[name]), columns[name].type).label(name)
        for name in (*NAMES, "bulletin_velocity", "vote_velocity", "outside_voting")
    ]
    query = (
        sa.select(
            columns.election_id,
            columns.hour,
            sa.func.count().label("constituencies_active"),
            *sums,
            sa.func.max(columns.last_transaction_at).label("last_transaction_at"),
        )
        .where(columns.election_id == election)
        .group_by(columns.election_id, columns.hour)
    )
    return read_frame(connection, query)


def read_members(connection: sa.Connection, election: str) -> pd.DataFrame:
    """An election's constituencies: constituency_id, reference_voters, reports_from (first hour with a ballot, UTC)."""
    query = sa.text(
        """
        SELECT constituency_id, reference_voters, (
            SELECT min(hour) FROM metrics.hourly_stats AS row
            WHERE row.constituency_id = place.constituency_id AND (bulletins_issued > 0 OR votes_cast > 0)
        ) AS reports_from
        FROM metrics.constituencies AS place WHERE election_id = :election
        """
    )
    return read_frame(connection, query, election=election)


def read_hours_of(
    connection: sa.Connection, constituencies: Sequence[str], first: datetime | None, last: datetime | None
) -> pd.DataFrame:
    """hourly_stats of these constituencies from the first to the last hour, inclusive; None: no limit."""
    query = sa.select(hourly_stats).where(hourly_stats.c.constituency_id.in_(constituencies))
    if first is not None:
        query = query.where(hourly_stats.c.hour >= first)
    if last is not None:
        query = query.where(hourly_stats.c.hour <= last)
    return read_frame(connection, query)


def read_metrics(connection: sa.Connection, election: str, period: str) -> pd.DataFrame:
    """constituency_metrics of an election and period."""
    return read_frame(
        connection,
        sa.select(constituency_metrics).where(
            constituency_metrics.c.election_id == election, constituency_metrics.c.period == period
        ),
    )


def read_lost_intervals(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Intervals of files that arrived, and that cannot be read, or of whose lines most cannot.

    Returns:
        constituency_id, starts_at, ends_at (UTC), by_interval, as `read_deliveries`.
    """
    return read_frame(
        connection,
        sa.text(
            "SELECT DISTINCT constituency_id, interval_start AT TIME ZONE time_zone AS starts_at, "  # noqa: S608 our own text
            "interval_end AT TIME ZONE time_zone AS ends_at, true AS by_interval "
            "FROM ingest.transaction_files JOIN metrics.constituencies USING (constituency_id) "
            f"WHERE election_id = :election AND (status = 'unreadable' OR status = 'landed' AND {IS_LOST}) "
            "AND interval_start IS NOT NULL AND gone_at IS NULL"
        ),
        election=election,
    )


def read_deliveries(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Times covered by files, by constituency: constituency_id, starts_at, ends_at (UTC), by_interval.

    A file with an interval in its name covers that interval, in the time zone of its constituency: a row of a
    neighbouring hour does not make that hour delivered. Consecutive whole hours are one row. Any other file covers the
    time from its first to its last transaction. A dump of blocks covers the hours of its shard's blocks, as far as no
    height is missing between them. A table covers everything until it was last polled. A file covers
    nothing if most of its lines cannot be read.
    """
    # Hourly files are contiguous: as ranges they are a hundredth of the rows.
    query = f"""
        WITH file AS (
            SELECT constituency_id, interval_start AT TIME ZONE time_zone AS starts_at,
                interval_end AT TIME ZONE time_zone AS ends_at, first_transaction_at, last_transaction_at, shard
            FROM ingest.transaction_files JOIN metrics.constituencies USING (constituency_id)
            WHERE election_id = %(election)s AND status = 'landed' AND NOT {IS_LOST}
        ), whole AS (
            SELECT constituency_id, unnest(range_agg(tstzrange(starts_at, ends_at))) AS span
            FROM file
            WHERE starts_at < ends_at AND extract(epoch FROM starts_at) %% 3600 = 0
                AND extract(epoch FROM ends_at) %% 3600 = 0
            GROUP BY constituency_id
        )
        SELECT constituency_id, lower(span), upper(span), true FROM whole
        UNION ALL
        SELECT DISTINCT constituency_id, starts_at, ends_at, true FROM file
        WHERE starts_at IS NOT NULL AND NOT coalesce(starts_at < ends_at AND extract(epoch FROM starts_at) %% 3600 = 0
            AND extract(epoch FROM ends_at) %% 3600 = 0, false)
        UNION ALL
        SELECT DISTINCT constituency_id, first_transaction_at, last_transaction_at, false FROM file
        WHERE starts_at IS NULL AND first_transaction_at IS NOT NULL AND shard IS NULL
        UNION ALL
        SELECT constituency_id, begins, ends, true
        FROM (
            SELECT constituency_id, first_hour AS begins,
                CASE WHEN last_at >= constituency.ends_at
                    THEN date_trunc('hour', last_at + interval '59 minutes 59.999999 seconds') ELSE end_hour END AS ends
            FROM (SELECT DISTINCT constituency_id, shard FROM file WHERE shard IS NOT NULL) AS own
            JOIN ingest.shard_coverage USING (shard)
            JOIN metrics.constituencies AS constituency USING (constituency_id)
        ) AS of_shard
        WHERE begins < ends
        UNION ALL
        SELECT constituency_id, least(
                date_trunc('hour', constituency.starts_at),
                -- Files of a mapping are of all their places from the first hour on: one without ballots has none.
                to_timestamp(3600 * CASE
                    WHEN source IN (SELECT source FROM ingest.mapped_sources)
                        THEN min(own.first_hour) OVER (PARTITION BY source)
                    ELSE own.first_hour
                END)
            ),
            date_trunc('hour', least(read.read_at, constituency.ends_at + interval '59 minutes 59.999999 seconds')),
            true
        FROM ingest.table_constituencies AS own
        JOIN ingest.table_reads AS read USING (source)
        JOIN metrics.constituencies AS constituency USING (constituency_id)
        WHERE constituency.election_id = %(election)s
            AND source NOT IN (SELECT source FROM ingest.mapped_sources WHERE rows = 'counters')
        UNION ALL
        SELECT constituency_id, least(date_trunc('hour', starts_at), min(observed_at) - interval '1 hour'),
            max(observed_at), true
        FROM ingest.counter_observations
        JOIN metrics.constituencies AS constituency USING (constituency_id)
        WHERE constituency.election_id = %(election)s
        GROUP BY constituency_id, starts_at
        """  # noqa: S608 our own text
    instant = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        {"constituency_id": pa.string(), "starts_at": instant, "ends_at": instant, "by_interval": pa.bool_()}
    )
    return to_frame(read_arrow(connection, query, schema, election=election))
