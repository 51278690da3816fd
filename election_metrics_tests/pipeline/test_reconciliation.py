"""The final count finds what is wrong in a table, names it and mends it; a preview and a re-landing change nothing right."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hour_comparison import preview_hours
from election_metrics.pipeline.hours import changed_hours, compute_hours
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.reconciliation import closed_elections, reconcile_elections
from election_metrics.pipeline.relanding import files_to_reland, forget_lost_parts
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics_tests.computing import NOW, everything, update
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, rollback, vote

ONE = timedelta(hours=1)
pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


def voted(folder: Path) -> None:
    Folder(folder).put(
        line("s", ms(0), "startVoting"), issue("i", ms(1)), vote("a", ms(2)), vote("b", ms(1, hour=1), "key-a"),
        vote("gone", ms(3)), line("f", ms(0, hour=3), "finishVoting"),
    )  # fmt: skip
    Folder(folder).put(
        line("s2", ms(0, hour=1), "startVoting"), vote("c", ms(5, hour=1)), line("f2", ms(9, hour=1), "finishVoting"),
        contract=OTHER, name="other",
    )  # fmt: skip
    Folder(folder).put(rollback("gone"), name="rollback")


def spoil(chosen: Settings) -> None:
    """Somebody wrote into the tables by hand."""
    with transaction(chosen) as connection:
        connection.execute(sa.text("UPDATE metrics.hourly_stats SET votes_cast = votes_cast + 5 WHERE constituency_id = :c"),
                           {"c": OTHER})  # fmt: skip


def test_a_right_table_is_confirmed_and_counted_only_once(chosen: Settings, tmp_path: Path) -> None:
    voted(tmp_path)
    update(chosen, tmp_path)
    (election,) = closed_elections(chosen, NOW)
    done, different = reconcile_elections(chosen, "run", now=NOW)
    assert len(different) == 0
    figures = ["hours", "rows_compared", "rows_differing", "bulletins_issued", "votes_cast"]
    assert done[figures].iloc[0].tolist() == [3, 4, 0, 1, 2]
    assert done["election_id"].tolist() == [election]
    assert closed_elections(chosen, NOW + ONE) == []
    assert reconcile_elections(chosen, "run", now=NOW + ONE)[0].empty


def test_a_spoilt_row_is_found_named_and_mended(chosen: Settings, tmp_path: Path) -> None:
    voted(tmp_path)
    update(chosen, tmp_path)
    right = everything(chosen)
    spoil(chosen)
    done, different = reconcile_elections(chosen, "run", now=NOW)
    assert done["rows_differing"].tolist() == [1]
    assert different[["constituency_id", "hour"]].values.tolist() == [[OTHER, HOUR + ONE]]
    assert changed_hours(chosen, NOW) == [HOUR + ONE]
    update(chosen, tmp_path)
    assert everything(chosen) == right


def test_a_preview_says_what_would_change_and_writes_nothing(chosen: Settings, tmp_path: Path) -> None:
    voted(tmp_path)
    update(chosen, tmp_path)
    right = everything(chosen)
    assert preview_hours(chosen, HOUR, HOUR + 5 * ONE)["rows_changed"].sum() == 0
    spoil(chosen)
    spoilt = everything(chosen)
    preview = preview_hours(chosen, HOUR, HOUR + 5 * ONE)
    assert preview.loc[preview["rows_changed"] > 0, ["hour", "rows", "rows_after"]].values.tolist() == [
        [HOUR + ONE, 2, 2]
    ]
    result = CliRunner().invoke(
        main, ["backfill", "--from", "2026-09-18T08:00", "--to", "2026-09-18T12:00", "--dry-run"]
    )
    assert result.exit_code == 0, result.output
    assert "1 would change. Nothing was written" in " ".join(result.output.split())
    assert everything(chosen) == spoilt
    compute_hours(chosen, HOUR, HOUR + 5 * ONE, "run", NOW)
    update(chosen, tmp_path)
    assert everything(chosen) == right


@pytest.mark.parametrize("constituency", [None, CONTRACT])
def test_landing_again_changes_no_figure(chosen: Settings, tmp_path: Path, constituency: str | None) -> None:
    voted(tmp_path)
    update(chosen, tmp_path)
    right = everything(chosen)
    files, gone = files_to_reland(chosen, tmp_path, None, None, constituency)
    assert (len(files), gone) == (3 if constituency is None else 2, [])
    report = land(chosen, tmp_path, "again", NOW, again=files)
    assert report.files == len(files)
    assert report.rows == (9 if constituency is None else 6)
    update(chosen, tmp_path)
    assert everything(chosen) == right


def test_a_lost_lake_comes_back_from_the_source(chosen: Settings, tmp_path: Path) -> None:
    voted(tmp_path / "in")
    update(chosen, tmp_path / "in")
    right = everything(chosen)
    for part in chosen.lake_path.rglob("*.parquet"):
        part.unlink()
    result = CliRunner().invoke(main, ["reland", "--source", str(tmp_path / "in"), "--dry-run"])
    assert "3 file(s)" in result.output
    assert "would be read again" in result.output
    with dg.instance_for_test() as instance:
        done = run_update(
            chosen, instance, HOUR, HOUR + 5 * ONE, "backfill", source=tmp_path / "in", landing={"again": True}
        )
    assert done.success
    update(chosen, tmp_path / "in")
    assert everything(chosen) == right


def test_a_lost_lake_whose_return_is_interrupted_comes_back_by_itself(chosen: Settings, tmp_path: Path) -> None:
    voted(tmp_path)
    update(chosen, tmp_path)
    right = everything(chosen)
    for part in chosen.lake_path.rglob("*.parquet"):
        part.unlink()
    files, _ = files_to_reland(chosen, tmp_path, None, None, None)
    assert forget_lost_parts(chosen, None, None, files) > 0
    assert set(pending_files(chosen, tmp_path, settled_only=True)[0]) == set(files)
    update(chosen, tmp_path)
    assert everything(chosen) == right


def test_nothing_lost_is_nothing_to_forget(chosen: Settings, tmp_path: Path) -> None:
    voted(tmp_path)
    update(chosen, tmp_path)
    right = everything(chosen)
    assert forget_lost_parts(chosen, None, None, files_to_reland(chosen, tmp_path, None, None, None)[0]) == 0
    assert everything(chosen) == right
