"""Lines and whole trees counted in plain Python, written from the domain and not from the SQL: what that is compared with.

One line at a time, with the standard library's JSON. It is slow and says the same.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_REGISTER = ("addVotersList", "addToVotersList", "removeFromVotersList")
_CONTROL = (
    "createContract", "startVoting", "finishVoting", "startIssueBallots", "stopIssueBallots", "addMainKey", "decryption",
    "commissionDecryption", "results", "updateServerList",
)  # fmt: skip
_IN_2000 = 946_684_800_000
_MOST_VOTERS = 10**9
_LONGEST_ID = 200


@dataclass(frozen=True)
class Row:
    """What a line says: a transaction, a withdrawal (`kind` is rollback), or why it cannot be read (`rejection`)."""

    kind: str
    transaction_id: str | None = None
    occurred_ms: int | None = None
    operation: str | None = None
    quantity: int | None = None
    voter: str | None = None
    rejection: str | None = None


class Rejected(Exception):  # noqa: N818 it is no error
    """The line cannot be read; the reason, in the words of the quarantine."""


def read_file(content: bytes, latest_ms: int, first_ms: int) -> Iterator[Row]:
    """Every line of a file, blank ones too; nothing of a file in UTF-16 or UTF-32."""
    if _is_wide(content[:4096]):
        return
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines):
        line = line if number else line.removeprefix(b"\xef\xbb\xbf")
        try:
            yield _read(line.removesuffix(b"\r"), latest_ms, first_ms)
        except Rejected as reason:
            yield Row("rejected", rejection=str(reason))


def _is_wide(head: bytes) -> bool:
    """Whether it has a byte order mark and NULs, or nearly all characters one byte that is set and one or three NULs."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) and head.count(0) >= 0.1 * len(head):
        return True
    for width in (4, 2):
        characters = [head[at : at + width] for at in range(0, len(head) - width + 1, width)]
        if len(characters) < 4:
            continue
        empty = sorted(sum(one[place] == 0 for one in characters) / len(characters) for place in range(width))
        if empty[0] <= 0.1 and empty[1] >= 0.8:
            return True
    return False


def _read(line: bytes, latest_ms: int, first_ms: int) -> Row:
    if b"\r" in line:
        raise Rejected("the line contains a carriage return")
    if line.count(b";") != 11:
        raise Rejected("12 fields are expected")
    try:
        fields = line.decode("utf-8").split(";")
    except UnicodeDecodeError:
        raise Rejected("bad UTF-8") from None
    return _judge_fields(fields, latest_ms, first_ms)


_RESAVED = "the line looks re-saved by a spreadsheet: quotes doubled, numbers rounded; take the original file"


def _judge_fields(fields: list[str], latest_ms: int, first_ms: int) -> Row:
    transaction_id, kind, _, _, timestamp, sender, _, _, params, diff, _, rollback = fields
    if rollback not in ("", "-1"):
        raise Rejected("the last field is neither empty nor -1")
    if not transaction_id:
        raise Rejected("the transaction id is missing")
    if "\0" in transaction_id or "\0" in sender:
        raise Rejected("the transaction id or sender holds a NUL")
    if len(transaction_id.encode()) > _LONGEST_ID or len(sender.encode()) > _LONGEST_ID:
        raise Rejected("the transaction id or sender is longer than 200 bytes")
    if rollback == "-1":
        return Row("rollback", transaction_id)
    if params.startswith('"[') or diff.startswith('"['):
        raise Rejected(_RESAVED)
    occurred_ms = _moment(timestamp, latest_ms, first_ms)
    pairs, changes = _array(params, "params"), _array(diff, "diff")
    operation = "createContract" if kind == "103" else _text(pairs, "operation")
    keys = [key for change in changes if (key := _key(change)) is not None]
    failed = any("FAIL" in key for key in keys)
    what, quantity, voter = _judge(operation, pairs, failed, f"VOTE_{sender}" in keys)
    return Row(what, transaction_id, occurred_ms, operation, quantity, (sender or None) if voter else None)


_WITH_GAPS = re.compile("[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?|[0-9]+,[0-9]+")


def _moment(timestamp: str, latest_ms: int, first_ms: int) -> int:
    occurred_ms = _whole_number(timestamp)
    if occurred_ms is None and ("E+" in timestamp.upper() or _WITH_GAPS.fullmatch(timestamp)):
        raise Rejected(_RESAVED)
    if occurred_ms is None:
        raise Rejected("the timestamp is no number of milliseconds")
    if occurred_ms < _IN_2000:
        raise Rejected("the timestamp is before 2000")
    if occurred_ms > latest_ms:
        raise Rejected("the timestamp is more than a day ahead of the clock")
    if occurred_ms < first_ms:
        raise Rejected("the transaction is before the first hour")
    return occurred_ms


def _judge(operation: str | None, pairs: list[Any], failed: bool, has_vote: bool) -> tuple[str, int | None, bool]:
    """Kind, quantity, and whether a voter's key goes with it."""
    if operation == "vote":
        return (
            ("vote_rejected", None, False)
            if failed
            else ("vote_cast", None, True)
            if has_vote
            else ("vote_unknown", None, False)
        )
    if operation == "blindSigIssue":
        if failed:
            return "bulletin_failed", None, False
        data = _text(pairs, "data")
        count = _length(_text(pairs, "userIds") if data is None else data)
        return "bulletin_issued", 1 if count is None else count, False
    if operation in _REGISTER:
        said = _text(pairs, "votersCount")
        count = None if said is None else _whole_number(said)
        if said is not None and (count is None or not 0 <= count <= _MOST_VOTERS):
            raise Rejected("the number of voters is not between 0 and 1000000000")
        if count is None:
            count = _length(_text(pairs, "userIdHashes"))
        sign = -1 if operation == "removeFromVotersList" else 1
        return "register_change", None if failed or count is None else sign * count, False
    return "control" if operation in _CONTROL else "other", None, False


