"""What is wrong is said once, everywhere it should be, with its recovery and without a secret."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import DagsterEvent
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._utils.error import SerializableErrorInfo
from pydantic import SecretStr

from election_metrics.assets.checks import checks
from election_metrics.automation.alert_texts import without_secrets
from election_metrics.automation.alerts import raise_alerts
from election_metrics.automation.delivery import deliver, without_own_secrets
from election_metrics.runtime.launch import run_update
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import HOUR, Folder, ms, vote

NOW = datetime(2026, 9, 19, 12, tzinfo=UTC)
SPECS = [spec for check in checks for spec in check.check_specs]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.quiet]


def test_secrets_never_leave() -> None:
    text = without_secrets("cannot reach postgresql://u:hunter22@db/x as hunter22", {"password": "hunter22"})
    assert text == "cannot reach postgresql://u:(password)@db/x as (password)"


def test_no_secret_of_any_setting_leaves_in_an_alert() -> None:
    names = [name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)]
    assert {"ui_token", "source_url", "cache_url"} < set(names)
    secrets = {name: f"x://me:planted-{name}@host/{name}" for name in names}
    chosen = Settings.model_construct(**{name: SecretStr(secret) for name, secret in secrets.items()})
    for name in names:
        said = without_own_secrets(chosen, f"cannot reach {secrets[name]} as planted-{name}")
        assert said == f"cannot reach ({name}) as (password of {name})"


@pytest.fixture
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A mail server: its port, and the mails so far."""
    mails: list[str] = []

    class Handler:
        async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
            mail = envelope.content.decode()  # type: ignore[attr-defined]
            if "The disk of" not in mail:
                mails.append(mail)
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
        assert texts[0].startswith(f"🔴 update_metrics_job (test) failed: {tmp_path}/gone does not exist"[:100])
        assert f"{tmp_path}/gone does not exist" in texts[0]
        assert rows(chosen, "SELECT count(*) AS n FROM ingest.problems WHERE alerted_at IS NOT NULL")["n"][0] == 1
        Folder(tmp_path / "in").put(vote("a", ms(1)))
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        raise_alerts(telling, instance, SPECS)
        raise_alerts(telling, instance, SPECS)
        over = [text for text in texts if text.startswith("🟢")]
        assert len(over) == 1
        assert over[0].startswith("🟢 Over after 1 min: update_metrics_job (test) failed")
        assert f"(on {socket.gethostname()})" in over[0]
        warnings = [text for text in texts if text.startswith("🟠")]
        assert any("registers_known" in text for text in warnings)
        assert len(set(texts)) == len(texts) == len(mails)


def test_a_failed_check_that_is_being_asked_again_is_not_over(
    chosen: Settings, tmp_path: Path, webhook: tuple[str, list[str]]
) -> None:
    """Planned with each run: until it has answered, its last answer stands."""
    address, texts = webhook
    telling = read_settings(alert_webhook=address)
    key = dg.AssetCheckKey(dg.AssetKey("constituencies"), "registers_known")
    with dg.instance_for_test() as instance:
        Folder(tmp_path / "in").put(vote("a", ms(1)))
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        raise_alerts(telling, instance, SPECS)
        (told,) = [text for text in texts if "registers_known" in text]
        assert "found: 1, such as constituency_id " in told
        planned = AssetCheckEvaluationPlanned(asset_key=key.asset_key, check_name=key.name)
        event = DagsterEvent("ASSET_CHECK_EVALUATION_PLANNED", "update_metrics_job", event_specific_data=planned)
        instance.report_dagster_event(event, run_id=instance.get_runs()[0].run_id)
        (newest,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).values()
        assert newest.status.value == "PLANNED"
        raise_alerts(telling, instance, SPECS)
    assert not [text for text in texts if text.startswith("🟢")]


