"""What new files probably touch: hours and elections, by their names and a few of their timestamps."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from zoneinfo import ZoneInfo

from election_metrics.clock import HOUR_MS, hour_number
from election_metrics.settings import Settings
from election_metrics.sources.export_path import parse_export_path
from election_metrics.sources.file_versions import FileVersion
from election_metrics.sources.names import region_time_zone
from election_metrics.sources.portal_exports import sample_times

_MOST_OPENED = 200
_SECONDS_OPENING = 5.0
_LINES_OF_FILE = 100  # as many as a sample of a file has
_LONGEST_PAUSE = 48  # hours without a line within one run, such as nights


def expected_hours(settings: Settings, files: Sequence[FileVersion], now: datetime) -> range:
    """The hours of the run that lands these files: those that most of their lines are probably of.

    An estimate that takes seconds for any number of files: by some timestamps of a few files, by names of many. Other
    hours that the files touch are computed after landing.
    """
    until = time.monotonic() + _SECONDS_OPENING
    lines: Counter[int] = Counter()
    named: dict[str, list[FileVersion]] = {}
    for number, file in enumerate(files):
        times = sample_times(file) if number < _MOST_OPENED and time.monotonic() < until else []
        lines.update(moment // HOUR_MS for moment in times)
        if not times:
            named.setdefault(interval_of(file), []).append(file)
    for alike in named.values():
        for hour in _hours_by_name(settings, alike[0]):
            lines[hour] += _LINES_OF_FILE * len(alike)
    return hours_of_run(settings, lines, now)


def hours_of_run(settings: Settings, lines: Mapping[int, int], now: datetime) -> range:
    """The hours of one run: of hours that are near each other, those with the most lines.

    Args:
        settings: the settings, which say how many hours a run may have.
        lines: number of lines by hour (since 1970, UTC), as an estimate. Hours before the first one, and more than
            a day ahead, are left out.
        now: current time.
    """
    earliest, latest = hour_number(settings.first_hour), hour_number(now) + 24
    groups: list[list[int]] = []
    for hour in sorted(hour for hour, count in lines.items() if count and earliest <= hour <= latest):
        if groups and hour - groups[-1][-1] <= _LONGEST_PAUSE and hour - groups[-1][0] < settings.most_hours:
            groups[-1].append(hour)
        else:
            groups.append([hour])
    if not groups:
        return range(0)
    most = max(groups, key=lambda group: (sum(lines[hour] for hour in group), group[-1]))
    return range(most[0], most[-1] + 1)


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
