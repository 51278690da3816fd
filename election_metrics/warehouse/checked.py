"""Validates frames for schema `metrics` against their tables before they are written."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from pandas.api import types

from election_metrics.errors import DataError

_KINDS: dict[type[sa.types.TypeEngine[Any]], tuple[str, Callable[[Any], bool]]] = {
    sa.BigInteger: ("whole numbers", types.is_integer_dtype),
    sa.Double: ("numbers", types.is_numeric_dtype),
    sa.DateTime: ("instants", lambda kind: isinstance(kind, pd.DatetimeTZDtype)),
    sa.Text: ("texts", lambda kind: types.is_string_dtype(kind) or types.is_object_dtype(kind)),
}
_MAY_BE_NEGATIVE = "gap"


def check_frame(table: sa.Table, rows: pd.DataFrame) -> None:
    """Refuses a frame that does not fit its table.

    The columns must have the table's types, without NULL in non-nullable columns, infinite numbers or negative counts;
    keys must be unique.

    Raises:
        DataError: names the table, the column and the problem.
    """
    for column in (column for column in table.columns if column.name != "commit_number"):  # the database numbers rows
        for problem in _problems(column, rows):
            raise DataError(f"{table.fullname}: column {column.name}: {problem}")
    key = [column.name for column in table.primary_key if not column.identity]
    if key and rows.duplicated(key).any():
        raise DataError(f"{table.fullname}: columns {', '.join(key)}: not unique")


def _problems(column: sa.Column[Any], rows: pd.DataFrame) -> Iterator[str]:
    if column.name not in rows.columns:
        if not column.nullable and not column.identity:
            yield "missing"
        return
    values = rows[column.name]
    known = values.notna().to_numpy()
    if not column.nullable and not known.all():
        yield "null where none may be"
    kind, is_kind = next((found for cls, found in _KINDS.items() if isinstance(column.type, cls)), ("", None))
    if is_kind is None or (kind == "instants" and not getattr(column.type, "timezone", False)):
        return
    if not known.any():  # a column without any value has no type yet
        return
    if not is_kind(values.dtype):
        yield f"no {kind}"
    elif kind == "whole numbers" and not column.nullable and column.name != _MAY_BE_NEGATIVE and (values < 0).any():
        yield "negative"
    elif kind == "numbers" and np.isinf(values.to_numpy("float64", na_value=np.nan)).any():
        yield "infinite"
