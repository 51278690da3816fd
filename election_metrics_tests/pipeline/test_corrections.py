"""What changed after it was shown is in the log: by how much, when, why; and it can be asked for as it was."""

from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.pipeline.withdrawal import withdraw
from election_metrics.settings import Settings
from election_metrics.warehouse.as_of import KEPT, known_at
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import read_frame
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, ms, rollback, vote

LOG = (
    "SELECT bulletins_before, bulletins_after, votes_before, votes_after, causes FROM metrics.corrections_log "
    "ORDER BY corrected_at, constituency_id, hour"
)


def log(chosen: Settings) -> list[list[object]]:
    frame = rows(chosen, LOG).astype(object)
    return frame.where(frame.notna(), None).values.tolist()


def tables(chosen: Settings, moment: pd.Timestamp | None = None) -> dict[str, list[tuple[object, ...]]]:
    """Every public table, now or as of a moment."""
    found = {}
    with transaction(chosen) as connection:
        seen = connection if moment is None else known_at(connection, moment.to_pydatetime())
        for name in sorted(KEPT - {"election_current"}):  # which says how old the newest transaction is
            frame = read_frame(seen, sa.text(f"SELECT * FROM metrics.{name}"))
            found[name] = sorted(map(tuple, frame.astype(object).where(frame.notna(), None).values.tolist()), key=repr)
    return found


def now(chosen: Settings) -> pd.Timestamp:
    return pd.Timestamp(rows(chosen, "SELECT clock_timestamp() AS now")["now"].iloc[0])


def test_each_correction_is_told_with_its_cause_and_every_state_can_be_asked_for(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(issue("i", ms(1)), vote("a", ms(2)), name="1")
    update(chosen, folder.root)
    seen = [(now(chosen), tables(chosen))]
    assert log(chosen) == [], "the first figures of an hour correct nothing"

    late = folder.put(vote("b", ms(3)), name="2")
    update(chosen, folder.root)
    seen.append((now(chosen), tables(chosen)))
    folder.put(rollback("b"), name="3")
    update(chosen, folder.root)
    seen.append((now(chosen), tables(chosen)))
    folder.put(issue("o", ms(4)), vote("c", ms(5)), name="1", contract=OTHER)
    folder.put(issue("p", ms(4, hour=1)), name="4")
    update(chosen, folder.root)
    seen.append((now(chosen), tables(chosen)))
    folder.put(issue("i", ms(1)), name="1")
    update(chosen, folder.root)
    seen.append((now(chosen), tables(chosen)))
    withdraw(chosen, str(folder.root / late.name), "anna", "a test")
    update(chosen, folder.root)

    found = log(chosen)
    assert [row[:4] for row in found] == [[1, 1, 1, 2], [1, 1, 2, 1], [None, 1, None, 1], [1, 1, 1, 0]]
    assert [set(row[4]) for row in found[:2]] == [{"late file"}, {"correction"}]
    assert "late file" in found[2][4]
    assert "changed file" in found[3][4]
    for moment, then in seen:
        assert tables(chosen, moment) == then
    assert tables(chosen, now(chosen)) == tables(chosen)


def test_an_hour_that_is_computed_again_and_stays_is_no_commit_of_its_own(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(issue("i", ms(1)), vote("a", ms(2)))
    update(chosen, folder.root)
    before = rows(chosen, "SELECT constituency_id, run_id, computed_at, commit_number FROM metrics.hourly_stats")
    folder.put(issue("i", ms(1)), vote("a", ms(2)), name="again")
    update(chosen, folder.root)
    after = rows(chosen, "SELECT constituency_id, run_id, computed_at, commit_number FROM metrics.hourly_stats")
    pd.testing.assert_frame_equal(before, after)
    assert rows(chosen, "SELECT count(*) AS n FROM history.hourly_stats_replaced")["n"].iloc[0] == 0
    assert rows(chosen, "SELECT count(*) AS n FROM history.constituency_metrics_replaced")["n"].iloc[0] == 0


def test_files_that_come_one_after_another_in_time_correct_nothing(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(issue("i", ms(1)), vote("a", ms(2)))
    folder.put(issue("o", ms(4)), vote("c", ms(5)), contract=OTHER)
    update(chosen, folder.root)
    columns = {
        table: ", ".join(rows(chosen, f"SELECT * FROM metrics.{table} LIMIT 0").columns.drop(["hour", "commit_number"]))
        for table in ("hourly_stats", "election_hours")
    }
    logged = {}
    for ago in (1, 3):
        hour = f"date_trunc('hour', now()) - interval '{ago} hours'"
        for place in (CONTRACT, OTHER):
            with transaction(chosen) as connection:
                connection.execute(
                    sa.text(
                        f"INSERT INTO metrics.hourly_stats (hour, {columns['hourly_stats']}) "
                        f"SELECT {hour}, {columns['hourly_stats']} FROM metrics.hourly_stats "
                        "WHERE constituency_id = :place AND hour < '2026-10-01'"
                    ),
                    {"place": place},
                )
                connection.execute(sa.text(f"DELETE FROM metrics.election_hours WHERE hour = {hour}"))
                connection.execute(
                    sa.text(
                        f"INSERT INTO metrics.election_hours (hour, {columns['election_hours']}) "
                        f"SELECT {hour}, {columns['election_hours']} FROM metrics.election_hours WHERE hour < '2026-10-01'"
                    )
                )
        logged[ago] = len(rows(chosen, f"SELECT 1 FROM metrics.corrections_log WHERE hour = {hour}"))
    assert logged == {1: 0, 3: 1}
