"""Queries of what changed and when it was known: commits, versions of totals, and corrections of hours."""

import sqlalchemy as sa

from election_metrics.warehouse.rows import Found, Page, read_page
from election_metrics.warehouse.tables import constituencies

_COMMITS = sa.table(
    "commits", *map(sa.column, ("commit_number", "committed_at", "run_id", "causes", "is_kept")), schema="history"
)
_LOG = sa.table(
    "corrections_log",
    *map(
        sa.column,
        (
            "election_id", "constituency_id", "hour", "known_from", "corrected_at", "bulletins_before",
            "bulletins_after", "votes_before", "votes_after", "causes", "run_id",
        ),
    ),
    schema="metrics",
)  # fmt: skip


def commits(connection: sa.Connection, page: Page) -> Found:
    """Commits as of which the tables can be asked for, newest first."""
    number = _COMMITS.c.commit_number
    shown = [_COMMITS.c[name] for name in ("commit_number", "committed_at", "run_id", "causes")]
    query = sa.select(sa.null().label("election_id"), *shown).where(_COMMITS.c.is_kept)
    return read_page(connection, query, number, sa.cast(number, sa.Text), True, page)


def corrections(connection: sa.Connection, election: str | None, constituency: str | None, page: Page) -> Found:
    """Bulletins and votes of hours that changed after they were shown, the newest correction first, with names."""
    key = sa.func.concat_ws(" ", _LOG.c.constituency_id, sa.func.extract("epoch", _LOG.c.hour))
    query = sa.select(_LOG, constituencies.c.name, constituencies.c.region).outerjoin_from(
        _LOG, constituencies, constituencies.c.constituency_id == _LOG.c.constituency_id
    )
    if election is not None:
        query = query.where(_LOG.c.election_id == election)
    if constituency is not None:
        query = query.where(_LOG.c.constituency_id == constituency)
    return read_page(connection, query, _LOG.c.corrected_at, key, True, page)


def versions(connection: sa.Connection, election: str | None, constituency: str | None, page: Page) -> Found:
    """The totals of elections, or of a constituency, as they were shown one after another, the newest first.

    A version that another commit wrote again with the same figures goes on.
    """
    of = {"election": election, "constituency": constituency}
    version = _VERSIONS.bindparams(**of).columns(*map(sa.column, _OF_VERSION)).subquery("version")
    key = sa.func.concat_ws(" ", version.c.election_id, version.c.commit_number)
    return read_page(connection, sa.select(version), version.c.known_from, key, True, page)


_TOTALS = "registered_voters, bulletins_issued, votes_cast, participation_rate, commit_number"
_OF_ELECTION = f"election_id, CAST(NULL AS text) AS constituency_id, {_TOTALS}"
_OF_PLACE = f"election_id, constituency_id, {_TOTALS}"
_OF_VERSION = (
    "election_id", "constituency_id", "commit_number", "known_from", "known_until", "registered_voters",
    "bulletins_issued", "votes_cast", "participation_rate", "causes", "run_id",
)  # fmt: skip
_VERSIONS = sa.text(
    f"""
    WITH of_rows AS (
        SELECT {_OF_ELECTION}, CAST(NULL AS bigint) AS replaced_in FROM metrics.election_summaries
        WHERE CAST(:constituency AS text) IS NULL
        UNION ALL
        SELECT {_OF_ELECTION}, replaced_in FROM history.election_summaries_replaced
        WHERE CAST(:constituency AS text) IS NULL
        UNION ALL
        SELECT {_OF_PLACE}, NULL FROM metrics.constituency_metrics
        WHERE constituency_id = :constituency AND period = 'election'
        UNION ALL
        SELECT {_OF_PLACE}, replaced_in FROM history.constituency_metrics_replaced
        WHERE constituency_id = :constituency AND period = 'election'
    ), marked AS (
        SELECT *,
            lag(replaced_in) OVER earlier IS DISTINCT FROM commit_number
            OR lag(ARRAY[registered_voters, bulletins_issued, votes_cast]) OVER earlier
                IS DISTINCT FROM ARRAY[registered_voters, bulletins_issued, votes_cast] AS is_new
        FROM of_rows
        WHERE CAST(:election AS text) IS NULL OR election_id = :election
        WINDOW earlier AS (PARTITION BY election_id ORDER BY commit_number)
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE is_new) OVER (PARTITION BY election_id ORDER BY commit_number) AS version
        FROM marked
    ), version AS (
        SELECT DISTINCT ON (election_id, version) *,
            last_value(replaced_in) OVER (
                PARTITION BY election_id, version ORDER BY commit_number
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ) AS last_replaced
        FROM numbered
        ORDER BY election_id, version, commit_number
    )
    SELECT election_id, constituency_id, version.commit_number, born.committed_at AS known_from,
        gone.committed_at AS known_until, registered_voters, bulletins_issued, votes_cast, participation_rate,
        born.causes, born.run_id
    FROM version
    JOIN history.commits AS born ON born.commit_number = version.commit_number
    LEFT JOIN history.commits AS gone ON gone.commit_number = last_replaced
    """  # noqa: S608 our own text
)
