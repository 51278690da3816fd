"""What differs between the stored rows of a scope and a frame, so that only that is written.

Compared by the engine, column by column; two unknown values are equal. Lineage is no figure: a row whose figures are
the same keeps the run that computed them first.
"""

import os
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

_PLACES = ("election_id", "constituency_id")


@dataclass(frozen=True)
class Differences:
    """Rows that differ.

    Attributes:
        stored: the stored rows, their figures only.
        wanted: the same columns of the frame.
        gone: places in `stored` of rows that are removed or replaced.
        come: places in `wanted` of rows that are new or replace others.
    """

    stored: pa.Table
    wanted: pa.Table
    gone: np.ndarray
    come: np.ndarray

    def keys(self, table: sa.Table) -> pa.Table:
        """The keys of the stored rows that are removed or replaced."""
        return self.stored.select([column.name for column in table.primary_key]).take(pa.array(self.gone))

    def places(self, table: sa.Table) -> pd.DataFrame:
        """The election_id and constituency_id of the rows on both sides, as far as the table has them."""
        names = [name for name in _PLACES if name in table.columns]
        sides = ((self.stored, self.gone), (self.wanted, self.come))
        rows = pa.concat_tables([side.select(names).take(pa.array(places)) for side, places in sides])
        frame: pd.DataFrame = rows.group_by(names).aggregate([]).to_pandas()
        return frame


def find_differences(table: sa.Table, stored: pa.Table, rows: pd.DataFrame) -> Differences:
    """Compares stored rows with a frame; each has its keys once.

    Args:
        table: the table, for its keys.
        stored: the columns to compare, of the rows as they are.
        rows: the rows as they should be, with these columns and maybe more; without rows, maybe without columns.
    """
    names = stored.schema.names
    wanted = pa.Table.from_pandas(rows.reindex(columns=names), schema=stored.schema, preserve_index=False, safe=False)
    gone, come = np.arange(stored.num_rows), np.arange(wanted.num_rows)
    if not gone.size or not come.size:
        return Differences(stored, wanted, gone, come)
    key = [column.name for column in table.primary_key]
    same = " AND ".join(f"stored.{name} = wanted.{name}" for name in key)
    differs = " OR ".join(f"stored.{name} IS DISTINCT FROM wanted.{name}" for name in names if name not in key)
    with _engine(os.getpid()).cursor() as here:
        here.register("stored", stored.append_column("place", pa.array(gone)))
        here.register("wanted", wanted.append_column("place", pa.array(come)))
        found = here.execute(
            f"SELECT stored.place AS gone, wanted.place AS come FROM stored FULL JOIN wanted ON {same} "  # noqa: S608 names are ours
            f"WHERE stored.place IS NULL OR wanted.place IS NULL OR {differs}"
        ).df()
    gone, come = (np.sort(found[name].dropna().to_numpy("int64")) for name in ("gone", "come"))
    return Differences(stored, wanted, gone, come)


@cache
def _engine(process: int) -> duckdb.DuckDBPyConnection:
    """The engine of this process: to start one takes longer than to compare a small table."""
    del process  # one that was forked has none of its parent's threads
    return duckdb.connect()
