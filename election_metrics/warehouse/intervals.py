"""Hours from inside (`ingest.inside_hours`), as the rules read them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.metrics.anomalies.inside import INTERVALS, InsideHours
from election_metrics.warehouse.replace import arrow_schema, read_arrow, to_frame
from election_metrics.warehouse.tables import inside_hours

_COUNTS = ("bulletins", "votes")
_OTHERS = [column.name for column in inside_hours.columns if column.name not in _COUNTS]


def read_inside_hours(connection: sa.Connection, election: str, present: int) -> InsideHours:
    """The hours before `present` (hours since 1970, UTC) of the constituencies of an election."""
    query = (
        f"SELECT {', '.join(_OTHERS)}, array_to_string(bulletins, ' '), array_to_string(votes, ' ') "  # noqa: S608 our own names
        "FROM ingest.inside_hours WHERE hour_number < %(present)s AND constituency_id IN "
        "(SELECT constituency_id FROM metrics.constituencies WHERE election_id = %(election)s)"
    )
    schema = arrow_schema(inside_hours, _OTHERS)
    for name in _COUNTS:
        schema = schema.append(pa.field(name, pa.string()))
    found = read_arrow(connection, query, schema, election=election, present=present)
    rows: pd.DataFrame = to_frame(found.select(_OTHERS))
    return InsideHours(rows, *(_numbers(found[name]) for name in _COUNTS))


def _numbers(texts: pa.ChunkedArray) -> np.ndarray:
    """A row of 12 numbers for each text of 12 numbers."""
    numbers = np.fromstring(" ".join(texts.to_pylist()), dtype="int64", sep=" ")
    return numbers.reshape(-1, INTERVALS)
