"""Reads and validates a turnout series."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from election_metrics.errors import DataError, SettingsError, SourceError
from election_metrics.replay.votings import Bucket, Voting


def read_series(path: Path, scale: float = 1.0, region: str = "77 - город Москва") -> Iterator[Bucket]:
    """Reads a turnout series, row by row (twice: the smallest gap between two rows is the width of a bucket).

    Columns: bucket_start, bulletins_issued, votes_cast, and (optional) constituency, name, election,
    registered_voters, region, time_zone. Rows of a constituency must be contiguous, in order of time.
    The whole series is validated before the first bucket is returned, so that nothing is half-written.

    Args:
        path: the CSV file.
        scale: factor for all counts; rounding never loses more than one of a running total.
        region: region of rows that name none, as the portal writes it.

    Raises:
        SettingsError: the scale is invalid.
        SourceError: the file cannot be read.
        DataError: a column is missing or a value is wrong; the line is named.
    """
    if not 0 <= scale <= _MOST:
        raise SettingsError(f"the scale is {scale}; it must be a number from 0 to {_MOST}")
    seconds = _bucket_width(path, scale, region)
    running: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for _, row in _read_rows(path, scale, region):
        totals = running[row.identity]
        before = [int(total * scale + 1e-9) for total in totals]
        totals[0] += row.bulletins
        totals[1] += row.votes
        after = [int(total * scale + 1e-9) for total in totals]
        yield Bucket(row.voting, row.start, seconds, after[0] - before[0], after[1] - before[1])


_NEEDED = ("bucket_start", "bulletins_issued", "votes_cast")
_MOST = 100_000_000
"""Upper limit of a count: no bucket and no register is larger."""


@dataclass(frozen=True)
class _Row:
    """A validated row of a series."""

    voting: Voting
    start: datetime
    bulletins: int
    votes: int

    @property
    def identity(self) -> tuple[str, str]:
        """The contract id is derived from these."""
        return self.voting.election, self.voting.key


def _read_rows(path: Path, scale: float, region: str) -> Iterator[tuple[int, _Row]]:
    """The rows with their line numbers, each valid by itself."""
    for number, fields in _lines(path):
        try:
            start, bulletins, votes = _start(fields), *(_count(fields, name, scale) for name in _NEEDED[1:])
            voting = _voting(fields, scale, region)
            start = start.replace(tzinfo=ZoneInfo(voting.time_zone)) if start.tzinfo is None else start
            yield number, _Row(voting, start, bulletins, votes)
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}") from None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The fields of each line by column, with the line's number; refuses a header without the needed columns."""
    number = 1
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
            reader = csv.reader(text)
            header = next(reader, [])
            missing = set(_NEEDED) - set(header)
            if missing:
                raise DataError(f"{path}: line 1: missing columns: {', '.join(sorted(missing))}")
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise DataError(f"{path}: line 1: columns that stand twice: {', '.join(twice)}")
            for fields in reader:
                number = reader.line_num
                if fields:
                    yield number, _by_column(header, fields)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except csv.Error as error:
        raise DataError(f"{path}: line {number + 1}: {error}") from None
    except _LineError as error:
        raise DataError(f"{path}: line {number}: {error}") from None


class _LineError(ValueError):
    """What is wrong with a line."""


def _by_column(header: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    if len(fields) < len(header):
        raise _LineError(f"{header[len(fields)]} is missing")
    if any(fields[len(header) :]):
        raise _LineError(f"there are {len(fields)} fields, and the header has {len(header)}")
    text = "".join(fields)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _LineError("it is no text in UTF-8")
    if "\0" in text:
        raise _LineError("it holds a NUL")
    return dict(zip(header, fields, strict=False))


def _start(fields: Mapping[str, str]) -> datetime:
    text = fields["bucket_start"]
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"bucket_start is {text!r}, and must be a time such as 2026-09-18T08:00:00+03:00") from None
    if not 2000 <= start.year <= _LAST_YEAR:
        raise ValueError(f"bucket_start is {text!r}, and must be from 2000 to {_LAST_YEAR}")
    return start


_LAST_YEAR = 9998


def _count(fields: Mapping[str, str], name: str, scale: float = 1) -> int:
    text = fields[name]
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, and must be a whole number") from None
    if number < 0:
        raise ValueError(f"{name} is {number}, and cannot be negative")
    if number > _MOST or number * scale > _MOST:
        raise ValueError(f"{name} is {number}, which is more than {_MOST} (times the scale)")
    return number


def _voting(fields: Mapping[str, str], scale: float, region: str) -> Voting:
    registered = None
    if fields.get("registered_voters"):
        registered = round(_count(fields, "registered_voters") * scale)
    zone = fields.get("time_zone") or "Europe/Moscow"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"time_zone is {zone!r}, and must be an IANA time zone such as Europe/Moscow") from None
    return Voting(
        key=fields.get("constituency") or "all",
        name=fields.get("name") or fields.get("constituency") or "Вся страна",
        election=fields.get("election") or "Replay",
        registered_voters=registered,
        region=fields.get("region") or region,
        time_zone=zone,
    )


def _bucket_width(path: Path, scale: float, region: str) -> int:
    """Seconds between the closest two rows of a constituency: empty buckets may be omitted, so larger gaps are ignored.

    Raises:
        DataError: rows of a constituency contradict one another; the line is named.
    """
    narrowest, before, ended = 3600, None, set[tuple[str, str]]()
    for number, row in _read_rows(path, scale, region):
        if before is not None and before.identity == row.identity:
            problem = _contradiction(before, row)
            narrowest = min(narrowest, int((row.start - before.start).total_seconds()))
        else:
            ended |= set() if before is None else {before.identity}
            is_apart = row.identity in ended
            problem = f"rows of {row.voting.key!r} stand apart, and must stand together" if is_apart else None
        if problem is not None:
            raise DataError(f"{path}: line {number}: {problem}")
        before = row
    return narrowest


def _contradiction(before: _Row, row: _Row) -> str | None:
    """What is wrong with a row, given the previous row of its constituency; None if nothing is."""
    step = row.start - before.start
    if step < timedelta(seconds=1):
        return (
            f"bucket_start {row.start.isoformat()} is not after {before.start.isoformat()} of the row before, "
            "by a second or more; rows of a constituency must stand in order of time, each bucket once"
        )
    if row.voting != before.voting:
        return f"{row.voting.key!r} has another name, register, region or time zone than in the row before"
    return None