def test_an_alert_that_does_not_arrive_is_sent_again_and_its_address_is_not_in_the_log(
    chosen: Settings, webhook: tuple[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    address, texts = webhook
    with dg.instance_for_test() as instance:
        for _ in range(3):
            a_tick(instance, "new_transactions_sensor", "RUNNING", "the deadline is exceeded")
        assert raise_alerts(read_settings(alert_webhook=f"{address}/down"), instance, SPECS) == []
        assert "could not be sent" in caplog.text
        assert address not in caplog.text
        raise_alerts(read_settings(alert_webhook=f"{address}/up"), instance, SPECS)
    assert len(texts) == 1


def test_a_webhook_that_goes_on_for_ever_is_given_up_in_time_and_is_not_asked_again_beside_it(
    chosen: Settings, services: tuple[str, dict[str, list[dict[str, object]]]], caplog: pytest.LogCaptureFixture
) -> None:
    telling = read_settings(alert_webhook=f"http://{services[0]}/slow")
    begin, threads = time.monotonic(), threading.active_count()
    for _ in range(3):
        assert not deliver(telling, "🔴 Something", seconds=0)
    assert time.monotonic() - begin < 60, "it would go on for hours"
    assert threading.active_count() <= threads + 2, "ours that hangs, and the server's"
    said = {record.getMessage() for record in caplog.records}
    assert said == {"the alert could not be sent (webhook: TimeoutError)"}


def test_a_later_failure_of_the_same_cause_moves_the_link_and_one_of_another_cause_is_told(
    chosen: Settings, tmp_path: Path, webhook: tuple[str, list[str]]
) -> None:
    address, texts = webhook
    telling = read_settings(alert_webhook=address, ui_url="http://ui")
    detail = "SELECT detail FROM ingest.problems WHERE problem_id LIKE '%gone%'"
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "gone")
        raise_alerts(telling, instance, SPECS)
        again = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "gone")
        raise_alerts(telling, instance, SPECS)
        assert len(texts) == 1
        assert f"http://ui/runs/{again.run_id}" in rows(chosen, detail)["detail"][0]
        other = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "elsewhere")
        raise_alerts(telling, instance, SPECS)
        assert len(texts) == 2
        assert f"http://ui/runs/{other.run_id}" in texts[1]


def test_ticks_that_fail_and_a_sensor_that_is_off_are_told(chosen: Settings, webhook: tuple[str, list[str]]) -> None:
    address, texts = webhook
    telling = read_settings(alert_webhook=address)
    with dg.instance_for_test() as instance:
        for ticks in range(1, 4):
            a_tick(instance, "new_transactions_sensor", "RUNNING", "the deadline is exceeded")
            raise_alerts(telling, instance, SPECS)
            assert len(texts) == (ticks == 3)
        assert "new_transactions_sensor failed 3 times in a row" in texts[0]
        assert "the deadline is exceeded" in texts[0]
        a_tick(instance, "new_transactions_sensor", "RUNNING", None)
        raise_alerts(telling, instance, SPECS)
        assert texts[1].startswith("🟢")
        a_tick(instance, "changed_hours_sensor", "STOPPED", None)
        raise_alerts(telling, instance, SPECS)
        assert "changed_hours_sensor is turned off" in texts[2]


def a_tick(instance: dg.DagsterInstance, name: str, status: str, error: str | None) -> None:
    """A tick of this sensor as the daemon records it, which failed so, or went well."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("election_metrics"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, name)
    kind = InstigatorType.SENSOR
    state = InstigatorState(origin, kind, InstigatorStatus[status])
    if not any(known.instigator_name == name for known in instance.all_instigator_state()):
        instance.add_instigator_state(state)
    why = SerializableErrorInfo(error, [], None) if error else None
    instance.create_tick(
        TickData(state.instigator_origin_id, name, kind, TickStatus.FAILURE if error else TickStatus.SKIPPED,
                 datetime.now(UTC).timestamp(), error=why, selector_id=state.selector_id)
    )  # fmt: skip


def test_an_emptied_source_is_told_and_what_landed_stays(
    chosen: Settings, tmp_path: Path, webhook: tuple[str, list[str]]
) -> None:
    address, texts = webhook
    source = tmp_path / "in"
    telling = read_settings(alert_webhook=address, source=source)
    counted = "SELECT coalesce(sum(votes_cast), 0)::int AS n FROM metrics.hourly_stats"
    with dg.instance_for_test() as instance:
        raise_alerts(telling, instance, SPECS)
        assert f"The source {source} does not exist" in texts[0]
        source.mkdir()
        raise_alerts(telling, instance, SPECS)
        assert "🟢" in texts[1], "a folder that waits for its first file is no problem"
        path = Folder(source).put(vote("a", ms(1)))
        update(chosen, source)
        path.unlink()
        del texts[:]
        update(chosen, source)
        raise_alerts(telling, instance, SPECS)
        (told,) = (text for text in texts if "The source" in text)
        assert f"The source {source} is empty, and files were there before" in told
        assert rows(chosen, counted)["n"][0] == 1
        assert (
            rows(chosen, "SELECT count(*)::int AS n FROM ingest.transaction_files WHERE status = 'landed'")["n"][0] == 1
        )
