"""The curves of earlier elections of the warehouse: another one is judged by them, and again when they change."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from election_metrics.replay.votings import Voting
from election_metrics.settings import Settings
from election_metrics.warehouse import elections
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.stale_elections import behind_summaries
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import Folder, vote, write_reference

OPENING = datetime(2026, 9, 11, 5, tzinfo=UTC)
"""08:00 in Moscow."""
LENGTH = timedelta(hours=60)
WEEK = timedelta(days=7)


def votes(hour: int, count: int, start: datetime = OPENING) -> list[str]:
    """So many votes in an hour since the opening."""
    begin = int((start + timedelta(hours=hour)).timestamp() * 1000)
    return [vote(f"v{start:%d}-{hour}-{n}", begin + n) for n in range(count)]


def test_a_vote_is_judged_by_the_curves_of_earlier_ones_as_long_as_it(chosen: Settings, tmp_path: Path) -> None:
    old, new = (Voting(name, name, name, 20_000, "77 - город Москва", "Europe/Moscow")
                for name in ("Old", "New"))  # fmt: skip
    times = [(old, OPENING, OPENING + LENGTH), (new, OPENING + WEEK, OPENING + WEEK + LENGTH)]
    settings = chosen.model_copy(update={"reference": write_reference(times, tmp_path / "reference.csv")})
    folder = Folder(tmp_path / "in")
    folder.put(*votes(0, 6000), *votes(25, 3998), *votes(59, 1), name="dump", contract=old.contract_id)
    folder.put(*votes(0, 10, OPENING + WEEK), *votes(59, 1, OPENING + WEEK), name="dump", contract=new.contract_id)
    update(settings, folder.root)
    earlier, later = rows(settings, "SELECT election_id FROM metrics.elections ORDER BY name DESC")["election_id"]
    with transaction(settings) as connection:
        assert elections.read_earlier_shapes(connection, later) == []  # 9,999 votes say nothing
    folder.put(*votes(3, 2), name="late_dump", contract=old.contract_id)
    update(settings, folder.root)
    with transaction(settings) as connection:
        (shape,) = elections.read_earlier_shapes(connection, later)
        assert elections.read_earlier_shapes(connection, earlier) == []
        assert behind_summaries(connection) == {}
    assert {int(hour): int(shape[hour]) for hour in np.flatnonzero(shape)} == {0: 6000, 3: 2, 25: 3998, 59: 1}
    folder.put(*votes(4, 5), name="later_dump", contract=old.contract_id)
    update(settings, folder.root)
    with transaction(settings) as connection:
        assert set(behind_summaries(connection)) <= {later}
    update(settings, folder.root)
    with transaction(settings) as connection:
        assert behind_summaries(connection) == {}
