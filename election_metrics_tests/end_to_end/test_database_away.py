"""A PostgreSQL of one's own goes away while files arrive: that costs its absence, and nothing else."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.server import plain_url, revive, warehouse_url
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import FULL, Up, wait_for
from election_metrics_tests.exports import Folder, issue, ms

AWAY_SECONDS = 60 if FULL else 20
pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.mark.long
@pytest.mark.rare
def test_a_database_that_is_away_for_a_while_costs_that_while(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    elsewhere = read_settings(home=tmp_path / "elsewhere")
    url = plain_url(warehouse_url(elsewhere))
    settings = read_settings(home=tmp_path / "home", source=tmp_path / "exports", database_url=url)
    exports = Folder(settings.source_path)
    up = Up(settings, free_port(3450), ELECTION_METRICS_DATABASE_URL=url)

    def issued() -> int:
        try:
            found = rows(settings, "SELECT coalesce(sum(bulletins_issued), 0)::int AS n FROM metrics.hourly_stats")
        except Exception:  # every way of not being there
            close_engines()
            return -1
        return int(found["n"][0])

    exports.put(issue("first", ms(0)), name="first")
    up.start()
    try:
        wait_for(f"the first bulletin; see {up.output}", lambda: issued() == 1)
        exports.put(issue("second", ms(1)), name="second")
        time.sleep(3)  # a run is under way
        os.kill(int((elsewhere.home / "postgres" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
        exports.put(issue("third", ms(2)), name="third")
        time.sleep(AWAY_SECONDS)
        assert up.process.poll() is None
        revive(elsewhere)
        wait_for(f"what came meanwhile; see {up.output}", lambda: issued() == 3, 60)
        exports.put(issue("fourth", ms(3)), name="fourth")
        wait_for(f"what came afterwards; see {up.output}", lambda: issued() == 4, 60)
        assert up.stop() < 60
    finally:
        if up.process.poll() is None:
            up.stop()
        close_engines()
    said = up.output.read_text("utf-8")
    assert said.count("🔴 PostgreSQL does not answer") == 1
    assert len(re.findall("🟢 Over after .*: PostgreSQL does not answer", said)) == 1
    assert "Traceback" not in said
