"""What people ask for through the API happens in the real system: a run, and figures that follow what they said."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from election_metrics.api.tokens import create_token
from election_metrics.pipeline.run_tags import TRIGGER
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import Up, wait_for
from election_metrics_tests.exports import CONTRACT, Folder, issue, line, ms, vote

pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.mark.long
def test_a_refresh_is_a_run_and_reference_data_reaches_the_figures_by_itself(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = read_settings(home=tmp_path / "home", source=tmp_path / "exports")
    port = free_port(8471)
    up = Up(settings, free_port(3471), ELECTION_METRICS_API_PORT=str(port), ELECTION_METRICS_METRICS_PORT="")
    Folder(settings.source_path).put(
        line("register", ms(0), "addVotersList", votersCount=10), issue("i", ms(1)), vote("v", ms(2))
    )
    address = f"http://127.0.0.1:{port}/api/v1"
    up.start()
    try:
        wait_for("the page", lambda: requests.get(f"http://127.0.0.1:{port}/", timeout=5).ok)
        token = {"Authorization": f"Bearer {create_token(settings, 'anna', ['operate'], 'test')}"}

        def summary() -> dict[str, object]:
            found = requests.get(f"{address}/elections", timeout=5).json()["data"]
            return dict(found[0]) if found else {}

        wait_for(f"the first figures; see {up.output}", lambda: summary().get("participation_rate") == 10.0)
        hours = {"from": "2026-09-18T08:00Z", "to": "2026-09-18T09:00Z"}
        answers = [requests.post(f"{address}/refresh", json=hours, headers=token, timeout=30) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
        first, second = (answer.json() for answer in answers)
        assert first["is_new"]
        assert first["run_url"] == f"http://127.0.0.1:{up.port}/runs/{first['run_id']}"
        assert (second["run_id"] == first["run_id"]) is not second["is_new"], "the same while it is under way"
        assert up.end_of(first["run_id"]) == "SUCCESS"
        tags = dict(up.dagster("SELECT key, value FROM run_tags WHERE run_id = %s", first["run_id"]))
        assert (tags[TRIGGER], tags["why/who"]) == ("refresh", "anna")
        assert tags["why/hours"] == "2026-09-18 08:00 to 2026-09-18 09:00 UTC"
        reference = f"{address}/reference/constituencies/{CONTRACT}"
        said = datetime.now(UTC)
        assert requests.put(reference, json={"registered_voters": 4}, headers=token, timeout=30).status_code == 204
        wait_for(f"the other rate; see {up.output}", lambda: summary().get("participation_rate") == 25.0, 90)
        print(f"what was said reached the summary after {(datetime.now(UTC) - said).total_seconds():.1f} s")
        done = rows(settings, "SELECT who, action FROM ingest.audit_log ORDER BY entry_id").values.tolist()
        assert done == [["test", "create-token"], ["anna", "refresh"], ["anna", "refresh"], ["anna", "insert"]]
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        assert 'election_metrics_cache_answers_total{from="cache"}' in metrics
        assert up.stop() < 60
    finally:
        if up.process.poll() is None:
            up.stop()
        close_engines()
    assert "Traceback" not in up.output.read_text("utf-8")
