"""Mapping of files of any form to rows that count: a small TOML file, strictly validated.

docs/files-by-mapping.md explains every key; the mappings of the cookbook are in `data/mappings`.
"""

import codecs
import tomllib
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from election_metrics.errors import SettingsError
from election_metrics.sources.mapping_expressions import Expression, Value
from election_metrics.sources.table_mapping import Status, Strict, known_operations, known_zone, sentence_of

Format = Literal["csv", "json", "jsonl", "parquet", "xlsx"]
COUNTED = ("bulletins", "votes")
"""Columns of numbers, in rows that are counts or counters."""


class Csv(Strict):
    """How CSV files are written."""

    delimiter: str = Field(",", min_length=1, max_length=1, description="Between two values.")
    quote: str = Field('"', max_length=1, description="Around a value; empty: none.")
    encoding: str = Field("utf-8", description="As Python names it: utf-8, latin-1, cp1251, utf-16.")
    header: list[str] = Field([], description="Names of the columns, where the files have no line of them.")
    decimal: Literal[".", ","] = Field(".", description="Decimal sign; the other one may separate thousands.")

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str) -> str:
        try:
            return codecs.lookup(value).name
        except LookupError:
            raise ValueError("it is no encoding that Python knows, such as utf-8, latin-1 or cp1251") from None


class Sheet(Strict):
    """Where the rows of spreadsheets are."""

    name: str = Field("", description="Name of the sheet; empty: the only one that has cells.")
    header_row: int = Field(1, ge=1, description="The row with the names of the columns.")


class Json(Strict):
    """Where the rows of JSON files are."""

    rows: str = Field("", description="Key of the list of rows, with dots between levels; empty: the file is the list.")


class FileColumns(Strict):
    """What a row says. Each is the name of a column, or a table of how to make it (Expression)."""

    constituency: Value = Field(description="Constituency, or any other smallest place.")
    time: Value | None = Field(None, description="When it happened; of a count, the start of its interval; of a "
                                                 "counter, when it was published.")  # fmt: skip
    zone: Value | None = Field(None, description="IANA time zone of the row's time.")
    place_zone: Value | None = Field(None, description="IANA time zone of the place, where it is another one.")
    name: Value | None = Field(None, description="Name of the place.")
    region: Value | None = Field(None, description="Region of the place.")
    election: Value | None = Field(None, description="Name of its election.")
    id: Value | None = Field(None, description="Events: id; without one, a row counts as often as it is there.")
    type: Value | None = Field(None, description="Events: the call, such as vote.")
    status: Value | None = Field(None, description="Events: outcome of the call.")
    voter: Value | None = Field(None, description="Events: key of the voter, by which re-votes are found.")
    quantity: Value | None = Field(None, description="Events: how many; empty: 1.")
    bulletins: Value | None = Field(None, description="Counts: bulletins issued in the interval. Counters: so far.")
    votes: Value | None = Field(None, description="Counts: votes cast in the interval. Counters: so far.")
    registered: Value | None = Field(None, description="Registered voters of the place, now.")


class Snapshot(Strict):
    """One of several groups of columns of a row, each of one time; a group without a time says nothing."""

    time: Value = Field(description="As in columns.")
    bulletins: Value | None = None
    votes: Value | None = None
    type: Value | None = None
    status: Value | None = None


