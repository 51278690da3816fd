"""Dumps of the chain's blocks by hand, for tests: the transactions of export lines, as a node gives them."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

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
