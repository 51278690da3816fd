"""Opens the transactions table in the settings, and says how its text is parsed."""

from datetime import UTC, datetime
from itertools import islice

import pandas as pd
import sqlalchemy as sa

from election_metrics.errors import SettingsError
from election_metrics.lake import table_rows
from election_metrics.lake.connect import connect
from election_metrics.pipeline.mapped_files import AnyTable
from election_metrics.pipeline.scratch import make_scratch
from election_metrics.settings import Settings
from election_metrics.sources.database_text import NO_TEXT
from election_metrics.sources.file_mapping import FileMapping
from election_metrics.sources.table_mapping import read_mapping
from election_metrics.sources.table_snapshot import FIELDS, LAST_HOUR
from election_metrics.sources.transactions_table import TransactionsTable


def open_table(settings: Settings) -> TransactionsTable | None:
    """The table in the settings; None if there is none.

    Raises:
        SettingsError: the URL or the mapping is invalid.
    """
    if settings.source_url is None:
        return None
    return TransactionsTable(read_mapping(settings.source_table), settings.source_url.get_secret_value())


def named_table(settings: Settings) -> TransactionsTable:
    """The table in the settings.

    Raises:
        SettingsError: there is none, or the URL or the mapping is invalid.
    """
    table = open_table(settings)
    if table is None:
        raise SettingsError(
            "no table is named; set ELECTION_METRICS_SOURCE_URL to its database, such as "
            "postgresql+psycopg://reader@host/votes"
        )
    return table


def reading_of(table: AnyTable, secret: str = "") -> table_rows.Reading:
    """Parameters for parsing the table's text; `secret` keys the fingerprints of its rows, if they are needed."""
    mapping = table.mapping
    unit = 1000 if mapping.time_unit == "s" else 1
    is_untyped, is_number = False, False  # of files, times are texts with an offset
    if isinstance(table, TransactionsTable):
        kind = table.table.c[table.mapping.columns.time].type
        is_untyped = isinstance(kind, sa.types.NullType)
        is_number = isinstance(kind, sa.Numeric | sa.Float | sa.Integer)
    return table_rows.Reading(
        fields=FIELDS,
        time_zone=mapping.time_zone,
        milliseconds=unit if is_untyped or is_number else None,
        is_untyped=is_untyped,
        operations=mapping.types,
        outcomes=mapping.status.outcomes(),
        otherwise=mapping.status.otherwise,
        last_hour=LAST_HOUR,
        no_text=NO_TEXT,
        # Another mapping may read the same text otherwise: then every hour differs from what landed.
        secret=f"{secret}{mapping.model_dump_json()}" if isinstance(mapping, FileMapping) else secret,
        last_vote_stands=isinstance(mapping, FileMapping) and mapping.standing_vote == "last",
    )


def unreadable_of_sample(settings: Settings, table: AnyTable) -> tuple[int, pd.DataFrame]:
    """Parses the first rows of the table as a landing would; lands none.

    Returns:
        The number of rows read, at most 100,000; and for those that cannot be read: reason, rows, example (text).

    Raises:
        SourceError: the table cannot be read.
    """
    make_scratch(settings)
    with connect(settings) as engine, table.snapshot() as snapshot:
        reading = reading_of(table)
        table_rows.begin_rows(engine.local, reading)
        for batch in islice(snapshot.every_row(), 1):
            table_rows.add_rows(engine.local, reading, batch.rows)
        return table_rows.count_rows(engine.local), table_rows.unreadable(
            engine.local, settings, reading, datetime.now(UTC)
        )
