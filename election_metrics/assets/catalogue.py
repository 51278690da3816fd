"""What the Dagster UI says of each asset before it ever ran: group, owner, tags, table, columns and their sources."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import dagster as dg
import sqlalchemy as sa

from election_metrics.warehouse import tables

OWNER = "team:observatory"
COLUMN_LINEAGE = "dagster/column_lineage"
"""Metadata key: which columns a column comes from. The UI shows it from the newest materialization."""
# The UI sorts groups by name: the numbers put them in the order of the flow.
_GROUPS = {
    "landed_files": "1_files",
    "elections": "2_registry",
    "constituencies": "2_registry",
    "raw_transactions": "3_hours",
    "hourly_stats": "3_hours",
    "constituency_metrics": "4_elections",
    "anomalies": "4_elections",
    "election_summaries": "4_elections",
    "reconciliations": "4_elections",
}
_TABLES: dict[str, sa.Table] = {
    "landed_files": tables.transaction_files,
    "elections": tables.elections,
    "constituencies": tables.constituencies,
    "hourly_stats": tables.hourly_stats,
    "constituency_metrics": tables.constituency_metrics,
    "anomalies": tables.anomalies,
    "election_summaries": tables.election_summaries,
    "reconciliations": tables.reconciliations,
}
_PART = {
    "transaction_id": ("string", "Transaction", ["transaction id"]),
    "id_key": ("bigint", "Hash of the id, by which repeated ids are found", ["transaction id"]),
    "constituency_id": ("string", "Contract, from the file's name", ["(file name)"]),
    "occurred_ms": ("bigint", "When, epoch milliseconds", ["timestamp"]),
    "operation": ("string", "Call of the contract", ["type", "params"]),
    "kind": ("string", "vote_cast, bulletin_issued, …: what the call came to", ["type", "params", "diff", "sender"]),
    "quantity": ("bigint", "Bulletins issued by the call, or voters added to the register", ["params"]),
    "sender": ("string", "Voter key of a vote", ["sender"]),
    "voter_key": ("string", "What re-votes are found by", ["sender"]),
    "fail_reason": ("string", "Why the call failed", ["diff"]),
    "content_id": ("bigint", "Content that holds the line (ingest.transaction_files)", ["(file name)"]),
    "hour_number": ("integer", "Hours since 1970 (UTC): the partition", ["timestamp"]),
}
_EXPORT = {
    "transaction id": "Field 0: base58, unique",
    "type": "Field 1: 103 creates the contract, 104 calls it",
    "timestamp": "Field 4: epoch milliseconds",
    "sender": "Field 5: a vote's one-off voter key, or the registrar's",
    "params": "Field 8: JSON; names the call and what it was called with",
    "diff": "Field 9: JSON; the state keys that the call wrote, a failure among them",
    "rollback": "Field 11: -1 withdraws the transaction",
    "(file name)": "Contract and interval; the folders above it name region, election and constituency",
}
_BALLOTS = (
    "transaction_count", "bulletins_issued", "bulletins_failed", "votes_cast", "votes_rejected", "votes_unknown",
    "revotes", "withdrawn", "anomaly_count",
)  # fmt: skip
_VOTES, _BULLETINS, _REGISTER = "votes_cast", "bulletins_issued", "registered_voters"
# column: columns of the asset before it that it is computed from, where the name does not say so already.
_FROM_HOURS = {
    "period_start": ["hour"], "anomaly_score": ["anomaly_count", "transaction_count"],
    "participation_rate": [_VOTES, _REGISTER], "gap": [_BULLETINS, _VOTES], "gap_rate": [_BULLETINS, _VOTES],
    "voting_hours": ["hour", _BULLETINS, _VOTES], "average_bulletins_per_hour": [_BULLETINS, "hour"],
    "average_votes_per_hour": [_VOTES, "hour"], "peak_hour": [_VOTES, "hour"], "peak_votes": [_VOTES],
    "running_bulletins": [_BULLETINS], "running_votes": [_VOTES],
    "running_participation_rate": [_VOTES, _REGISTER], "issue_rate": [_BULLETINS, _REGISTER],
    "bulletin_trend": [_BULLETINS, "hour"], "vote_trend": [_VOTES, "hour"], "activity_pattern": [_VOTES, "hour"],
}  # fmt: skip
_FROM_METRICS = {
    "constituencies_reporting": [_BULLETINS, _VOTES], "constituencies_silent": [_BULLETINS, _VOTES],
    "participation_rate": [_VOTES, _REGISTER], "issue_rate": [_BULLETINS, _REGISTER], "gap_rate": [_BULLETINS, _VOTES],
    "anomaly_score": ["anomaly_count", "transaction_count"], "peak_hour": [_VOTES, "period_start"],
    "peak_votes": [_VOTES],
}  # fmt: skip
_FROM_RAW = {
    **{name: ["kind", "transaction_id"] for name in _BALLOTS}, "hour": ["occurred_ms"],
    "constituency_id": ["constituency_id"], "bulletin_velocity": ["kind", "quantity", "occurred_ms"],
    "vote_velocity": ["kind", "occurred_ms"], "participation_rate": ["kind"], "first_transaction_at": ["occurred_ms"],
    "last_transaction_at": ["occurred_ms"], "outside_voting": ["kind", "occurred_ms"],
    "bulletins_issued": ["kind", "quantity"], "votes_cast": ["kind", "voter_key"], "revotes": ["kind", "voter_key"],
}  # fmt: skip


class About(TypedDict):
    """Arguments of an asset's decorator or spec."""

    group_name: str
    owners: list[str]
    kinds: set[str]
    tags: dict[str, str]
    metadata: dict[str, Any]


