"""Very many small files: a tick asks for a run as soon as it has seen some, and a batch goes to a few hours."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from election_metrics.automation.sensors import new_transactions_sensor
from election_metrics.pipeline import export_files, file_landing
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.run_tags import FILES, WHY
from election_metrics.settings import Settings
from election_metrics.sources.file_versions import FileVersion
from election_metrics.sources.listing import list_exports
from election_metrics_tests.computing import rows
from election_metrics_tests.exports import CONTRACT, Folder, ms, vote

_LETTERS = "ABCDEF"
_HOURS = 4


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Six constituencies with four hours each, a folder each, as the portal lays them."""
    root = tmp_path / "exports"
    for letter in _LETTERS:
        for hour in range(_HOURS):
            contract = letter + CONTRACT[1:]
            folder = Folder(root / contract / str(hour))
            name = f"2026-09-18_{11 + hour:02}00-{12 + hour:02}00"
            folder.put(vote(f"{letter}{hour}", ms(5, hour)), name=name, contract=contract)
    return root


def test_a_listing_ends_where_enough_is_new_and_says_so(many: Path) -> None:
    whole = list_exports(many)
    assert (len(whole.files), whole.is_whole) == (24, True)
    told: list[FileVersion] = []
    some = list_exports(many, enough=lambda new: told.extend(new) or len(told) >= 5)
    assert (len(some.files), some.is_whole) == (5, False)
    assert sorted(told) == some.files
    rest = list_exports(many, set(whole.files[:-1]), enough=bool)
    assert whole.files[-1] in rest.files, "what is known is not counted"


def test_a_file_that_grows_hides_no_other(chosen: Settings, many: Path) -> None:
    """However slow the source: what cannot land yet is not what a tick was looking for."""
    growing = Folder(many / "A" / "grows").put(vote("z", ms(5)), name="2026-09-18_1100-1200")
    growing.write_bytes(growing.read_bytes().rstrip(b"\n"))
    settings = chosen.model_copy(update={"settle_seconds": 60.0})
    pending, _, listing = pending_files(settings, many, settled_only=True, enough=lambda pending: pending > 0)
    assert len(pending) == 1
    assert not listing.is_whole
    land(settings, many, "run", only=[file.path for file in list_exports(many).files if file.path != str(growing)])
    pending, _, listing = pending_files(settings, many, settled_only=True, enough=lambda pending: pending > 0)
    assert (pending, listing.is_whole) == ([], True)
    (found,), _, _ = pending_files(settings, growing, settled_only=False)
    assert found.path == str(growing)
    assert pending_files(settings, growing, settled_only=True)[0] == []


def test_a_tick_asks_for_a_run_before_it_has_seen_everything_and_the_run_lands_it(
    chosen: Settings, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_files, "_MOST_LISTED", 5)
    settings = chosen.model_copy(update={"source": str(many), "settle_seconds": 0.0})
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"settings": settings})
        (request,) = list(new_transactions_sensor(context))
        assert isinstance(request, dg.RunRequest)
        assert request.tags[WHY].startswith("5 new file(s) or more, ")
        assert FILES in request.tags
        told: list[int] = []
        assert land(settings, many, "run", found=told.append).files == 24
        assert told == [24]
        context = dg.build_sensor_context(instance=instance, resources={"settings": settings})
        (skipped,) = list(new_transactions_sensor(context))
        assert "has every file version" in str(skipped.skip_message)


def test_a_batch_goes_to_few_hours(chosen: Settings, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_landing, "_MOST_FILES_A_BATCH", len(_LETTERS))
    land(chosen, many, "run", datetime(2026, 11, 23, tzinfo=UTC))
    assert len(rows(chosen, "SELECT path FROM ingest.lake_parts")) == _HOURS
    assert pending_files(chosen, many, settled_only=False)[0] == []
