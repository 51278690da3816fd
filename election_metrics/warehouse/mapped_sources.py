"""What files that are read by a mapping say beside their counts: places, counters, rules that do not apply."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.warehouse.registry import mark_names_changed
from election_metrics.warehouse.replace import read_frame, replace_scope
from election_metrics.warehouse.rows import Row, read_rows
from election_metrics.warehouse.tables import counter_observations, mapped_places, mapped_sources


def store(
    connection: sa.Connection,
    source: str,
    rows: str,
    unit: str,
    rules_off: Sequence[str],
    places: pd.DataFrame,
    observed: pd.DataFrame,
    now: datetime,
) -> None:
    """Replaces what is known of a source.

    Args:
        connection: in a transaction.
        source: its name.
        rows: events, counts or counters.
        unit: second, hour or day.
        rules_off: rules that its figures say too little for.
        places: the columns of `mapped_places` but source.
        observed: the columns of `counter_observations` but source.
        now: when it was read.
    """
    values = {"source": source, "rows": rows, "unit": unit, "rules_off": list(rules_off), "read_at": now}
    new = insert(mapped_sources).values(values)
    changes = {name: new.excluded[name] for name in ("rows", "unit", "rules_off", "read_at")}
    connection.execute(new.on_conflict_do_update(index_elements=["source"], set_=changes))
    replace_scope(
        connection, counter_observations, counter_observations.c.source == source, observed.assign(source=source)
    )
    if len(replace_scope(connection, mapped_places, mapped_places.c.source == source, places.assign(source=source))):
        mark_names_changed(connection)


def counted_elsewhere(
    connection: sa.Connection, source: str, places: Sequence[str], counted: Sequence[str]
) -> tuple[str, int, str] | None:
    """Places whose votes or bulletins another source counts too, so that they would be added up.

    Args:
        connection: in a transaction.
        source: the source's name.
        places: its places.
        counted: what it counts of them: votes, bulletins.

    Returns:
        The other source, the number of places, and one of them; None if there is none.
    """
    query = sa.text(
        """
        SELECT other, count(DISTINCT constituency_id) AS places, min(constituency_id COLLATE "C") AS example
        FROM (
            SELECT content.source AS other, place.constituency_id
            FROM ingest.table_places AS place
            JOIN ingest.table_contents AS content USING (content_id)
            LEFT JOIN ingest.table_reads AS state USING (source)
            WHERE content.source <> :source AND place.constituency_id = ANY(:places)
                AND coalesce(state.read_up_to -> 'counted', '["votes", "bulletins"]') ?| CAST(:counted AS TEXT[])
            UNION ALL
            SELECT 'the exports', constituency_id
            FROM ingest.transaction_files
            WHERE status = 'landed' AND rows > 0 AND constituency_id = ANY(:places)
        ) AS found
        GROUP BY other ORDER BY other LIMIT 1
        """
    )
    row = connection.execute(query, {"source": source, "places": list(places), "counted": list(counted)}).one_or_none()
    return None if row is None else (row.other, row.places, row.example)


def read_places(connection: sa.Connection) -> pd.DataFrame:
    """What sources say of places, with the columns of a reference file; of several sources, the first by name."""
    query = sa.text(
        """
        SELECT DISTINCT ON (constituency_id) constituency_id, name, election, NULL AS region_code, region,
            time_zone, registered_voters, starts_at, ends_at
        FROM ingest.mapped_places ORDER BY constituency_id, source
        """
    )
    frame = read_frame(connection, query).astype({"registered_voters": "Int64"})
    for column in ("starts_at", "ends_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame


def rules_off(connection: sa.Connection, election: str) -> list[str]:
    """Rules that the figures of an election say too little for, because all of it comes from such a source."""
    query = sa.text(
        """
        SELECT DISTINCT unnest(source.rules_off) AS rule
        FROM ingest.mapped_sources AS source
        JOIN ingest.mapped_places AS place USING (source)
        JOIN metrics.constituencies AS constituency USING (constituency_id)
        WHERE constituency.election_id = :election ORDER BY rule
        """
    )
    return list(connection.execute(query, {"election": election}).scalars())


def read_falls(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Published counters that are lower than the number before, or than an earlier file has for the same time.

    Returns:
        constituency_id, counter, begins_at, observed_at, observed (published), expected (published before), file.
    """
    query = sa.text(
        """
        SELECT constituency_id, counter, begins_at, observed_at, published AS observed,
            greatest(published - correction, replaced) AS expected, file
        FROM metrics.published_counters
        WHERE election_id = :election AND (correction < 0 OR replaced > published)
        ORDER BY constituency_id, counter, observed_at
        """
    )
    return read_frame(connection, query, election=election)


def has_counters(connection: sa.Connection, election: str) -> bool:
    """Whether any figure of an election comes from counters that were published now and then."""
    query = sa.text("SELECT EXISTS (SELECT 1 FROM metrics.published_counters WHERE election_id = :election)")
    return bool(connection.execute(query, {"election": election}).scalar_one())


def spread_hours(connection: sa.Connection, election: str) -> list[Row]:
    """Hours of an election with figures that were made by spreading: hour, these, and of how many constituencies."""
    query = sa.text(
        """
        SELECT election_id, hour, sum(spread_votes)::bigint AS spread_votes,
            sum(spread_bulletins)::bigint AS spread_bulletins, count(*) AS constituencies,
            CASE WHEN bool_and(unit = 'day') THEN 'day' ELSE 'hour' END AS unit
        FROM metrics.spread_hours WHERE election_id = :election GROUP BY election_id, hour ORDER BY hour
        """
    )
    return read_rows(connection, query, election=election)


def counters_of(connection: sa.Connection, constituency: str) -> list[Row]:
    """Counters of a constituency as they were published."""
    query = sa.text(
        """
        SELECT election_id, constituency_id, counter, begins_at, observed_at, published, added, correction, replaced,
            counted
        FROM metrics.published_counters WHERE constituency_id = :constituency ORDER BY counter, observed_at
        """
    )
    return read_rows(connection, query, constituency=constituency)
