"""Text of a source's database, in whatever encoding its bytes are."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

NO_TEXT = "\0no text: "
"""Prefix of the replacement for bytes that are not UTF-8. Text in a table never contains a NUL."""


def _read_any_text(connection: Any, _record: object) -> None:
    """Lets SQLite return text that is not UTF-8, so that the row is rejected and does not stop the others."""
    connection.text_factory = decoded


def _read_any_bytes(connection: Any, _record: object) -> None:
    """Reads a PostgreSQL database without an encoding as LATIN1; SQLAlchemy cannot read raw bytes."""
    if connection.info.parameter_status("server_encoding") == ANY_ENCODING:
        connection.execute("SET client_encoding TO LATIN1")
        connection.commit()


ANY_ENCODING = "SQL_ASCII"
CONNECTED = {"sqlite": _read_any_text, "postgresql": _read_any_bytes}


def decoded(value: bytes) -> str:
    """UTF-8 as text; other bytes escaped, after NO_TEXT."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return NO_TEXT + value.decode(errors="backslashreplace")


def as_text(column: Sequence[Any]) -> pa.Array:
    """A column of a batch; converted value by value only if the driver returned something other than text."""
    try:
        return pa.array(column, pa.string())
    except (pa.ArrowException, TypeError, UnicodeError):
        return pa.array([None if value is None else _one_text(value) for value in column], pa.string())


def _one_text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return decoded(bytes(value))
    return decoded(str(value).encode(errors="surrogateescape"))
