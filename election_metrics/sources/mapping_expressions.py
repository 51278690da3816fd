"""Expressions of a mapping: how a value is made of the columns of a row. Nothing is evaluated but these few steps."""

import re
from collections.abc import Callable, Iterator
from typing import Self

from pydantic import Field, field_validator, model_validator

from election_metrics.sources.table_mapping import Strict

_PATTERN_LENGTH = 300
_WRITTEN = "'%Y-%m-%d %H:%M:%S.%f'"


class Expression(Strict):
    """A value: of a column, several columns, the file's path, or constant; then cut and translated, in order."""

    column: str | None = Field(None, description="The column that has it.")
    columns: list[str] = Field([], description="Columns that make it together.")
    join: str = Field("-", description="Between the values of `columns`.")
    file: str | None = Field(None, description="Regular expression on the file's path; its first group is the value.")
    constant: str | None = Field(None, description="The value itself.")
    regex: str | None = Field(None, description="Regular expression; its first group, or all that it matches, is kept.")
    split: str | None = Field(None, description="Text at which the value is split.")
    part: int = Field(1, ge=1, description="Which part of it is kept, from 1.")
    map: dict[str, str] = Field({}, description="The value by what the file says.")
    otherwise: str | None = Field(None, description="The value of what is not in `map`; unset: what the file says.")
    format: str | None = Field(None, description="Of a time: %Y-%m-%d %H:%M:%S, as in Python.")

    @field_validator("regex", "file")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"it is no regular expression: {error}") from None
        if len(value) > _PATTERN_LENGTH or re.search(r"\\[1-9]|\(\?[=!<]", value):
            raise ValueError("it may have no look-around and no back-references, and 300 characters at most")
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [name for name in ("column", "columns", "file", "constant") if getattr(self, name) not in (None, [])]
        if len(origins) != 1:
            raise ValueError("name one of column, columns, file and constant")
        return self

    @classmethod
    def of(cls, value: "Value") -> "Expression":
        """A name of a column stands for its value."""
        return cls(column=value) if isinstance(value, str) else value

    @property
    def needs(self) -> list[str]:
        """The columns that it reads."""
        return [*self.columns, *([self.column] if self.column is not None else [])]

    def sql(self, cell: Callable[[str], str], path: str) -> str:
        """As SQL of DuckDB, text or NULL.

        Args:
            cell: the SQL of a column's text.
            path: the SQL of the file's path.
        """
        value = self._origin(cell, path)
        if self.file is not None:
            value = _captured(path, self.file)
        if self.regex is not None:
            value = _captured(value, self.regex)
        if self.split is not None:
            value = f"nullif(trim(split_part({value}, {literal(self.split)}, {self.part})), '')"
        if self.map:
            cases = " ".join(f"WHEN {literal(said)} THEN {literal(means)}" for said, means in self.map.items())
            rest = value if self.otherwise is None else literal(self.otherwise)
            value = f"CASE {value} {cases} ELSE {rest} END"
        if self.format is not None:
            # A text that is no such time stays as it is, so that the row is rejected with it.
            moment = f"try_strptime({value}, {literal(self.format)})"
            written = f"strftime({moment}, {_WRITTEN})"
            if re.search("%[zZ]", self.format):  # then it is an instant, whatever the zone of the row
                written = f"strftime(timezone('UTC', {moment}), {_WRITTEN}) || '+00'"
            value = f"coalesce({written}, 'no time by the format: ' || {value})"
        return value

    def _origin(self, cell: Callable[[str], str], path: str) -> str:
        if self.constant is not None:
            return literal(self.constant)
        if self.file is not None:
            return path
        if self.column is not None:
            return cell(self.column)
        parts = ", ".join(cell(name) for name in self.columns)
        are_there = " AND ".join(f"{cell(name)} IS NOT NULL" for name in self.columns)
        return f"CASE WHEN {are_there} THEN concat_ws({literal(self.join)}, {parts}) END"

    def unmatched(self, cell: Callable[[str], str], path: str) -> str | None:
        """SQL of what the value is cut from; None if it is not cut, so that it cannot fail to match."""
        if self.regex is None and self.split is None and self.file is None:
            return None
        return self._origin(cell, path)


Value = str | Expression
"""The name of a column, or an expression."""


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _captured(value: str, pattern: str) -> str:
    group = 1 if re.compile(pattern).groups else 0
    return f"nullif(regexp_extract({value}, {literal(pattern)}, {group}), '')"


def needed_columns(expressions: Iterator[Expression]) -> list[str]:
    """The columns that expressions read, each once, in order."""
    return list(dict.fromkeys(name for one in expressions for name in one.needs))
