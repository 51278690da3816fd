"""What a path says."""

from datetime import datetime
from pathlib import PurePath

import pytest

from election_metrics.sources.export_path import parse_export_path
from election_metrics_tests.exports import CONTRACT

STEM = f"{CONTRACT}_2024-09-06_0800-0900"


def test_a_full_path_says_everything() -> None:
    place = parse_export_path(PurePath(f"/x/90 - Пермский край/Выборы/Округ №1_3/{CONTRACT}/{STEM}/{STEM}.csv"))
    assert place is not None
    assert (place.region_code, place.region) == ("90", "Пермский край")
    assert (place.election, place.constituency) == ("Выборы", "Округ №1_3")
    assert (place.interval_start, place.interval_end) == (datetime(2024, 9, 6, 8), datetime(2024, 9, 6, 9))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("path", "below", "election", "constituency"),
    [
        (f"/home/someone/exports/{STEM}.csv", 0, None, None),
        (f"/home/someone/exports/{CONTRACT}_dump.csv", 0, None, None),
        (f"/x/Election/District/{STEM}.csv", 2, "Election", "District"),
        (f"/x/Election/District/{CONTRACT}/{STEM}/{STEM}.csv", 4, "Election", "District"),
        (f"/x/90 - Region/Election/{STEM}.csv", 0, None, None),
        (f"/x/90 - Region/Election/{STEM}.csv", 2, "Election", None),
        (f"/x/90 - Region/Election/10 - Region/{STEM}.csv", 3, "Election", "10 - Region"),
        (f"/x/90 - Region/Election/10 - Region/{STEM}.csv", 1, None, None),
        (f"/x/90 - Region/{STEM}.zip/{STEM}.csv", 2, None, None),
        (f"/x/90 - Region/{STEM}.ZIP/{STEM}.csv", 2, None, None),
        (f"/x/90 - Region.zip/Election/District/{STEM}.csv", 3, "Election", "District"),
        (f"/x/90 - Region.zip/90 - Region/Election/District/{STEM}.csv", 4, "Election", "District"),
        (f"/x/90 - Region/90 - Region/Election/District/{STEM}.csv.gz", 4, "Election", "District"),
    ],
)
def test_folders_are_used_only_where_they_are_known_to_mean_something(path, below, election, constituency) -> None:
    place = parse_export_path(PurePath(path), folders_below=below)
    assert place is not None
    assert (place.election, place.constituency) == (election, constituency)


def test_an_interval_that_ends_at_midnight_ends_on_the_next_day() -> None:
    place = parse_export_path(PurePath(f"{CONTRACT}_2026-09-18_2300-0000.csv"))
    assert place is not None
    assert place.interval_end == datetime(2026, 9, 19)  # noqa: DTZ001


@pytest.mark.parametrize("name", ["notes.csv", "0OIl_2026.csv", "short_2026.csv"])
def test_a_name_without_a_contract_id_is_no_export(name: str) -> None:
    assert parse_export_path(PurePath(name)) is None
