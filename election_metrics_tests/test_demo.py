"""The demo shows nothing that the clock has not seen yet."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from election_metrics.demo import deliver, deliver_live, demo_buckets, split_at
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.computing import rows
from election_metrics_tests.typed import typed

TODAY = date(2026, 9, 20)


def newest(folder: Path) -> datetime:
    """The newest transaction of the files below a folder."""
    lines = [line for file in folder.rglob("*.csv") for line in file.read_text("utf-8").splitlines()]
    return datetime.fromtimestamp(max(int(line.split(";")[4]) for line in lines) / 1000, UTC)


@pytest.mark.parametrize("hour", [-30, 0, 5.5, 11.98, 23])
def test_no_transaction_is_of_the_future_at_any_moment_of_the_day(tmp_path: Path, hour: float) -> None:
    tree, exports = tmp_path / "tree", tmp_path / "exports"
    *_, done = write_replay(demo_buckets(TODAY, 1_000, 6), tree, seed=2026)
    zones = {contract: voting.time_zone for contract, voting in done.votings.items()}
    began = now = datetime(2026, 9, 20, tzinfo=UTC) + timedelta(hours=hour)
    before, later = split_at(tree, zones, now - timedelta(hours=12))
    deliver(before, tree, exports)
    assert newest(exports) <= now - timedelta(hours=12)
    told: list[datetime] = []

    def pause(seconds: float) -> None:
        nonlocal now
        assert seconds > 0
        now += timedelta(seconds=seconds)

    def tell(start: datetime, _number: int, _of: int) -> None:
        told.append(start)
        assert newest(exports) <= now, "a vote of the future"

    deliver_live(later, tree, exports, 8.0, pause, tell, lambda: now)
    assert told == sorted(told)
    assert len([start for start in told if start < began - timedelta(hours=1)]) <= 12
    assert now >= max(told) + timedelta(hours=1)


def test_once_shows_every_hour_that_is_over_and_none_that_is_not(chosen: Settings) -> None:
    done = typed("demo", "--once", "--transactions", "2000")
    assert done.returncode == 0, done.stderr
    figures = rows(chosen, "SELECT max(last_transaction_at) <= now() AS past, sum(hours_expected - hours_delivered) AS "
                           "missing FROM metrics.election_summaries")  # fmt: skip
    assert figures["past"][0]
    assert figures["missing"][0] == 0, "what is over is here"
