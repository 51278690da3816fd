"""The Dagster UI obeys its own page and who holds its token, and nobody else; what it refuses, it says why."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import requests
from click.testing import CliRunner
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from election_metrics.api.refresh import ask_for_run
from election_metrics.cli import main
from election_metrics.errors import SettingsError, TransientError
from election_metrics.runtime.ui_access import Rules, rules_of
from election_metrics.runtime.webserver import behind_the_door
from election_metrics.settings import read_settings
from election_metrics.web.names import names_of
from election_metrics_tests.serving import served

pytestmark = pytest.mark.filterwarnings("ignore")
TOKEN = "a-token-of-the-duty-room"
LIMIT = 'mutation { setConcurrencyLimit(concurrencyKey: "forged", limit: 7) }'
VERSION = json.dumps({"query": "{ version }"})
JSON = {"content-type": "application/json"}
OPEN = Rules(names_of("127.0.0.1", ["https://ui.example.org".removeprefix("https://")]), None, takes_reports=False)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture(scope="module")
def ui(instance: dg.DagsterInstance) -> Iterator[str]:
    with behind_the_door(instance, EmptyWorkspaceTarget(), OPEN, read_only=False) as app, served(app) as address:
        yield address


@pytest.fixture(scope="module")
def locked(instance: dg.DagsterInstance) -> Iterator[str]:
    rules = replace(OPEN, token=TOKEN)
    with behind_the_door(instance, EmptyWorkspaceTarget(), rules, read_only=False) as app, served(app) as address:
        yield address


def test_its_own_page_and_programs_are_answered(ui: str) -> None:
    for headers in (
        JSON,
        {"content-type": "application/json; charset=utf-8", "origin": f"http://{ui}", "sec-fetch-site": "same-origin"},
        {**JSON, "origin": "https://ui.example.org"},
        {**JSON, "host": "ui.example.org", "origin": "https://ui.example.org"},
        {**JSON, "host": f"LOCALHOST:{ui.split(':')[1]}"},
    ):
        answer = requests.post(f"http://{ui}/graphql", VERSION, headers=headers, timeout=20)
        assert answer.json()["data"]["version"], headers
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert requests.get(f"http://{ui}/runs", headers=link, timeout=20).ok, "a link in an alert may be followed"
    playground = requests.get(f"http://{ui}/graphql", headers={"accept": "text/html"}, timeout=20)
    assert "GraphiQL" in playground.text


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "says"),
    [
        ("GET", "/", {"host": "evil.example"}, "", 421, "this is not evil.example; if that is where"),
        ("GET", "/", {"host": "127.0.0.1.evil.example"}, "", 421, "ELECTION_METRICS_UI_HOSTS"),
        ("POST", "/graphql", {**JSON, "host": "evil.example:80"}, "json", 421, "ELECTION_METRICS_UI_URL"),
        ("POST", "/graphql", {**JSON, "host": "192.0.2.1"}, "json", 421, "this is not 192.0.2.1"),
        ("POST", "/graphql", {**JSON, "host": "["}, "json", 421, "this is not ["),
        ("POST", "/graphql", {**JSON, "origin": "http://evil.example"}, "json", 403, "a page of http://evil.example asks"),
        ("POST", "/graphql", {**JSON, "origin": "http://127.0.0.1:1"}, "json", 403, "a page of http://127.0.0.1:1"),
        ("POST", "/graphql", {**JSON, "origin": "null"}, "json", 403, "a page of null asks"),
        ("POST", "/graphql", {**JSON, "sec-fetch-site": "same-site"}, "json", 403, "a page of another site asks"),
        ("GET", "/server_info", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, "", 403, "another site"),
        ("GET", f"/graphql?query={LIMIT}", {}, "", 405, "ask by POST, with Content-Type: application/json"),
        ("HEAD", f"/graphql?query={LIMIT}", {}, "", 405, ""),
        ("GET", "/graphql?query={version}", {}, "", 405, "ask by POST"),
        ("POST", f"/graphql?query={LIMIT}", {}, "", 415, "send Content-Type: application/json"),
        ("POST", "/graphql", {"content-type": "text/plain"}, "json", 415, "the body must be JSON"),
        ("POST", "/graphql", {"content-type": "text/plain; application/json"}, "json", 415, "the body must be JSON"),
        ("POST", "/graphql", {"content-type": "application/x-www-form-urlencoded"}, "json", 415, "must be JSON"),
        ("POST", "/graphql", {"content-type": "multipart/form-data; boundary=x"}, "json", 415, "must be JSON"),
        ("POST", "/graphql", {"content-type": "application/graphql"}, LIMIT, 415, "must be JSON"),
        ("POST", "/graphql", JSON, " " * 2_200_000, 413, "limited to 2,097,152 bytes"),
        ("POST", "/report_asset_materialization/forged", JSON, "{}", 403, "set ELECTION_METRICS_UI_REPORTS=true"),
        ("POST", "/report_asset_materialization/forged", {}, "", 403, "ELECTION_METRICS_UI_REPORTS=true"),
        ("POST", "/report_asset_check/forged?check_name=x&passed=true", JSON, "{}", 403, "UI_REPORTS"),
        ("POST", "/report_asset_observation/forged", JSON, "{}", 403, "UI_REPORTS"),
        ("POST", "/report%5Fasset_materialization/forged", JSON, "{}", 403, "UI_REPORTS"),
    ],
)  # fmt: skip
def test_what_another_page_could_send_is_refused_in_words(
    ui: str,
    instance: dg.DagsterInstance,
    method: str,
    path: str,
    headers: dict[str, str],
    body: str,
    status: int,
    says: str,
) -> None:
    said = json.dumps({"query": LIMIT}) if body == "json" else body
    answer = requests.request(method, f"http://{ui}{path}", data=said, headers=headers, timeout=20)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert instance.event_log_storage.get_concurrency_keys() == set()
    assert instance.get_asset_records() == []


def test_no_mutation_says_that_an_asset_was_made(ui: str, instance: dg.DagsterInstance) -> None:
    forge = (
        'mutation { reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION, assetKey: {path: ["x"]}})'
    )
    said = {"query": f"{forge} {{ __typename }} }}"}
    answer = requests.post(f"http://{ui}/graphql", json=said, timeout=20).json()
    assert answer["data"]["reportRunlessAssetEvents"]["__typename"] != "ReportRunlessAssetEventsSuccess"
    assert instance.get_asset_records() == []


def test_reports_are_taken_where_that_is_switched_on(tmp_path: Path) -> None:
    rules = replace(OPEN, takes_reports=True)
    with (
        dg.instance_for_test(temp_dir=str(tmp_path)) as own,
        behind_the_door(own, EmptyWorkspaceTarget(), rules, read_only=False) as app,
        served(app) as address,
    ):
        path = f"http://{address}/report_asset_materialization/theirs"
        assert requests.post(path, json={"metadata": {"rows": 3}}, timeout=20).ok
        assert [record.asset_entry.asset_key.to_user_string() for record in own.get_asset_records()] == ["theirs"]
        assert requests.post(path, json={}, headers={"origin": "http://evil.example"}, timeout=20).status_code == 403


def handshake(address: str, **headers: str) -> str:
    """What the first message over a WebSocket is, or the status and words of the refusal."""
    try:
        with connect(f"ws://{address}/graphql", additional_headers=headers, subprotocols=["graphql-ws"]) as socket:
            socket.send('{"type": "connection_init"}')
            return str(json.loads(socket.recv(5))["type"])
    except InvalidStatus as refused:
        return f"{refused.response.status_code} {(refused.response.body or b'').decode()}"


def test_a_websocket_passes_the_same_door(ui: str, locked: str) -> None:
    assert handshake(ui) == "connection_ack"
    assert handshake(ui, Origin=f"http://{ui}") == "connection_ack"
    assert handshake(ui, Origin="http://evil.example").startswith("403 a page of http://evil.example asks")
    assert handshake(ui, Origin="null").startswith("403")
    assert handshake(locked).startswith("401 log in with any name")
    assert handshake(locked, Authorization=f"Bearer {TOKEN}") == "connection_ack"
    assert handshake(locked, Authorization=basic(TOKEN), Origin=f"http://{locked}") == "connection_ack"
    assert handshake(locked, Authorization=basic(TOKEN), Origin="http://evil.example").startswith("403")


@pytest.mark.long
def test_a_refresh_through_the_api_shows_the_token(locked: str) -> None:
    moment = datetime(2026, 9, 18, 8, tzinfo=UTC)
    for token, says in (
        (TOKEN, "has loaded no code location"),
        ("another-token-altogether", "refused the request: log in"),
    ):
        settings = read_settings(api_webserver=f"http://{locked}", ui_token=token)
        with pytest.raises(TransientError, match=says):
            ask_for_run(settings, moment, moment, "anna")


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anna:{password}".encode()).decode()


def test_with_a_token_nothing_is_shown_without_it(locked: str) -> None:
    for path in ("/", "/graphql", "/server_info", "/favicon.ico", "/logs/x/y", "/nothing"):
        answer = requests.get(f"http://{locked}{path}", timeout=20)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Basic "), "a browser asks for it"
        assert "ELECTION_METRICS_UI_TOKEN" in answer.text
    for wrong in (
        "",
        "Bearer ",
        "Bearer x",
        basic("x"),
        basic(""),
        "Basic é",
        "Basic ====",
        "Digest x",
        f"Basic {TOKEN}",
    ):
        sent = {**JSON, "authorization": wrong.encode()}
        assert requests.post(f"http://{locked}/graphql", VERSION, headers=sent, timeout=20).status_code == 401, wrong
    for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN)):
        sent = {**JSON, "authorization": right}
        assert requests.post(f"http://{locked}/graphql", VERSION, headers=sent, timeout=20).ok, right


def test_beyond_this_machine_there_is_a_login_or_no_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ELECTION_METRICS_HOME", str(tmp_path))
    done = CliRunner().invoke(main, ["up", "--host", "0.0.0.0"])
    assert done.exit_code == 1
    assert "set ELECTION_METRICS_UI_TOKEN" in " ".join(done.output.split())
    assert not list(tmp_path.iterdir()), "nothing was started or made"
    with pytest.raises(SettingsError, match="ELECTION_METRICS_UI_TOKEN"):
        rules_of(read_settings(), "0.0.0.0", read_only=True)
    with pytest.raises(SettingsError, match=r"--host is 'machine\.example': it must be an address"):
        rules_of(read_settings(), "machine.example", read_only=False)
    assert rules_of(read_settings(ui_reads="open"), "0.0.0.0", read_only=True).token is None
    kept = read_settings(ui_token=TOKEN)
    assert rules_of(kept, "::", read_only=False).token == TOKEN
    assert rules_of(kept, "127.0.0.1", read_only=False).token == TOKEN, "who sets one wants it everywhere"
    assert rules_of(kept, "127.0.0.1", read_only=True).token is None
    assert rules_of(read_settings(ui_token=TOKEN, ui_reads="token"), "127.0.0.1", read_only=True).token == TOKEN
    assert rules_of(read_settings(), "127.0.0.1", read_only=False).token is None
    with pytest.raises(SettingsError, match="at least 16 characters") as short:
        read_settings(ui_token="password1")
    assert "password1" not in str(short.value)


def test_names_are_those_of_the_address_the_ui_url_and_the_setting(tmp_path: Path) -> None:
    said = read_settings(ui_url="https://anna@ui.example.org:8443/", ui_hosts="duty.example, box:3000", ui_token=TOKEN)
    names = rules_of(said, "0.0.0.0", read_only=False).names
    known = (
        "localhost:3000",
        "[::1]:3000",
        "ui.example.org",
        "DUTY.example.",
        "box",
        "192.0.2.7:3000",
        "[2001:db8::1]",
    )
    assert [host for host in known if not names.has(host)] == []
    assert not any(names.has(host) for host in ("evil.example", "", "x@evil.example", "localhost.evil.example"))
    assert not names_of("192.0.2.7", []).has("192.0.2.8"), "one address is not every address"
    assert names.lets("127.0.0.1:3000", "https://ui.example.org:8443", None, is_visit=False), "a proxy changed Host"
    assert not names.lets("127.0.0.1:3000", "https://ui.example.org:1", None, is_visit=False)
