"""What is wrong is said once, everywhere it should be, with its recovery and without a secret."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from aiosmtpd.controller import Controller

from election_metrics.assets.checks import checks
from election_metrics.automation.alerts import raise_alerts
from election_metrics.automation.launch import run_update
from election_metrics.automation.problems import (
    FailedCheck,
    FailedRun,
    Overdue,
    Seen,
    find_problems,
    without_secrets,
)
from election_metrics.automation.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics_tests.computing import rows
from election_metrics_tests.exports import HOUR, Folder, ms, vote

NOW = datetime(2026, 9, 19, 12, tzinfo=UTC)
SPECS = [spec for check in checks for spec in check.check_specs]
pytestmark = pytest.mark.filterwarnings("ignore")


def problems(**seen: object) -> dict[str, str]:
    nothing = {"failed_runs": [], "failed_checks": [], "overdue": [], "oldest_behind": None, "free_share": 0.5}
    found = find_problems(Seen(**{**nothing, **seen}), NOW, "http://ui")  # type: ignore[arg-type]
    return {problem.key: f"{problem.severity}: {problem.title} | {problem.detail}" for problem in found}


def test_nothing_is_wrong_where_all_is_well() -> None:
    assert problems(oldest_behind=NOW - timedelta(minutes=2)) == {}


def test_each_kind_of_problem_says_where_and_why() -> None:
    found = problems(
        failed_runs=[FailedRun("abc", "update_metrics_job (ingest)", "exports/x.csv line 7: no number")],
        failed_checks=[FailedCheck("hourly_stats", "hours_equal_lake", True, "The hours hold as much as the lake.")],
        oldest_behind=NOW - timedelta(minutes=20),
        free_share=0.01,
        tables=[("ballots", NOW - timedelta(minutes=11)), ("others", NOW - timedelta(minutes=9))],
    )
    assert "line 7" in found["run update_metrics_job (ingest)"]
    assert "http://ui/runs/abc" in found["run update_metrics_job (ingest)"]
    assert found["check hourly_stats.hours_equal_lake"].startswith("error: ")
    assert "20 minutes" in found["hours behind"]
    assert "99 % full" in found["disk"]
    assert "election-metrics table check" in found["table ballots"]
    assert "table others" not in found


def test_overdue_input_is_a_problem_which_says_how_much_and_since_when() -> None:
    found = problems(overdue=[Overdue("Duma", 1, NOW - timedelta(hours=2)), Overdue("Perm", 36, NOW)])
    assert (
        "| 1 hour of its constituencies should be here by now, the first since 2026-09-19 10:00"
        in found["overdue Duma"]
    )
    assert "| 36 hours of its" in found["overdue Perm"]


def test_secrets_never_leave() -> None:
    text = without_secrets("cannot reach postgresql://u:hunter22@db/x as hunter22", {"password": "hunter22"})
    assert text == "cannot reach postgresql://u:(password)@db/x as (password)"


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[str]]]:
    """A server that takes what is posted; its address, and the texts so far. The path /down answers 500."""
    texts: list[str] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/down":
                texts.append(body["text"])
            self.send_response(500 if self.path == "/down" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", texts
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A mail server: its port, and the mails so far."""
    mails: list[str] = []

    class Handler:
        async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
            mails.append(envelope.content.decode())  # type: ignore[attr-defined]
            return "250 OK"

    controller = Controller(Handler(), hostname="127.0.0.1", port=free_port(2525))
    controller.start()
    yield controller.port, mails
    controller.stop()


def test_a_problem_is_told_once_by_webhook_and_mail_and_so_is_its_end(
    chosen: Settings, tmp_path: Path, webhook: tuple[str, list[str]], mailbox: tuple[int, list[str]]
) -> None:
    address, texts = webhook
    port, mails = mailbox
    telling = read_settings(alert_webhook=f"{address}/token-8f3a", alert_email="duty@example.org",
                            smtp_url=f"smtp://127.0.0.1:{port}")  # fmt: skip
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "gone")
        for _ in range(3):
            raise_alerts(telling, instance, SPECS)
        assert len(texts) == len(mails) == 1
        assert texts[0].startswith("🔴 The newest run of update_metrics_job (test) failed")
        assert f"{tmp_path}/gone does not exist" in texts[0]
        assert rows(chosen, "SELECT count(*) AS n FROM ingest.problems WHERE alerted_at IS NOT NULL")["n"][0] == 1
        Folder(tmp_path / "in").put(vote("a", ms(1)))
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        raise_alerts(telling, instance, SPECS)
        raise_alerts(telling, instance, SPECS)
        over = [text for text in texts if text.startswith("🟢")]
        assert over == ["🟢 Over after 1 min: The newest run of update_metrics_job (test) failed"]
        warnings = [text for text in texts if text.startswith("🟠")]
        assert any("registers_known" in text for text in warnings)
        assert len(set(texts)) == len(texts) == len(mails)


def test_an_alert_that_does_not_arrive_is_sent_again_and_its_address_is_not_in_the_log(
    chosen: Settings, tmp_path: Path, webhook: tuple[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    address, texts = webhook
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "gone")
        assert raise_alerts(read_settings(alert_webhook=f"{address}/down"), instance, SPECS) == []
        assert "could not be sent" in caplog.text
        assert address not in caplog.text
        raise_alerts(read_settings(alert_webhook=f"{address}/up"), instance, SPECS)
    assert len(texts) == 1
