"""Mapping of a transactions table and its columns: a small TOML file, strictly validated.

`data/observatory.toml` is an example; docs/table-source.md explains every key.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from election_metrics.errors import SettingsError

SHIPPED = "observatory"
OPERATIONS = (
    "blindSigIssue", "vote", "addVotersList", "addToVotersList", "removeFromVotersList", "createContract",
    "startVoting", "finishVoting", "startIssueBallots", "stopIssueBallots", "addMainKey", "decryption",
    "commissionDecryption", "results", "updateServerList",
)  # fmt: skip


class Strict(BaseModel):
    """A part of a mapping; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(Strict):
    """The table's columns by meaning."""

    id: str = Field(description="Id of the transaction; unique.")
    constituency: str = Field(description="Constituency of the transaction.")
    time: str = Field(description="Time of the transaction.")
    type: str = Field(description="Call, such as blindSigIssue or vote.")
    status: str | None = Field(None, description="Outcome of the call.")
    election: str | None = Field(None, description="Name of its election.")
    voter: str | None = Field(None, description="Key of the voter, by which re-votes are found.")
    quantity: str | None = Field(
        None,
        description="How many bulletins it issues, votes it is, or voters it adds or removes; of bulletins and votes "
        "an empty one is 1.",
    )
    anomaly: str | None = Field(None, description="Whether the table's owner calls it anomalous.")
    anomaly_reason: str | None = Field(None, description="Why.")


class Status(Strict):
    """Meaning of the values in the column `status`."""

    counted: list[str] = Field([], description="Values that count. Empty: all that are neither failed nor withdrawn.")
    failed: list[str] = Field([], description="Values of failed calls.")
    withdrawn: list[str] = Field([], description="Values of calls that were rolled back.")

    def outcomes(self) -> dict[str, str]:
        """Outcome of each value: counted, failed or withdrawn."""
        named = (("counted", self.counted), ("failed", self.failed), ("withdrawn", self.withdrawn))
        return {word: outcome for outcome, words in named for word in words}

    @property
    def otherwise(self) -> str:
        """Outcome of any other value, and of NULL: counted or unknown."""
        return "unknown" if self.counted else "counted"


def known_zone(value: str) -> str:
    """The name of a time zone, if there is one."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("it must be an IANA time zone such as Europe/Moscow") from None
    return value


def known_operations(value: dict[str, str]) -> dict[str, str]:
    """Calls by the words of a source, if the contract has such calls."""
    for name, operation in value.items():
        if operation not in OPERATIONS:
            raise ValueError(f"{name!r} cannot be {operation!r}; it must be one of {', '.join(OPERATIONS)}")
    return value


class TableMapping(Strict):
    """The mapping file."""

    table: str = Field(min_length=1, description="Table or view, with its schema where it has one.")
    name: str = Field("", pattern=r"^[\w.-]{0,60}$", description="Name in the ledger; empty: that of the table.")
    columns: Columns
    types: dict[str, str] = Field({}, description="Calls of the contract by the table's types.")
    status: Status = Status()
    election: str | None = Field(None, description="Election of all rows, if there is no column for it.")
    time_zone: str = Field("UTC", description="Time zone of times without one.")
    time_unit: Literal["s", "ms"] = Field("ms", description="Unit of times that are numbers since 1970.")
    position: str | None = Field(None, description="Column that grows with every insert; unset: `id`.")
    overlap_minutes: float = Field(10, ge=0, description="Rows may appear so long after later ones.")
    compare_minutes: float = Field(15, gt=0, description="Every hour is compared with what landed this often.")

    _zone = field_validator("time_zone")(known_zone)
    _operations = field_validator("types")(known_operations)

    @property
    def position_column(self) -> str:
        """The column that grows with every insert."""
        return self.position or self.columns.id

    @property
    def source(self) -> str:
        """Its name in the ledger."""
        return self.name or self.table.rpartition(".")[2]


def read_mapping(file: Path | None) -> TableMapping:
    """Reads a mapping; None: the one in the package, of an observatory's table `transactions`.

    Raises:
        SettingsError: the file cannot be read, or is not a valid mapping; the key is named.
    """
    try:
        text = _shipped() if file is None else file.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"ELECTION_METRICS_SOURCE_TABLE is {str(file)!r}: {error.strerror}") from None
    shown = f"{SHIPPED}.toml" if file is None else str(file)
    try:
        return TableMapping.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{shown} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{shown}: {sentence_of(error)}") from None


def _shipped() -> str:
    return resources.files("election_metrics").joinpath("data", f"{SHIPPED}.toml").read_text("utf-8")


def sentence_of(error: ValidationError) -> str:
    """What is wrong with a mapping, by key."""
    problems = error.errors()
    if any("Expression" in str(problem["loc"]) for problem in problems):  # it may also be a name, and is none
        problems = [problem for problem in problems if problem["loc"][-1:] != ("str",)]
    sentences = [
        _problem(
            ".".join(str(part) for part in problem["loc"] if "Expression" not in str(part) and part != "str"), problem
        )
        for problem in problems
    ]
    return "; ".join(dict.fromkeys(sentences))


def _problem(key: str, problem: Any) -> str:
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] == "extra_forbidden":
        return f"{key} is no key of a mapping"
    if problem["type"] == "value_error" and not key:
        return str(problem["ctx"]["error"])
    return f"{key} is {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"
