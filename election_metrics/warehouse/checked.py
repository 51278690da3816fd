"""Frames for schema `metrics` are checked before they are written: one schema a table, made from the table itself."""

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa
from pandas.api import types

from election_metrics.errors import DataError

# Pandera imports PySpark where it is installed, which then warns of pandas 3; nothing of ours uses the two together.
warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")

if TYPE_CHECKING:
    import pandera.pandas as pa

_KINDS = {sa.BigInteger: "whole numbers", sa.Double: "numbers", sa.DateTime: "instants", sa.Text: "texts"}
_IS_KIND = {
    "whole numbers": types.is_integer_dtype,
    "numbers": types.is_numeric_dtype,
    "instants": lambda kind: isinstance(kind, pd.DatetimeTZDtype),
    "texts": lambda kind: types.is_string_dtype(kind) or types.is_object_dtype(kind),
}


@cache
def schema_of(table: sa.Table) -> "pa.DataFrameSchema":
    """What a frame for this table must be: its columns and their kinds, no null where none may be, unique keys."""
    import pandera.pandas as pa

    columns = {
        column.name: pa.Column(
            nullable=bool(column.nullable), checks=_checks(column), required=not column.nullable and not column.identity
        )
        for column in table.columns
    }
    key = [column.name for column in table.primary_key if not column.identity]
    return pa.DataFrameSchema(columns, unique=key or None, strict=False)


def _checks(column: sa.Column[Any]) -> "list[pa.Check]":
    import pandera.pandas as pa

    kind = next((name for cls, name in _KINDS.items() if isinstance(column.type, cls)), None)
    if kind is None or (kind == "instants" and not getattr(column.type, "timezone", False)):
        return []
    is_kind = _IS_KIND[kind]
    # A column without a single value has no kind yet.
    checks = [pa.Check(lambda values: bool(values.isna().all() or is_kind(values.dtype)), error=f"no {kind}")]
    if kind == "whole numbers" and not column.nullable and column.name != "gap":
        checks.append(pa.Check.ge(0, error="negative"))
    if kind == "numbers":
        checks.append(pa.Check(lambda values: ~values.isin([float("inf"), float("-inf")]), error="infinite"))
    return checks


def check_frame(table: sa.Table, rows: pd.DataFrame) -> None:
    """Refuses a frame that is not what the table's rows must be.

    Raises:
        DataError: with the table, the column and what is wrong with it.
    """
    import pandera.errors

    try:
        schema_of(table).validate(rows)
    except pandera.errors.SchemaError as error:
        column = f" column {error.schema.name}:" if getattr(error.schema, "name", None) else ""
        raise DataError(f"{table.fullname}:{column} {str(error).splitlines()[0]}") from None
