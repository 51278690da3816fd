"""A verifier's list of ballots that it found invalid: a JSON object of transaction ids and reasons.

```json
{"6rTqW…": "the proof is wrong", "9kLm2…": "the key signed two ballots"}
```
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from election_metrics.errors import DataError

_LONGEST_ID, _LONGEST_REASON = 200, 300
NO_REASON = "no reason given"


@dataclass(frozen=True)
class VerdictList:
    """What a list says.

    Attributes:
        reasons: the reason by transaction id.
        problems: entries that cannot be read, or that say another thing than an earlier entry of the id: one line each.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_verdict_list(path: Path) -> VerdictList:
    """Reads a list; an entry that cannot be read costs no other.

    Raises:
        DataError: the file cannot be read, or is no JSON object.
    """
    try:
        # Numbers stay as they are written: nobody calculates with them, and one may have thousands of digits.
        pairs = json.loads(
            path.read_text("utf-8-sig"), object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str
        )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: {error.msg}, so that it is no JSON (cut off?)") from None
    except RecursionError:
        raise DataError(f"{path} is nested too deeply to be a list of verdicts") from None
    if not isinstance(pairs, _Pairs):
        raise DataError(f'{path} is no JSON object of transaction ids and reasons, such as {{"6rTqW…": "wrong proof"}}')
    found = VerdictList()
    for number, (name, value) in enumerate(pairs, start=1):
        try:
            reason = _reason(value)
        except RecursionError:
            found.problems.append(f"entry {number}: the reason of {name[:40]!r} is nested too deeply")
            continue
        if not name.strip() or len(name.encode("utf-8", "replace")) > _LONGEST_ID or not name.isprintable():
            found.problems.append(f"entry {number}: {name[:40]!r} is no transaction id")
        elif found.reasons.setdefault(name.strip(), reason) != reason:
            first = found.reasons[name.strip()]
            found.problems.append(f"entry {number}: {name} is in the list twice; {first!r} stays, {reason!r} does not")
    return found


class _Pairs(list[tuple[str, Any]]):
    """An object as pairs, so that no entry of an id hides another one."""


def _reason(value: Any) -> str:
    """The reason as one line; what is no text is shown as JSON."""
    if isinstance(value, _Pairs):
        value = dict(value)
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    one_line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return one_line[:_LONGEST_REASON] or NO_REASON
