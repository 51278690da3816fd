"""What is wrong is said once, everywhere it should be, with its recovery and without a secret."""

import contextlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import DagsterEvent
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._utils.error import SerializableErrorInfo
from pydantic import SecretStr

from election_metrics.assets.checks import checks
from election_metrics.automation import channels
from election_metrics.automation.alert_texts import message, without_secrets
from election_metrics.automation.alerts import raise_alerts
from election_metrics.automation.delivery import deliver, without_own_secrets
from election_metrics.automation.duty import NAMES
from election_metrics.automation.observations import (
    FailedCheck,
    FailedRun,
    FailingTicks,
    FullDisk,
    Overdue,
    Seen,
    Silent,
    Waiting,
)
from election_metrics.automation.problems import find_problems
from election_metrics.cli import main
from election_metrics.errors import SettingsError
from election_metrics.runtime.launch import run_update
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings, settings
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import HOUR, Folder, ms, vote

NOW = datetime(2026, 9, 19, 12, tzinfo=UTC)
SPECS = [spec for check in checks for spec in check.check_specs]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.quiet]


def problems(**seen: object) -> dict[str, str]:
    found = find_problems(Seen(**seen), NOW, "http://ui", "http://page")  # type: ignore[arg-type]
    return {problem.key: f"{problem.severity}: {problem.title} | {problem.detail}" for problem in found}


def test_nothing_is_wrong_where_all_is_well() -> None:
    assert problems(oldest_behind=NOW - timedelta(minutes=2)) == {}


def test_each_kind_of_problem_says_where_and_why() -> None:
    found = problems(
        failed_runs=[
            FailedRun("abc", "update_metrics_job (backfill)", "exports/x.csv line 7: no number", "anna: hourly_stats")
        ],
        failed_checks=[FailedCheck("hourly_stats", "hours_equal_lake", True, "The hours hold as much as the lake.")],
        oldest_behind=NOW - timedelta(minutes=20),
        disks=[FullDisk("the lake", "/lake", 0.01, "1 of 100 MB are free"), FullDisk("HOME", "/home", 0.5, "")],
        tables=[("ballots", NOW - timedelta(minutes=11)), ("others", NOW - timedelta(minutes=9))],
        source=("/mnt/share", "does not exist"),
        failing_ticks=[FailingTicks("changed_hours_sensor", 3, "deadline exceeded")],
        stopped=["problems_sensor"],
        silent=[Silent("webserver", NOW)],
    )
    assert len(found) == 9
    (run,) = (text for key, text in found.items() if key.startswith("run "))
    assert "line 7" in run
    assert "where: update_metrics_job (backfill): anna: hourly_stats" in run
    assert "http://ui/runs/abc" in run
    assert found["check hourly_stats.hours_equal_lake"].startswith("error: ")
    assert "20 minutes" in found["hours behind"]
    assert "99 % full" in found["disk /lake"]
    assert "election-metrics table check" in found["table ballots"]
    assert "The source /mnt/share does not exist" in found["source /mnt/share does not exist"]
    assert "3 times in a row" in found["ticks changed_hours_sensor deadline exceeded"]
    assert found["stopped problems_sensor"].startswith("warning: problems_sensor is turned off")
    for text in found.values():
        assert all(word in text for word in ("where: ", "why: ", "type: ", "see: http://")), text


def test_one_cause_is_one_problem_and_another_cause_another() -> None:
    failed = [FailedRun("3", "update (live)", "/in/a.csv, line 9: no number"),
              FailedRun("2", "update (backfill)", "(psycopg.OperationalError) connection to server failed"),
              FailedRun("1", "reconcile (upkeep)", "PostgreSQL is away or busy: server closed the connection"),
              FailedRun("0", "update (live)", "/in/a.csv, line 4: no number")]  # fmt: skip
    found = problems(failed_runs=failed)
    assert sorted(found) == ["run /in/a.csv, line #: no number", "run PostgreSQL was away or busy"]
    assert "http://ui/runs/3" in found["run /in/a.csv, line #: no number"], "the newest of its cause"
    assert "update (backfill), reconcile (upkeep) failed" in found["run PostgreSQL was away or busy"]


def test_a_full_disk_is_told_as_one_and_not_by_each_run_that_fails_of_it() -> None:
    failed = [
        FailedRun("1", "update (live)", "election_metrics.errors.TransientError: the disk of HOME (/h) is full: 1 MB")
    ]
    assert problems(failed_runs=failed, sees_every_disk=True) == {}
    (told,) = problems(failed_runs=failed).values()  # PostgreSQL is on a disk that nobody here sees
    assert told.startswith("error: update (live) failed: a disk is full | ")
    assert "why: a disk is full (the disk of HOME (/h) is full: 1 MB)" in told


def test_a_failed_check_says_what_it_found_and_what_to_type_for_more() -> None:
    check = FailedCheck("anomalies", "nothing_critical", False, "No critical finding is open.", "2, such as rule burst")
    (told,) = problems(failed_checks=[check]).values()
    assert "found: 2, such as rule burst" in told
    assert "type: election-metrics anomalies list" in told


def test_what_waits_for_the_database_is_no_problem_of_its_own() -> None:
    silent = [Silent("webserver", NOW), Silent("daemon (sensor)", NOW)]
    assert list(problems(silent=silent)) == ["silent webserver", "silent daemon (sensor)"]
    found = problems(silent=silent, database="it hangs")
    assert list(found) == ["database"]
    assert "http://page" in found["database"], "the page answers while the Dagster UI does not"


def test_files_that_do_not_land_are_a_problem_after_a_while() -> None:
    assert problems(waiting=Waiting("/in", 9, NOW - timedelta(minutes=14))) == {}
    assert "9 file(s) wait" in problems(waiting=Waiting("/in", 9, NOW - timedelta(minutes=16)))["waiting"]


