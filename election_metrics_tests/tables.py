"""A table of transactions in another database, for tests: made by hand, or from export files by the reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from election_metrics.pipeline.hours import changed_hours, compute_hours, contiguous
from election_metrics.pipeline.landing import LandingReport
from election_metrics.pipeline.publication import (
    compute_anomalies,
    compute_constituency_metrics,
    compute_election_summaries,
)
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.pipeline.table_landing import land_table
from election_metrics.pipeline.table_opening import open_table
from election_metrics.settings import Settings
from election_metrics_tests.computing import NOW, rows
from election_metrics_tests.reference import read_file

MAPPING = """
table = "ballots"
position = "number_of_row"
[columns]
id = "id"
constituency = "place"
election = "election"
time = "at"
type = "call"
status = "state"
voter = "voter"
quantity = "number"
anomaly = "odd"
anomaly_reason = "why"
[types]
ISSUE = "blindSigIssue"
VOTE = "vote"
[status]
counted = ["ok"]
failed = ["failed"]
withdrawn = ["withdrawn"]
"""

LATEST = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)


@dataclass
class Ballots:
    """The table `ballots`, empty at first."""

    url: str

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(self.url)
        self.table = sa.Table(
            "ballots", sa.MetaData(),
            sa.Column("number_of_row", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
            sa.Column("id", sa.Text), sa.Column("place", sa.Text), sa.Column("election", sa.Text),
            sa.Column("at", sa.DateTime(timezone=True)), sa.Column("call", sa.Text), sa.Column("state", sa.Text),
            sa.Column("voter", sa.Text), sa.Column("number", sa.BigInteger), sa.Column("odd", sa.Boolean),
            sa.Column("why", sa.Text),
        )  # fmt: skip
        self.table.create(self.engine)

    def put(self, *rows: Mapping[str, Any], connection: sa.Connection | None = None) -> None:
        """Inserts rows; commits unless the caller gives a connection."""
        if connection is not None:
            connection.execute(sa.insert(self.table), list(rows))
            return
        with self.engine.begin() as own:
            own.execute(sa.insert(self.table), list(rows))

    def change(self, where: str, values: str) -> None:
        """Updates rows."""
        self.run(f"UPDATE ballots SET {values} WHERE {where}")

    def run(self, statement: str) -> None:
        """Any statement."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))


def row(name: str, at_ms: int, call: str = "VOTE", place: str = "north", **more: Any) -> dict[str, Any]:
    """A row of `ballots` that counts."""
    common: dict[str, Any] = {
        "election": "Council", "state": "ok", "voter": f"key-{name}" if call == "VOTE" else None, "number": None,
        "odd": False, "why": None,
    }  # fmt: skip
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return {"id": name, "place": place, "at": at, "call": call, **common, **more}


def rows_of_exports(tree: Path, election: str) -> list[dict[str, Any]]:
    """The transactions of export files as rows of `ballots`, each id once, read by the reference and not by the SQL."""
    found: dict[str, dict[str, Any]] = {}
    withdrawn: set[str] = set()
    for file in sorted(tree.rglob("*.csv")):
        contract = file.name.partition("_")[0]
        for said in read_file(file.read_bytes(), LATEST, 0):
            if said.kind == "rollback":
                withdrawn.add(str(said.transaction_id))
            elif said.kind != "rejected":
                key = str(said.transaction_id)
                found.setdefault(key, _row_of(said, contract, election))
    for key in withdrawn & set(found):
        found[key]["state"] = "withdrawn"
    return sorted(found.values(), key=lambda one: (one["at"], one["id"]))


_STATES = {"vote_cast": "ok", "vote_rejected": "failed", "vote_unknown": "lost", "bulletin_issued": "ok",
           "bulletin_failed": "failed"}  # fmt: skip


def _row_of(said: Any, contract: str, election: str) -> dict[str, Any]:
    call = {"blindSigIssue": "ISSUE", "vote": "VOTE"}.get(said.operation, said.operation)
    return row(
        said.transaction_id, said.occurred_ms, call, contract, election=election, voter=said.voter,
        state=_STATES.get(said.kind, "ok"), number=None if said.quantity is None else abs(said.quantity),
    )  # fmt: skip


def update_from_table(settings: Settings, now: datetime = NOW, **options: Any) -> LandingReport:
    """Lands what the table has and computes what changed."""
    table = open_table(settings)
    assert table is not None
    report = land_table(settings, table, "run", now, **options)
    refresh_registry(settings, "run", now)
    for first, last in contiguous(changed_hours(settings, now), 744):
        compute_hours(settings, first, _after(last), "run", now)
    compute_constituency_metrics(settings, "run", now=now)
    compute_anomalies(settings, "run", now=now)
    compute_election_summaries(settings, "run", now=now)
    return report


def _after(hour: datetime) -> datetime:
    return datetime.fromtimestamp(hour.timestamp() + 3600, tz=UTC)


def pieces(rows: Sequence[dict[str, Any]], size: int) -> Iterator[Sequence[dict[str, Any]]]:
    """The rows, so many at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def land_only(settings: Settings) -> int:
    """Lands what is new, without any comparison; returns how many rows."""
    table = open_table(settings)
    assert table is not None
    return land_table(settings, table, "run", NOW, compare=False).rows


def ids_in_lake(settings: Settings) -> list[str]:
    """The transaction ids that the lake holds, each as often as it does."""
    parts = str(settings.lake_path / "transactions" / "*" / "*.parquet")
    found = duckdb.execute("SELECT transaction_id FROM read_parquet(?) ORDER BY 1", [parts]).fetchall()
    return [name for (name,) in found]


def hour_difference(settings: Settings) -> list[int]:
    """What a comparison finds, by reading those hours again."""
    before = len(rows(settings, "SELECT * FROM ingest.transaction_files"))
    table = open_table(settings)
    assert table is not None
    land_table(settings, table, "run", NOW, compare=True)
    after = rows(settings, "SELECT * FROM ingest.transaction_files ORDER BY file_id")
    return list(after["path"][before:])


def mapped_to(chosen: Settings, made: Ballots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that name a table by MAPPING, also in the environment, for commands."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(MAPPING, "utf-8")
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_URL", made.url)
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_TABLE", str(mapping))
    return chosen.model_copy(update={"source_url": SecretStr(made.url), "source_table": mapping})


COLUMNS = '[columns]\nid = "id"\nconstituency = "place"\ntime = "at"\ntype = "call"\nstatus = "state"\n'


def settings_of(chosen: Settings, tmp_path: Path, url: str, mapping: str) -> Settings:
    """Settings that name the table `t` with COLUMNS, after these lines of a mapping."""
    path = tmp_path / "own.toml"
    path.write_text(f'table = "t"\nposition = "n"\n{mapping}{COLUMNS}[status]\ncounted = ["ok"]\n', "utf-8")
    return chosen.model_copy(update={"source_url": SecretStr(url), "source_table": path})