class FileMapping(Strict):
    """The mapping file."""

    files: list[str] = Field(
        min_length=1,
        description="Files, or patterns such as 2026/*.csv, from the folder of the mapping or of the command; "
        "or of an object store, such as s3://bucket/2026/*.csv.",
    )
    name: str = Field(pattern=r"^[\w.-]{1,60}$", description="Name in the ledger.")
    rows: Literal["events", "counts", "counters"] = Field("events", description="What a row is.")
    format: Format | None = Field(None, description="Unset: by the ending of each file.")
    latest_only: bool = Field(False, description="Each file replaces the ones before it (by name).")
    csv: Csv = Csv()
    json_: Json = Field(Json(), alias="json")
    sheet: Sheet = Sheet()
    columns: FileColumns
    snapshots: list[Snapshot] = Field([], description="Groups of columns, where a row has several times.")
    types: dict[str, str] = Field({}, description="Calls of the contract by the words of `type`.")
    status: Status = Status()
    election: str | None = Field(None, description="Election of all rows, if there is no column for it.")
    time_zone: str = Field("UTC", description="Time zone of times without one.")
    time_unit: Literal["s", "ms"] = Field("ms", description="Unit of times that are numbers since 1970.")
    unit: Literal["", "second", "hour", "day"] = Field(
        "", description="Smallest unit of time that the files know; unset: second for events, else hour."
    )
    standing_vote: Literal["first", "last"] = Field("first", description="Of several votes of a voter, which counts.")
    needs_bulletins: bool = Field(True, description="Whether a vote needs a bulletin, so that the two are compared.")
    opening_hours: list[tuple[datetime, datetime]] = Field(
        [], description="When voting is open, in `time_zone`: [[2026-09-18T08:00:00, 2026-09-18T20:00:00], …]."
    )

    compare_minutes: ClassVar[float] = 0.0
    overlap_minutes: ClassVar[float] = 0.0
    """As of tables: files are always compared as a whole."""

    _zone = field_validator("time_zone")(known_zone)
    _operations = field_validator("types")(known_operations)

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("opening_hours")
    @classmethod
    def _in_order(cls, value: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
        for begin, end in value:
            if begin.tzinfo is not None or end.tzinfo is not None:
                raise ValueError("leave out the offset: the times are in `time_zone`")
            if begin >= end or any((part.minute, part.second) != (0, 0) for part in (begin, end)):
                raise ValueError(f"{begin} to {end} is no span of whole hours")
        if any(later[0] < earlier[1] for earlier, later in pairwise(value)):
            raise ValueError("the spans must follow one another")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        counts = self.counted
        if self.rows == "events":
            where = "snapshots" if self.snapshots else "columns"
            rows: list[FileColumns | Snapshot] = [*self.snapshots] if self.snapshots else [self.columns]
            for name in ("time", "type"):
                if any(getattr(group, name) is None for group in rows):
                    raise ValueError(f"{where}.{name} is missing; rows are events")
            if counts:
                raise ValueError(f'{counts[0]} is of counts; set rows = "counts" or "counters"')
        else:
            of_events = [name for name in ("id", "type", "status", "voter", "quantity") if getattr(self.columns, name)]
            if of_events:
                raise ValueError(f"columns.{of_events[0]} is of events, and rows are {self.rows}")
            if not counts:
                raise ValueError("name the columns.votes or columns.bulletins that are counted")
            if (self.columns.time is None) == (not self.snapshots):
                raise ValueError("name columns.time, or snapshots with a time each")
        if self.opening_hours and self.rows != "counters":
            raise ValueError("opening_hours are of counters")
        if not self.unit:
            object.__setattr__(self, "unit", "second" if self.rows == "events" else "hour")
        return self

    @property
    def counted(self) -> list[str]:
        """The numbers of COUNTED that the files have."""
        groups = [self.columns, *self.snapshots]
        return [name for name in COUNTED if any(getattr(group, name) is not None for group in groups)]

    @property
    def groups(self) -> list[dict[str, Value | None]]:
        """The columns of each thing that a row says: once, or once for each snapshot."""
        columns = dict(self.columns)
        return [columns | {name: value for name, value in group if value} for group in self.snapshots] or [columns]

    @property
    def may_have_bulletins(self) -> bool:
        """Whether events may be bulletins: the files say the type, or it is always one of several."""
        groups = [group.type for group in self.snapshots] or [self.columns.type]
        types = [Expression.of(value) for value in groups if value is not None]
        said = [self.types.get(str(one.constant), str(one.constant)) for one in types]
        return any(one.constant is None for one in types) or "blindSigIssue" in said

    @property
    def source(self) -> str:
        """Its name in the ledger."""
        return self.name


def names_files(text: str) -> bool:
    """Whether a mapping is one of files; another one is of a table."""
    try:
        return "files" in tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False


def read_file_mapping(file: Path) -> FileMapping:
    """Reads a mapping of files.

    Raises:
        SettingsError: the file cannot be read, or is not a valid mapping; the key is named.
    """
    try:
        return FileMapping.model_validate(tomllib.loads(file.read_text("utf-8")))
    except OSError as error:
        raise SettingsError(f"the mapping {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{file}: {sentence_of(error)}") from None


def columns_of(mapping: FileMapping) -> list[tuple[str, Expression]]:
    """Every expression of a mapping, by its key."""
    found = [(f"columns.{key}", value) for key, value in mapping.columns if value is not None]
    for number, group in enumerate(mapping.snapshots):
        found += [(f"snapshots[{number}].{key}", value) for key, value in group if value is not None]
    return [(key, Expression.of(value)) for key, value in found]


def essential_keys(mapping: FileMapping) -> list[set[str]]:
    """Columns without which a row says nothing, by group of columns: place, time, and what is counted."""
    essential = ("constituency", "time", "type", *COUNTED)
    return [
        {key for name in essential if (value := group.get(name)) is not None for key in Expression.of(value).needs}
        for group in mapping.groups
    ]
