"""Static metadata of the assets for the Dagster UI: group, owner, tags, table, columns and their sources."""

from collections.abc import Iterable
from typing import Any, TypedDict

import dagster as dg
import sqlalchemy as sa

from election_metrics.warehouse import tables

OWNER = "team:observatory"
COLUMN_LINEAGE = "dagster/column_lineage"
"""Metadata key of column lineage. The UI reads it from the newest materialization."""
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
    "portal_registry": "2_registry",
    "portal_counters": "5_second_count",
    "portal_agreement": "5_second_count",
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
    "portal_registry": tables.portal_contracts,
    "portal_counters": tables.portal_hours,
}
_VIEWS = {
    "portal_agreement": (
        "metrics.portal_agreement",
        {
            "counted_bulletins": "Bulletins issued, counted here ← hourly_stats.bulletins_issued",
            "published_bulletins": "Bulletins issued, published by the portal ← portal_counters.bulletins",
            "counted_votes": "Votes cast, counted here ← hourly_stats.votes_cast",
            "published_votes": "Votes cast, published by the portal ← portal_counters.votes",
            "status": "agrees, differs, or why they cannot be compared",
        },
    )
}
_PART = {
    "transaction_id": ("string", "Transaction", ["transaction id"]),
    "id_key": ("bigint", "Hash of the id, by which repeated ids are found", ["transaction id"]),
    "constituency_id": ("string", "Contract, from the file's name", ["(file name)"]),
    "occurred_ms": ("bigint", "When, epoch milliseconds", ["timestamp"]),
    "operation": ("string", "Call of the contract", ["type", "params"]),
    "kind": ("string", "Outcome of the call: vote_cast, bulletin_issued, …", ["type", "params", "diff", "sender"]),
    "quantity": ("bigint", "Bulletins issued by the call, or voters added to the register", ["params"]),
    "sender": ("string", "Voter key of a vote", ["sender"]),
    "voter_key": ("string", "Key by which re-votes are found", ["sender"]),
    "fail_reason": ("string", "Why the call failed", ["diff"]),
    "content_id": ("bigint", "Content that holds the line (ingest.transaction_files)", ["(file name)"]),
    "hour_number": ("integer", "Hours since 1970 (UTC): the partition", ["timestamp"]),
}
_EXPORT = {
    "transaction id": "Field 0: base58, unique",
    "type": "Field 1: 103 creates the contract, 104 calls it",
    "timestamp": "Field 4: epoch milliseconds",
    "sender": "Field 5: a vote's one-off voter key, or the registrar's",
    "params": "Field 8: JSON; names the call and its arguments",
    "diff": "Field 9: JSON; the state keys that the call wrote, a failure among them",
    "rollback": "Field 11: -1 withdraws the transaction",
    "(file name)": "Contract and interval; the folders above it name region, election and constituency",
}
_BEFORE = {
    "hourly_stats": "raw_transactions",
    "constituency_metrics": "hourly_stats",
    "election_summaries": "constituency_metrics",
}
"""The upstream asset whose columns an asset's columns come from."""


class About(TypedDict):
    """Arguments of an asset's decorator or spec."""

    group_name: str
    owners: list[str]
    kinds: set[str]
    tags: dict[str, str]
    metadata: dict[str, Any]


def about(key: str, *, kinds: Iterable[str]) -> About:
    """Arguments of an asset's decorator or spec: its static metadata.

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
    """Column lineage of an asset: the upstream columns that each of its columns comes from."""
    if key == "raw_transactions":
        deps = {name: [("landed_files", source) for source in sources] for name, (_, _, sources) in _PART.items()}
    else:
        deps = {column.name: _sources(key, column) for column in _TABLES[key].columns} if key in _TABLES else {}
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=source) for asset, source in sources]
            for column, sources in deps.items()
            if sources
        }
    )


def _sources(key: str, column: sa.Column[Any]) -> list[tuple[str, str]]:
    """Asset and name of each column that a column comes from, as its declaration says."""
    before = _BEFORE.get(key)
    named = column.info.get("sources") or (column.info.get("counted_from") if before == "raw_transactions" else None)
    if named:
        return [(source.rpartition(".")[0] or str(before), source.rpartition(".")[2]) for source in named]
    if before not in _TABLES or column.name in tables.LINEAGE or column.name not in _TABLES[before].columns:
        return []
    return [(before, column.name)]


def _is_read(key: str) -> bool:
    return key in _VIEWS or (key in _TABLES and _TABLES[key].schema == "metrics")


def _table(key: str) -> dict[str, Any]:
    if key in _VIEWS:
        view, described = _VIEWS[key]
        shown = [dg.TableColumn(name, "", text) for name, text in described.items()]
        return {
            "dagster/table_name": f"election_metrics.{view}",
            "dagster/column_schema": dg.TableSchema(columns=shown),
        }
    if key == "landed_files":
        fields = [dg.TableColumn(name, "text", meaning) for name, meaning in _EXPORT.items()]
        named = {"dagster/table_name": f"election_metrics.{_TABLES[key].fullname}"}
        return {"dagster/column_schema": dg.TableSchema(columns=fields), **named}
    if key == "raw_transactions":
        parts = lineage(key)
        columns = [dg.TableColumn(name, kind, _sourced(text, parts, name)) for name, (kind, text, _) in _PART.items()]
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


def _sourced(text: str, sources: dg.TableColumnLineage, column: str) -> str:
    """A column's description, followed by the columns that it comes from."""
    named = [f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in sources.deps_by_column.get(column, [])]
    return f"{text} ← {', '.join(named)}" if named else text


def _dialect() -> sa.Dialect:
    from sqlalchemy.dialects import postgresql

    return postgresql.dialect()  # type: ignore[no-untyped-call]


_DIALECT = _dialect()
