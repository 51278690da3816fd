"""Demo data: the national curve of 2026, spread over a few dozen constituencies, with today as its third day.

The hourly figures in `data/national_2026_hourly.csv` are from MIT-licensed open data of a public map of the on-line
vote of 18-20 September 2026, which read them from the blockchain.
"""

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from election_metrics.replay.votings import Bucket, Voting
from election_metrics.sources.export_path import parse_export_path

MOSCOW = ZoneInfo("Europe/Moscow")
_LAST_DAY = date(2026, 9, 20)
_REGIONS = {
    "41 - Камчатский край": ("Asia/Kamchatka", 0.15),
    "66 - Свердловская область": ("Asia/Yekaterinburg", 0.6),
    "39 - Калининградская область": ("Europe/Kaliningrad", 0.25),
}
_DUMA = "Выборы депутатов Государственной Думы девятого созыва"
_ASSEMBLY = "Выборы депутатов Законодательного Собрания Свердловской области"
_ALL_TRANSACTIONS = 24_290_409
_HOUR = timedelta(hours=1)
_LOOK_EVERY = 30.0


@dataclass
class _Running:
    """Bulletins and votes that a constituency should have by now, and those generated so far."""

    wanted: list[float]
    given: list[int]


def national_hours() -> list[tuple[datetime, int, int]]:
    """(start, bulletins, votes) of the 70 hours of the vote."""
    text = resources.files("election_metrics").joinpath("data", "national_2026_hourly.csv").read_text("utf-8")
    return [
        (datetime.fromisoformat(row["bucket_start"]), int(row["bulletins_issued"]), int(row["votes_cast"]))
        for row in csv.DictReader(text.splitlines())
    ]


def demo_buckets(today: date, transactions: int = 100_000, constituencies: int = 36) -> Iterator[Bucket]:
    """Spreads the national curve over constituencies that vote from 08:00 to 20:00 in their local time.

    Args:
        today: the day (in Moscow) that becomes the third day of voting.
        transactions: approximate number of transactions in all.
        constituencies: their number; some of them vote in a regional election instead.
    """
    rng = np.random.default_rng(2026)
    weights = _weights(rng, constituencies)
    shift = timedelta(days=(today - _LAST_DAY).days)
    running = [_Running([0.0, 0.0], [0, 0]) for _ in weights]
    rows: list[list[tuple[datetime, int, int]]] = [[] for _ in weights]
    scale = transactions / _ALL_TRANSACTIONS
    for start, *counts in national_hours():
        for kind in (0, 1):
            open_now = [w if _is_open(start, zone, votes=kind == 1) else 0.0 for _, zone, w in weights]
            whole = sum(open_now)
            for row, weight in zip(running, open_now, strict=True):
                row.wanted[kind] += counts[kind] * scale * weight / whole if whole else 0.0
        for row, hours in zip(running, rows, strict=True):
            hours.append((start + shift, *_give(row)))
    for number, ((region, zone, _), hours) in enumerate(zip(weights, rows, strict=True), 1):
        election = _ASSEMBLY if region.startswith("66") and number % 2 else _DUMA
        registered = int(sum(hour[1] for hour in hours) * rng.uniform(1.05, 1.25)) + 5
        voting = Voting(f"demo{number}", f"Округ №{number}", election, registered, region, zone)
        first = next(i for i, hour in enumerate(hours) if _is_open(hour[0] - shift, zone, votes=True))
        for start, bulletins, votes in hours[first:]:
            if _is_open(start - shift, zone, votes=True):
                yield Bucket(
                    voting, start, 900 if start.astimezone(ZoneInfo(zone)).hour == 20 else 3600, bulletins, votes
                )


def _weights(rng: np.random.Generator, constituencies: int) -> list[tuple[str, str, float]]:
    per_region = constituencies // len(_REGIONS)
    weights = []
    for region, (zone, share) in _REGIONS.items():
        sizes = rng.lognormal(0, 0.8, per_region)
        weights += [(region, zone, float(size / sizes.sum() * share)) for size in sizes]
    return weights


def _is_open(start: datetime, zone: str, *, votes: bool) -> bool:
    """Bulletins are issued until 20:00 local on the third day, votes taken until 20:15."""
    local = start.astimezone(ZoneInfo(zone))
    opens = datetime(2026, 9, 18, 8, tzinfo=ZoneInfo(zone))
    closes = datetime(2026, 9, 20, 21 if votes else 20, tzinfo=ZoneInfo(zone))
    return opens <= local < closes


def _give(row: _Running) -> tuple[int, int]:
    """Integer bulletins and votes of the hour; never more votes in total than bulletins."""
    bulletins = int(row.wanted[0]) - row.given[0]
    row.given[0] += bulletins
    votes = min(int(row.wanted[1]), row.given[0]) - row.given[1]
    row.given[1] += votes
    return bulletins, votes


Hours = list[tuple[datetime, list[Path]]]
"""Files by the hour (start, UTC) of their intervals, in order."""


def split_at(tree: Path, zones: dict[str, str], moment: datetime) -> tuple[list[Path], Hours]:
    """The files whose hour is over at `moment`, and the others by hour."""
    before: list[Path] = []
    later: dict[datetime, list[Path]] = {}
    for file in sorted(tree.rglob("*.csv")):
        place = parse_export_path(file)
        if place is None or place.interval_start is None:
            continue
        start = place.interval_start.replace(tzinfo=ZoneInfo(zones[place.constituency_id])).astimezone(UTC)
        if start + _HOUR <= moment:
            before.append(file)
        else:
            later.setdefault(start, []).append(file)
    return before, sorted(later.items())


def deliver(files: list[Path], tree: Path, exports: Path) -> None:
    """Moves files from the replay's tree to the same path below `exports`, as if they had been downloaded there."""
    for file in files:
        target = exports / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def deliver_live(
    later: Hours,
    tree: Path,
    exports: Path,
    pace: float,
    pause: Callable[[float], None],
    tell: Callable[[datetime, int, int], None],
    clock: Callable[[], datetime],
) -> None:
    """Delivers files hour by hour, none before its hour is over by the clock.

    `pause` waits the given number of seconds between two hours, or raises to end the delivery.
    """
    for number, (hour, files) in enumerate(later, 1):
        while (ahead := (hour + _HOUR - clock()).total_seconds()) > 0:
            pause(min(ahead, _LOOK_EVERY))
        deliver(files, tree, exports)
        tell(hour, number, len(later))
        pause(pace)
    shutil.rmtree(tree, ignore_errors=True)