def _array(text: str, name: str) -> list[Any]:
    try:
        value = json.loads(text, object_pairs_hook=_first_wins)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise Rejected(f"{name} is no JSON array")
    return value


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _key(pair: Any) -> str | None:
    return pair.get("key") if isinstance(pair, dict) else None


def _text(pairs: list[Any], wanted: str) -> str | None:
    """The text or number of the first pair with this key."""
    for pair in pairs:
        if _key(pair) == wanted:
            value = pair.get("stringValue")
            value = pair.get("intValue") if value is None else value
            return None if value is None else str(value)
    return None


def _length(text: str | None) -> int | None:
    try:
        value = json.loads(text or "", object_pairs_hook=_first_wins)
    except (ValueError, RecursionError):
        return None
    return len(value) if isinstance(value, list) else None


def _whole_number(text: str) -> int | None:
    """A whole number of 64 bits in plain digits."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and -(2**63) <= number < 2**63 else None


@dataclass(frozen=True)
class Counted:
    """What the counter makes of files.

    Attributes:
        hours: counts by (contract, hour since 1970), under the names of hourly_stats, and `register`: registered voters
            at the end of the hour, None where not known.
        registers: registered voters by contract.
        conflicts: ids that say several things.
    """

    hours: dict[tuple[str, int], dict[str, int | None]]
    registers: dict[str, int | None]
    conflicts: set[str]


_COLUMN = {
    "bulletin_failed": "bulletins_failed", "vote_cast": "votes_cast", "vote_rejected": "votes_rejected",
    "vote_unknown": "votes_unknown", "revote": "revotes",
}  # fmt: skip
_COUNTS = ("transaction_count", "bulletins_issued", *_COLUMN.values(), "withdrawn")
_HOUR_MS = 3_600_000


def count(files: Iterable[tuple[str, bytes]], latest_ms: int, first_ms: int) -> Counted:
    """Counts whole files, in no order: (contract, content).

    Of the rows of one id the first stands: by time, contract, kind, call, quantity, sender. Whatever was withdrawn by
    anybody is withdrawn. Of the votes of a sender in a contract that stand, the first counts.
    """
    files = list(files)
    said, withdrawn = _said(files, latest_ms, first_ms)
    stands = {name: min(rows, key=lambda row: row[:6]) for name, rows in said.items()}
    revotes = _revotes({name: row for name, row in stands.items() if name not in withdrawn})
    hours: dict[tuple[str, int], dict[str, int | None]] = {}
    changes: dict[str, list[tuple[int, int]]] = {contract: [] for contract, _ in files}
    for name, (occurred_ms, contract, *_, row) in stands.items():
        counts = hours.setdefault((contract, occurred_ms // _HOUR_MS), dict.fromkeys(_COUNTS, 0))
        kind = "withdrawn" if name in withdrawn else "revote" if name in revotes else row.kind
        for column, quantity in _adds(kind, row.quantity):
            counts[column] = (counts[column] or 0) + quantity
        if kind == "register_change" and row.quantity is not None:
            changes[contract].append((occurred_ms, row.quantity))
    for (contract, hour), counts in hours.items():
        counts["register"] = _register(changes[contract], (hour + 1) * _HOUR_MS)
    registers = {contract: _register(quantities, 2**63) for contract, quantities in changes.items()}
    return Counted(hours, registers, {name for name, rows in said.items() if len({row[:6] for row in rows}) > 1})


def _said(
    files: Iterable[tuple[str, bytes]], latest_ms: int, first_ms: int
) -> tuple[dict[str, set[tuple[Any, ...]]], set[str]]:
    """Every row of each id, in the form in which rows of an id are ordered; and the ids that are withdrawn."""
    said: dict[str, set[tuple[Any, ...]]] = {}
    withdrawn = set()
    for contract, content in files:
        for row in read_file(content, latest_ms, first_ms):
            if row.kind == "rollback":
                withdrawn.add(str(row.transaction_id))
            elif row.kind != "rejected":
                order = (
                    row.occurred_ms,
                    contract,
                    row.kind,
                    _last(row.operation),
                    _last(row.quantity),
                    _last(row.voter),
                )
                said.setdefault(str(row.transaction_id), set()).add((*order, row))
    return said, withdrawn


def _adds(kind: str, quantity: int | None) -> Iterator[tuple[str, int]]:
    """The columns that a transaction adds to, and how much."""
    if kind == "withdrawn":
        yield "withdrawn", 1
        return
    yield "transaction_count", 1
    if kind == "bulletin_issued":
        yield "bulletins_issued", quantity or 0
    elif kind in _COLUMN:
        yield _COLUMN[kind], 1


def _last(value: Any) -> tuple[bool, Any]:
    """What is not said comes after whatever is."""
    return value is None, value or (0 if isinstance(value, int) else "")


def _revotes(stands: dict[str, tuple[Any, ...]]) -> set[str]:
    votes: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name, (occurred_ms, contract, kind, *_, row) in stands.items():
        if kind == "vote_cast":
            votes.setdefault((contract, row.voter or name), []).append((occurred_ms, name))
    return {name for cast in votes.values() for _, name in sorted(cast)[1:]}


def _register(changes: list[tuple[int, int]], before_ms: int) -> int | None:
    """The sum of what changed before; None where nothing did, or where it is below zero."""
    quantities = [quantity for occurred_ms, quantity in changes if occurred_ms < before_ms]
    return sum(quantities) if quantities and sum(quantities) >= 0 else None
