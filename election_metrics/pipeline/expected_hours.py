"""What new files probably touch: hours and elections, by their names and a few of their timestamps."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath
from zoneinfo import ZoneInfo

from election_metrics.clock import HOUR_MS, hour_number
from election_metrics.settings import Settings
from election_metrics.sources.export_path import parse_export_path
from election_metrics.sources.file_versions import FileVersion
from election_metrics.sources.names import region_time_zone
from election_metrics.sources.portal_exports import peek_span

_MOST_OPENED = 200
_SECONDS_OPENING = 5.0


def expected_hours(settings: Settings, files: Sequence[FileVersion], now: datetime) -> list[int]:
    """The hours that these files probably touch: by first and last timestamps of a few files, by names of many.

    An estimate that takes seconds for any number of files; hours that it misses are computed after landing.
    """
    earliest = hour_number(settings.first_hour)
    latest = hour_number(now) + 24
    until = time.monotonic() + _SECONDS_OPENING
    hours: set[int] = set()
    named: dict[str, FileVersion] = {}
    for number, file in enumerate(files):
        span = peek_span(file) if number < _MOST_OPENED and time.monotonic() < until else None
        if span is not None:
            first, last = max(span[0] // HOUR_MS, earliest), min(span[1] // HOUR_MS, latest)
            hours.update(range(first, last + 1))
        else:
            named.setdefault(interval_of(file), file)
    for file in named.values():
        hours.update(hour for hour in _hours_by_name(settings, file) if earliest <= hour <= latest)
    return sorted(hours)


def _hours_by_name(settings: Settings, file: FileVersion) -> range:
    """The hours of a file's name, in the local time of its region if that is known."""
    place = parse_export_path(PurePath(file.path))
    if place is None or place.interval_start is None or place.interval_end is None:
        return range(0)
    zone = ZoneInfo(region_time_zone(place.region or "") or settings.time_zone)
    start, end = (hour_number(moment.replace(tzinfo=zone)) for moment in (place.interval_start, place.interval_end))
    return range(start, max(end, start + 1))


def elections_of(files: Sequence[FileVersion]) -> list[str]:
    """The elections named by the folders of the first thousand files."""
    places = [parse_export_path(PurePath(file.path)) for file in files[:1_000]]
    return sorted({place.election for place in places if place is not None and place.election})


def interval_of(file: FileVersion) -> str:
    """The interval in a file's name, as text; what follows the contract, where it names none."""
    return file.path.rpartition("/")[2].partition(".")[0].partition("_")[2]
