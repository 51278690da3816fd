"""Dumps of the chain's blocks by hand, for tests: the transactions of export lines, as a node gives them."""

import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from election_metrics.settings import Settings
from election_metrics_tests.computing import rows
from election_metrics_tests.exports import HOUR, issue, line, ms, vote

_TYPES = {"stringValue": "string", "intValue": "integer", "boolValue": "boolean", "binaryValue": "binary"}


def entries(text: str) -> list[dict[str, Any]]:
    """Params or diff of an export, as the node has them."""
    found = []
    for entry in json.loads(text):
        field = next((name for name in _TYPES if name in entry), "stringValue")
        value = entry.get(field)
        prefix = "base64:" if field == "binaryValue" else ""
        found.append({"key": entry["key"], "type": _TYPES[field], "value": prefix + value if prefix else value})
    return found


def call(line: str, contract: str) -> dict[str, Any]:
    """A line of an export as an executed transaction."""
    name, kind, signature, version, at, sender, fee, _, params, diff, *_ = line.split(";")
    tx = {"type": int(kind), "id": name, "version": int(version), "timestamp": int(at), "senderPublicKey": sender,
          "fee": int(fee), "feeAssetId": None, "proofs": [signature], "params": entries(params)}  # fmt: skip
    if kind == "104":
        tx |= {"contractId": contract, "contractVersion": 1}
    return {"type": 105, "id": f"of-{name}", "timestamp": int(at), "tx": tx, "results": entries(diff)}


def block(height: int, at: datetime, calls: Sequence[dict[str, Any]] = (), chain: str = "") -> str:
    """A block; among its transactions is one that is no call."""
    other = {"type": 12, "id": f"data-{height}", "entries": [{"key": "k", "value": 1}]}
    return json.dumps(
        {
            "height": height,
            "timestamp": int(at.timestamp() * 1000),
            "version": 3,
            "signature": f"{chain}-{height}",
            "transactions": [other, *calls],
        },
        ensure_ascii=False,
    )


def joined(blocks: Iterable[str]) -> bytes:
    """A dump: a block a line."""
    return "".join(f"{line}\n" for line in blocks).encode()


FIGURES = """
    SELECT constituency_id, hour, transaction_count, bulletins_issued, bulletins_failed, votes_cast, votes_rejected,
        votes_unknown, revotes, withdrawn, registered_voters, first_transaction_at, last_transaction_at
    FROM metrics.hourly_stats ORDER BY constituency_id, hour
"""


BEGIN = [line("s", ms(1), "startVoting"), issue("i", ms(2)), vote("v", ms(3))]


OF_OTHER = [text.replace(";", "2;", 1) for text in BEGIN]


def dump_of(contracts: dict[str, Sequence[str]], minutes: int = 120) -> list[str]:
    """A chain with a block a minute from two minutes before HOUR on."""
    calls: dict[int, list[dict[str, Any]]] = {}
    for contract, lines in contracts.items():
        for text in lines:
            calls.setdefault(max(int(text.split(";")[4]) // 60_000, ms(-2) // 60_000), []).append(call(text, contract))
    first, name = ms(-2) // 60_000, "+".join(sorted(contracts))
    return [
        block(number + 1, HOUR + timedelta(minutes=number - 1), calls.get(first + number, []), name)
        for number in range(minutes)
    ]


def put_chunks(folder: Path, chain: Sequence[str], *bounds: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for first, last in itertools.pairwise([0, *bounds]):
        (folder / f"{first + 1}-{last}.jsonl").write_bytes(joined(chain[first:last]))


def missing(settings: Settings) -> list[tuple[str, datetime, datetime]]:
    frame = rows(settings, "SELECT constituency_id, missing_from, missing_to FROM metrics.missing_input ORDER BY 1, 2")
    return [tuple(row) for row in frame.itertuples(index=False)]


def shards(settings: Settings) -> list[tuple[str, int, int]]:
    found = rows(settings, "SELECT shard, first_height, last_height FROM ingest.shard_coverage ORDER BY 1, 2")
    return [tuple(row) for row in found.itertuples(index=False)]
