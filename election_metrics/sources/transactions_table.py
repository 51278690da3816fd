"""A table of transactions in another database: its columns by the mapping, and snapshots of it."""

import contextlib
from collections.abc import Iterator
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError

from election_metrics.errors import SettingsError, SourceError
from election_metrics.sources.database_errors import translated_errors
from election_metrics.sources.database_text import CONNECTED
from election_metrics.sources.table_mapping import TableMapping
from election_metrics.sources.table_snapshot import Snapshot


class TransactionsTable:
    """A transactions table, opened lazily.

    Raises:
        SettingsError: the URL cannot be used, or the mapping names a column that does not exist.
        SourceError: the table does not exist, or may not be read.
        TransientError: the database cannot be reached now.
    """

    def __init__(self, mapping: TableMapping, url: str) -> None:
        self.mapping = mapping
        try:
            self.engine = sa.create_engine(url, poolclass=sa.NullPool)
            if self.engine.dialect.name in CONNECTED:
                sa.event.listen(self.engine, "connect", CONNECTED[self.engine.dialect.name], insert=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise SettingsError(f"ELECTION_METRICS_SOURCE_URL cannot be used: {error}") from None
        self.place = f"{self.engine.url.render_as_string(hide_password=True)}, table {mapping.table}"

    @cached_property
    def table(self) -> sa.Table:
        """The reflected table, with every column that the mapping names."""
        schema, _, name = self.mapping.table.rpartition(".")
        with translated_errors(self.place):
            try:
                table = sa.Table(
                    name, sa.MetaData(), schema=schema or None, autoload_with=self.engine, resolve_fks=False
                )
            except NoSuchTableError:
                raise SourceError(f"{self.place} does not exist, or may not be seen") from None
        for key, column in [*self.mapping.columns, ("position", self.mapping.position)]:
            if column is not None and column not in table.c:
                shown = key if key == "position" else f"columns.{key}"
                raise SettingsError(
                    f"the mapping's {shown} names the column {column!r}, which {self.mapping.table} has not; "
                    f"it has {', '.join(table.c.keys())}"
                )
        # SQLite columns need no type, and columns of views have none: their values are checked one by one.
        if not isinstance(table.c[self.mapping.position_column].type, sa.Integer | sa.types.NullType):
            raise SettingsError(
                f"the column {self.mapping.position_column!r} is no whole number; "
                "name one that grows with every insert as `position` in the mapping"
            )
        return table

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A consistent snapshot, if the database supports it; reads nothing into memory."""
        table = self.table
        with contextlib.ExitStack() as opened:
            with translated_errors(self.place):
                connection = opened.enter_context(self.engine.connect())
                if self.engine.dialect.name == "postgresql":
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                    connection.execute(sa.text("SET LOCAL TIME ZONE 'UTC'"))
                    connection.execute(sa.text("SET LOCAL DateStyle = 'ISO, YMD'"))
            yield Snapshot(self.mapping, self.place, table, connection)
