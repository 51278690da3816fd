"""Queries of what stands behind figures: overrides, the audit log, the quarantine, source files."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from election_metrics.warehouse.rows import Found, Hours, Page, Row, read_page, read_rows
from election_metrics.warehouse.tables import (
    audit_log,
    constituencies,
    constituency_reference,
    election_reference,
    rejected_transactions,
    table_constituencies,
    table_contents,
    transaction_files,
)


def constituency_references(connection: sa.Connection, page: Page) -> Found:
    """Overrides of constituencies, by id, with the election that each votes in."""
    key = constituency_reference.c.constituency_id
    query = sa.select(constituencies.c.election_id, constituency_reference).outerjoin_from(
        constituency_reference, constituencies, constituencies.c.constituency_id == key
    )
    return read_page(connection, query, key, key, False, page)


def election_references(connection: sa.Connection) -> list[Row]:
    """Overrides of elections, by id."""
    return read_rows(connection, sa.select(election_reference).order_by(election_reference.c.election_id))


def audit(connection: sa.Connection, page: Page) -> Found:
    """Entries of the audit log, newest first, with their election, if any."""
    entry = audit_log.c.entry_id

    def key(name: str) -> ColumnElement[str]:
        return sa.func.coalesce(audit_log.c.after[name].astext, audit_log.c.before[name].astext)

    place = constituencies.c.constituency_id == key("constituency_id")
    of_place = sa.select(constituencies.c.election_id).where(place)
    election = sa.func.coalesce(key("election_id"), of_place.scalar_subquery()).label("election_id")
    return read_page(connection, sa.select(audit_log, election), entry, sa.cast(entry, sa.Text), True, page)


def quarantine(connection: sa.Connection, text: str | None, page: Page) -> Found:
    """Lines that could not be read, by file and line; `text`: only of files whose path contains it."""
    key = sa.func.format("%s:%s", rejected_transactions.c.content_id, rejected_transactions.c.line_number)
    of_file = (
        sa.select(constituencies.c.election_id)
        .join(transaction_files, transaction_files.c.constituency_id == constituencies.c.constituency_id)
        .where(
            transaction_files.c.content_id == rejected_transactions.c.content_id,
            transaction_files.c.status == "landed",
        )
        .limit(1)
    )
    query = sa.select(of_file.scalar_subquery().label("election_id"), rejected_transactions)
    if text:
        query = query.where(rejected_transactions.c.file.icontains(text, autoescape=True))
    return read_page(connection, query, rejected_transactions.c.file, key, False, page)


def input_notes(connection: sa.Connection) -> list[Row]:
    """What of the input does not count, and why: what people withdrew first, then by number of files."""
    notes = sa.table("input_notes", *map(sa.column, _NOTES), schema="metrics")
    order = (notes.c.kind != "withdrawn", notes.c.files.desc(), notes.c.kind, notes.c.reason, notes.c.election_id)
    return read_rows(connection, sa.select(notes).order_by(*order).limit(_MOST_NOTES))


_NOTES = ("election_id", "kind", "files", "lines", "example", "reason", "since")
_MOST_NOTES = 100


def sources_of(connection: sa.Connection, constituency: str, hours: Hours) -> list[Row]:
    """Current files of a constituency with transactions in these hours: the sources of its figures.

    Contents of a table may hold rows of all its constituencies.
    """
    tables = (
        sa.select(table_contents.c.content_id)
        .join(table_constituencies, table_constituencies.c.source == table_contents.c.source)
        .where(table_constituencies.c.constituency_id == constituency)
    )
    election = sa.select(constituencies.c.election_id).where(constituencies.c.constituency_id == constituency)
    query = sa.select(election.scalar_subquery().label("election_id"), transaction_files).where(
        (transaction_files.c.constituency_id == constituency) | transaction_files.c.content_id.in_(tables),
        transaction_files.c.status == "landed",
    )
    if hours.first is not None:
        query = query.where(transaction_files.c.last_transaction_at >= hours.first)
    if hours.last is not None:
        query = query.where(transaction_files.c.first_transaction_at < hours.last + timedelta(hours=1))
    return read_rows(connection, query.order_by(transaction_files.c.first_transaction_at, transaction_files.c.file_id))
