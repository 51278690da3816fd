"""Lines with equal or similar transaction ids: copies with other contracts, times, kinds, quantities or senders."""

import random
from collections.abc import Iterator, Sequence

from election_metrics_tests.exports import issue, line, rollback, vote

_HOUR_MS = 3_600_000
_KINDS = ("vote", "rejected", "unknown", "issue", "failed issue", "register", "removal", "start", "odd")


def conflicting_lines(chance: random.Random, pool: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Generates lines; each is derived from a line of the pool, or from an earlier generated one.

    Args:
        chance: source of randomness.
        pool: readable lines of exports.
        count: number of lines.
    """
    known = list(pool)
    for _ in range(count):
        known.append(_from(chance, chance.choice(known)))
        yield known[-1]


def _from(chance: random.Random, given: bytes) -> bytes:
    fields = given.decode().rstrip("\n").split(";")
    name, sender = fields[0], fields[5] or f"sender{chance.randrange(3)}"
    if fields[-1] == "-1" or not fields[4].isdigit():  # a rollback: repeated, or turned into a transaction
        return f"{rollback(name) if chance.random() < 0.5 else vote(name, _AT, sender)}\n".encode()
    at = int(fields[4])
    what = chance.random()
    if what < 0.15:
        return given
    if what < 0.3:
        return f"{rollback(name)}\n".encode()
    if what < 0.45:
        name = f"x{chance.randrange(3)}{name[2:]}"  # another id with the same ending
    elif what < 0.65:
        at += chance.choice((-_HOUR_MS, -1, 1, 1000, _HOUR_MS, 3 * _HOUR_MS))
    elif what < 0.8:
        sender = f"sender{chance.randrange(3)}{sender[-12:]}"
    kind = chance.choice(_KINDS) if what >= 0.8 else _kind_of(fields)
    return f"{_line(kind, name, at, sender, chance.randrange(4))}\n".encode()


_AT = 1_789_711_200_000


def _kind_of(fields: Sequence[str]) -> str:
    if '"blindSigIssue"' in fields[8]:
        return "issue"
    return "vote" if '"vote"' in fields[8] else "register"


def _line(kind: str, name: str, at: int, sender: str, number: int) -> str:
    match kind:
        case "vote":
            return vote(name, at, sender)
        case "rejected":
            return line(name, at, "vote", sender, [{"key": f"FAIL_{name}_vote", "stringValue": "no"}])
        case "unknown":
            return line(name, at, "vote", sender)
        case "issue":
            return issue(name, at, str(["ballot"] * number).replace("'", '"'))
        case "failed issue":
            return line(name, at, "blindSigIssue", diff=[{"key": "FAIL_x"}])
        case "register":
            return line(name, at, "addVotersList", votersCount=number * 10)
        case "removal":
            return line(name, at, "removeFromVotersList", votersCount=number * 15)
        case "start":
            return line(name, at, "startVoting")
    return line(name, at, "odd")