def test_an_alert_names_the_machine() -> None:
    (problem,) = find_problems(Seen(database="it hangs"), NOW, "http://ui")
    assert "on duty-7, since 2026-09-19 12:00 UTC" in message(problem, NOW, "duty-7")


def test_duty_knows_every_sensor_and_schedule_by_name() -> None:
    from election_metrics.definitions import defs

    repository = defs.get_repository_def()
    assert {each.name for each in [*repository.sensor_defs, *repository.schedule_defs]} == NAMES


def test_overdue_input_is_a_problem_which_says_how_much_and_since_when() -> None:
    found = problems(overdue=[Overdue("Duma", 1, NOW - timedelta(hours=2)), Overdue("Perm", 36, NOW)])
    assert (
        "why: 1 hour of its constituencies should have arrived, the first at 2026-09-19 10:00" in found["overdue Duma"]
    )
    assert "why: 36 hours of its" in found["overdue Perm"]


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
def webhook() -> Iterator[tuple[str, list[str]]]:
    """A server that takes what is posted; its address, and the texts so far. The path /down answers 500."""
    texts: list[str] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/down" and "The disk of" not in body["text"]:  # this machine's may be full
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


@pytest.fixture
def services() -> Iterator[tuple[str, dict[str, list[dict[str, object]]]]]:
    """A server of services: host and port, and what each path took. /down answers 500; /slow goes on for ever."""
    took: dict[str, list[dict[str, object]]] = {}
    ended = threading.Event()

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "/slow" in self.path:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx-more: ")
                with contextlib.suppress(OSError):
                    while not ended.wait(0.2):
                        self.wfile.write(b"1")
                return
            took.setdefault(self.path, []).append(body)
            self.send_response(500 if "/down" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", took
        ended.set()
        server.shutdown()


TOKEN = "a8f3kq7wd29xz5m1tb6c4n0p8r"
"""As Mattermost's look."""


def test_an_alert_goes_to_every_service_of_apprise_and_calls_nobody(
    chosen: Settings, services: tuple[str, dict[str, list[dict[str, object]]]]
) -> None:
    host, took = services
    telling = read_settings(alert_urls=f"json://{host}/one  mmost://{host}/{TOKEN}\n")
    assert deliver(telling, "🔴 The source of @all is away\nwhere: <!channel> & <http://evil|all well>")
    (one,) = took["/one"]
    assert one["title"] == "🔴 The source of @\u200ball is away"
    assert one["message"] == "where: ‹!channel› & ‹http://evil|all well›"
    (other,) = took[f"/hooks/{TOKEN}"]
    said = str(other["text"])
    assert "is away" in said
    assert "‹!channel›" in said
    assert "@all" not in said
    assert deliver(telling, "🟢 Over")
    assert took["/one"][1]["message"] == "🟢 Over"


def test_a_service_that_does_not_take_it_is_named_without_its_token_and_the_others_have_it(
    chosen: Settings,
    services: tuple[str, dict[str, list[dict[str, object]]]],
    webhook: tuple[str, list[str]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    host, took = services
    address, texts = webhook
    urls = f"mmost://{host}/down/{TOKEN} json://{host}/one nonsense://{TOKEN}"
    telling = read_settings(alert_urls=urls, alert_webhook=address)
    assert not deliver(telling, "🔴 Something")
    assert len(took["/one"]) == len(texts) == 1
    errors = [record.getMessage() for record in caplog.records]
    assert errors == [
        "the alert could not be sent (Mattermost, URL 1 of ALERT_URLS)",
        "the alert could not be sent (not known to Apprise, URL 3 of ALERT_URLS)",
    ]
    assert not any(TOKEN in text for text in (caplog.text, *capfd.readouterr()))


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


def test_a_service_that_goes_on_for_ever_is_given_up_in_time_and_the_others_have_it(
    services: tuple[str, dict[str, list[dict[str, object]]]],
) -> None:
    host, took = services
    begin = time.monotonic()
    found = channels.send(f"json://{host}/slow json://{host}/one", "🔴 Something", seconds=10)
    assert time.monotonic() - begin < 60, "it would go on for hours"
    assert [(channel.service, channel.took_it) for channel in found] == [("JSON", False), ("JSON", True)]
    assert len(took["/one"]) == 1


def test_a_url_that_is_none_is_refused_before_there_is_an_alert_and_is_not_shown(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"ELECTION_METRICS_ALERT_URLS: .*URL 2 must look like tgram://") as caught:
        read_settings(alert_urls=f"json://here {TOKEN}")
    assert TOKEN not in str(caught.value)
    monkeypatch.setenv("ELECTION_METRICS_ALERT_URLS", f"json://here nonsense://{TOKEN}")
    settings.cache_clear()
    said = CliRunner().invoke(main, ["up"])
    assert said.exit_code == 1
    assert "ELECTION_METRICS_ALERT_URLS: URL 2 is not supported by Apprise" in " ".join(said.output.split())
    assert TOKEN not in said.output


def test_no_part_of_an_alerts_url_leaves_in_an_alert(chosen: Settings) -> None:
    telling = read_settings(alert_urls=f"mmost://me:hunter22@host/{TOKEN} tgram://123456789:{TOKEN[::-1]}/-100/")
    for secret in (TOKEN, TOKEN[::-1], "hunter22", f"/-100/{TOKEN}"):
        said = without_own_secrets(telling, f"cannot reach host: {secret} failed")
        assert not any(part in said for part in (TOKEN, TOKEN[::-1], "hunter22")), said
        assert said.startswith("cannot reach host: ")


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
