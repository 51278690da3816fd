"""Expressions of a mapping: how a value is made of the columns of a row. Nothing is evaluated but these few steps."""

import re
from collections.abc import Callable, Iterator
from typing import Self

from pydantic import Field, field_validator, model_validator

from election_metrics.sources.table_mapping import Strict

_PATTERN_LENGTH = 300
NO_TIME = "no time by the format: "
"""What a text begins with that could not be read as a time."""
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

    @field_validator("format")
    @classmethod
    def _names_no_zone(cls, value: str | None) -> str | None:
        if value is not None and "%Z" in value:
            raise ValueError("%Z is a short name that several zones share; use %z, or columns.zone")
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
        value = self._cut(cell, path)
        if self.map:
            cases = " ".join(f"WHEN {literal(said)} THEN {literal(means)}" for said, means in self.map.items())
            rest = value if self.otherwise is None else literal(self.otherwise)
            if self.is_cut:  # what does not match has no value that could be another one
                rest = f"CASE WHEN {value} IS NOT NULL THEN {rest} END"
            value = f"CASE {value} {cases} ELSE {rest} END"
        if self.format is not None:
            # A text that is no such time stays as it is, so that the row is rejected with it.
            moment = f"try_strptime({value}, {literal(self.format)})"
            written = f"strftime({moment}, {_WRITTEN})"
            if "%z" in self.format:  # then it is an instant, whatever the zone of the row
                written = f"strftime(timezone('UTC', {moment}), {_WRITTEN}) || '+00'"
            value = f"coalesce({written}, {literal(NO_TIME)} || {value})"
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

    def _cut(self, cell: Callable[[str], str], path: str) -> str:
        value = _captured(path, self.file) if self.file is not None else self._origin(cell, path)
        if self.regex is not None:
            value = _captured(value, self.regex)
        if self.split is not None:
            value = f"nullif(trim(split_part({value}, {literal(self.split)}, {self.part})), '')"
        return value

    @property
    def is_cut(self) -> bool:
        """Whether a part of a text is kept, so that a text may have no such part."""
        return self.regex is not None or self.split is not None or self.file is not None

    def cut(self, cell: Callable[[str], str], path: str) -> tuple[str, str] | None:
        """SQL of a text and of the part of it that is kept, NULL if there is none; None if nothing is cut."""
        return (self._origin(cell, path), self._cut(cell, path)) if self.is_cut else None


Value = str | Expression
"""The name of a column, or an expression."""


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _captured(value: str, pattern: str) -> str:
    group = 1 if re.compile(pattern).groups else 0
    return f"nullif(regexp_extract({value}, {literal(_of_every_script(pattern))}, {group}), '')"


def _of_every_script(pattern: str) -> str:
    r"""A pattern in which \w is a letter of any script, as in Python; DuckDB's own is an English one."""
    written, in_class, place = "", False, 0
    while place < len(pattern):
        two = pattern[place : place + 2]
        if two[0] == "\\" and len(two) > 1:
            letters = r"\p{L}\p{M}\p{N}_"
            written += {"w": letters if in_class else f"[{letters}]", "W": two if in_class else f"[^{letters}]"}.get(
                two[1], two
            )
            place += 2
            continue
        in_class = two[0] == "[" or (in_class and two[0] != "]")
        written += two[0]
        place += 1
    return written


def needed_columns(expressions: Iterator[Expression]) -> list[str]:
    """The columns that expressions read, each once, in order."""
    return list(dict.fromkeys(name for one in expressions for name in one.needs))
