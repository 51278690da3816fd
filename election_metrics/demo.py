"""Demo data: a few dozen constituencies with the national curve of 2026 from their opening on; today is the third day.

The hourly figures in `data/national_2026_hourly.csv` are from MIT-licensed open data of a public map of the on-line
vote of 18-20 September 2026, which read them from the blockchain.
"""

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from election_metrics.replay.votings import Bucket, Voting
from election_metrics.sources.export_path import parse_export_path

MOSCOW = ZoneInfo("Europe/Moscow")
_MOSCOW_OPENING = datetime(2026, 9, 18, 8, tzinfo=MOSCOW)
_HOURS = 60
"""Of issuing bulletins; votes are taken for another 15 minutes."""
_REGIONS = {
    "91 - Камчатский край": ("Asia/Kamchatka", 0.15),
    "66 - Свердловская область": ("Asia/Yekaterinburg", 0.6),
    "39 - Калининградская область": ("Europe/Kaliningrad", 0.25),
}
_DUMA = "Выборы депутатов Государственной Думы девятого созыва"
_ASSEMBLY = "Выборы депутатов Законодательного Собрания Свердловской области"
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
    """Gives constituencies the shape of the national curve, from 08:00 to 20:00 of the third day in their local time.

    Args:
        today: the day (in Moscow) that becomes the third day of voting.
        transactions: approximate number of transactions in all.
        constituencies: their number; some of them vote in a regional election instead.
    """
    rng = np.random.default_rng(2026)
    curve = [counts for start, *counts in national_hours() if start >= _MOSCOW_OPENING][: _HOURS + 1]
    scale = transactions / sum(map(sum, curve))
    for number, (region, zone, weight) in enumerate(_weights(rng, constituencies), 1):
        opening = datetime.combine(today - timedelta(days=2), time(8), ZoneInfo(zone)).astimezone(MOSCOW)
        running = _Running([0.0, 0.0], [0, 0])
        hours = []
        for since, counts in enumerate(curve):
            is_issuing = since < _HOURS
            running.wanted[0] += counts[0] * scale * weight * is_issuing
            running.wanted[1] += counts[1] * scale * weight
            hours.append(_give(running))
        election = _ASSEMBLY if region.startswith("66") and number % 2 else _DUMA
        registered = int(running.given[0] * rng.uniform(1.05, 1.25)) + 5
        voting = Voting(f"demo{number}", f"Округ №{number}", election, registered, region, zone)
        for since, (bulletins, votes) in enumerate(hours):
            seconds = 3600 if since < _HOURS else 900
            yield Bucket(voting, opening + timedelta(hours=since), seconds, bulletins, votes)


def _weights(rng: np.random.Generator, constituencies: int) -> list[tuple[str, str, float]]:
    per_region = constituencies // len(_REGIONS)
    weights = []
    for region, (zone, share) in _REGIONS.items():
        sizes = rng.lognormal(0, 0.8, per_region)
        weights += [(region, zone, float(size / sizes.sum() * share)) for size in sizes]
    return weights


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