def about(key: str, *, kinds: Iterable[str]) -> About:
    """Arguments of an asset's decorator or spec that say what it is.

    Dagster's open-source UI does not show column lineage, so each column's description says where it comes from.
    """
    return {
        "group_name": _GROUPS[key],
        "owners": [OWNER],
        "kinds": set(kinds),
        "tags": {"layer": _GROUPS[key][2:], "audience": "analysts" if _is_read(key) else "engineers"},
        "metadata": {**_table(key), COLUMN_LINEAGE: lineage(key)},
    }


def lineage(key: str) -> dg.TableColumnLineage:
    """Which columns of the assets before it each column of an asset comes from."""
    deps: dict[str, list[tuple[str, str]]] = {}
    if key == "raw_transactions":
        deps = {name: [("landed_files", source) for source in sources] for name, (_, _, sources) in _PART.items()}
    if key == "hourly_stats":
        deps = {name: [("raw_transactions", source) for source in sources] for name, sources in _FROM_RAW.items()}
        deps["election_id"] = [("constituencies", "election_id")]
        deps["registered_voters"] = [("constituencies", "registered_voters")]
        deps["participation_rate"] = [*deps["participation_rate"], ("constituencies", "registered_voters")]
    if key == "constituency_metrics":
        deps = _same_or("hourly_stats", key, _FROM_HOURS)
    if key == "election_summaries":
        deps = _same_or("constituency_metrics", key, _FROM_METRICS)
        deps |= {f"anomalies_{name}": [("anomalies", "severity")] for name in ("critical", "warning", "info")}
    if key == "anomalies":
        deps = {name: [("constituency_metrics", name)] for name in ("election_id", "constituency_id")}
    if key == "reconciliations":
        deps = {name: [("election_summaries", name)] for name in ("election_id", _BULLETINS, _VOTES)}
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=source) for asset, source in sources]
            for column, sources in deps.items()
        }
    )


def _same_or(parent: str, key: str, others: Mapping[str, list[str]]) -> dict[str, list[tuple[str, str]]]:
    """Each column from the one of the same name in the parent, unless `others` says from which."""
    there = {column.name for column in _TABLES[parent].columns} - {"run_id", "computed_at"}
    same = {column.name: [column.name] for column in _TABLES[key].columns if column.name in there}
    return {column: [(parent, name) for name in names] for column, names in {**same, **others}.items()}


def _is_read(key: str) -> bool:
    return key in _TABLES and _TABLES[key].schema == "metrics"


def _table(key: str) -> dict[str, Any]:
    if key == "landed_files":
        fields = [dg.TableColumn(name, "text", said) for name, said in _EXPORT.items()]
        named = {"dagster/table_name": f"election_metrics.{_TABLES[key].fullname}"}
        return {"dagster/column_schema": dg.TableSchema(columns=fields), **named}
    if key == "raw_transactions":
        parts = lineage(key)
        columns = [dg.TableColumn(name, kind, _sourced(said, parts, name)) for name, (kind, said, _) in _PART.items()]
        return {"dagster/column_schema": dg.TableSchema(columns=columns)}
    table, sources = _TABLES[key], lineage(key)
    columns = [
        dg.TableColumn(
            column.name,
            str(column.type.compile(dialect=_DIALECT)).lower(),
            _sourced(column.comment or "", sources, column.name),
            dg.TableColumnConstraints(nullable=bool(column.nullable), unique=False),
        )
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"election_metrics.{table.fullname}",
    }


def _sourced(said: str, sources: dg.TableColumnLineage, column: str) -> str:
    """What a column is, and the columns that it comes from."""
    named = [f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in sources.deps_by_column.get(column, [])]
    return f"{said} ← {', '.join(named)}" if named else said


def _dialect() -> sa.Dialect:
    from sqlalchemy.dialects import postgresql

    return postgresql.dialect()  # type: ignore[no-untyped-call]


_DIALECT = _dialect()
