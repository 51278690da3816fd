"""Answers for elections and constituencies that do not exist."""

import sqlalchemy as sa
from fastapi import HTTPException

from election_metrics.warehouse import constituency_queries, election_queries


def check_election(connection: sa.Connection, election: str) -> None:
    """Checks that an election exists.

    Raises:
        HTTPException: 404, if it does not.
    """
    if not election_queries.has_election(connection, election):
        raise no_election(election)


def no_election(election: str) -> HTTPException:
    """The answer where an election does not exist."""
    return HTTPException(404, f"there is no election {election!r}; /elections lists them")


def check_constituency(connection: sa.Connection, constituency: str) -> None:
    """Checks that a constituency exists.

    Raises:
        HTTPException: 404, if it does not.
    """
    if not constituency_queries.constituencies_named(connection, [constituency]):
        raise no_constituency(constituency)


def no_constituency(constituency: str) -> HTTPException:
    """The answer where a constituency does not exist."""
    return HTTPException(404, f"there is no constituency {constituency!r}; /constituencies lists them")
