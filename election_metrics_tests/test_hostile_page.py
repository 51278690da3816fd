"""A page of somebody else, open in an operator's browser, reaches neither the Dagster UI nor the API: a real Chromium.

The page tries all that a page can send. That it would succeed is shown by Dagster's webserver without our door.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from playwright.sync_api import BrowserContext, Page, sync_playwright
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from election_metrics.api.app import create_app
from election_metrics.api.tokens import create_token
from election_metrics.runtime.ui_access import Rules
from election_metrics.runtime.webserver import behind_the_door
from election_metrics.settings import Settings
from election_metrics.web.names import names_of
from election_metrics_tests.api.page.conftest import CHROMIUM, FLAGS
from election_metrics_tests.computing import rows
from election_metrics_tests.exports import CONTRACT
from election_metrics_tests.serving import served

pytestmark = pytest.mark.filterwarnings("ignore")
TOKEN = "a-token-of-the-duty-room"
EVIL = "evil.example"  # the browser is told that it is this machine, as its owner could tell the whole world
AGAINST_UI = """async (ui) => {
  const asks = (key) => `mutation { setConcurrencyLimit(concurrencyKey: "${key}", limit: 7) }`;
  const json = (key) => JSON.stringify({ query: asks(key) });
  const at = (key) => `${ui}/graphql?query=${encodeURIComponent(asks(key))}`;
  const quietly = { credentials: "include", mode: "no-cors" };
  const form = (key, enctype, action, fields) => new Promise((done) => {
    const frame = Object.assign(document.createElement("iframe"), { name: key });
    const made = Object.assign(document.createElement("form"), { method: "POST", target: key, action, enctype });
    for (const [name, value] of Object.entries(fields)) made.append(Object.assign(document.createElement("input"), { name, value }));
    document.body.append(frame, made);
    frame.onload = () => setTimeout(done, 50);
    made.submit();
  });
  const all = [
    fetch(`${ui}/graphql`, { method: "POST", body: json("text"), ...quietly, headers: { "content-type": "text/plain;application/json" } }),
    fetch(at("fetch_get"), quietly),
    fetch(at("fetch_post"), { method: "POST", ...quietly }),
    fetch(`${ui}/graphql`, { method: "POST", body: json("json"), credentials: "include", headers: { "content-type": "application/json" } }),
    fetch(`${ui}/report_asset_materialization/forged`, { method: "POST", ...quietly }),
    new Promise((done) => { const image = new Image(); image.onload = image.onerror = done; image.src = at("image"); }),
    form("form", "application/x-www-form-urlencoded", at("form"), {}),
    form("plain", "text/plain", `${ui}/graphql`, { [`{"query": ${JSON.stringify(asks("plain"))}, "x": "`]: '"}' }),
    form("multipart", "multipart/form-data", at("multipart"), { a: "b" }),
    navigator.sendBeacon(at("beacon"), "x"),
  ];
  await Promise.allSettled(all);
  return await new Promise((done) => {
    const socket = new WebSocket(`${ui.replace("http", "ws")}/graphql`, "graphql-ws");
    socket.onopen = () => socket.send('{"type": "connection_init"}');
    socket.onmessage = (said) => done(said.data);
    socket.onerror = () => done("refused");
  });
}"""
AGAINST_API = """async ([api, path]) => {
  const change = { method: "PUT", body: '{"name": "forged"}', credentials: "include", headers: { "content-type": "application/json" } };
  const tried = [
    fetch(`${api}${path}`, change),
    fetch(`${api}/api/v1/refresh`, { method: "POST", credentials: "include", mode: "no-cors", body: "{}" }),
    fetch(`${api}/api/v1/sign-out`, { method: "POST", credentials: "include", mode: "no-cors" }),
    fetch(`${api}/api/v1/elections`, { credentials: "include" }).then((answer) => answer.text()),
    fetch(`${api}/api/v1/elections.csv`, { credentials: "include", mode: "no-cors" }).then((answer) => answer.type),
    new Promise((done, failed) => {
      const stream = new EventSource(`${api}/api/v1/live`, { withCredentials: true });
      stream.onopen = () => done("the stream is open");
      stream.onerror = () => failed(stream.close());
    }),
  ];
  return (await Promise.allSettled(tried)).map((one) => (one.status === "fulfilled" && one.value !== undefined ? String(one.value) : "refused"));
}"""


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    """An operator's browser, which has logged in to the UI."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; type: apt-get install chromium")
    flags = [*FLAGS, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser.new_context(http_credentials={"username": "anna", "password": TOKEN})
        browser.close()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Where the hostile page is."""
    empty = Starlette(routes=[Route("/", lambda _: HTMLResponse("<!doctype html><title>Free tickets</title>"))])
    with served(empty) as address:
        yield address.split(":")[1]


def test_it_rules_dagsters_own_webserver_and_not_ours(context: BrowserContext, elsewhere: str) -> None:
    with ExitStack() as stack:
        instance = stack.enter_context(dg.instance_for_test())
        workspace = stack.enter_context(WorkspaceProcessContext(instance, EmptyWorkspaceTarget()))
        naked = stack.enter_context(served(create_app_from_workspace_process_context(workspace)))
        page = visit(context, f"http://{EVIL}:{elsewhere}/")
        assert "connection_ack" in page.evaluate(AGAINST_UI, f"http://{naked}")
        forged = instance.event_log_storage.get_concurrency_keys()
        assert forged >= {"text", "fetch_get", "fetch_post", "image", "form", "beacon"}, "else this test shows nothing"
        assert instance.get_asset_records()

    rules = Rules(names_of("127.0.0.1", []), TOKEN, takes_reports=False)
    with ExitStack() as stack:
        instance = stack.enter_context(dg.instance_for_test())
        ui = stack.enter_context(behind_the_door(instance, EmptyWorkspaceTarget(), rules, read_only=False))
        address = stack.enter_context(served(ui))
        own = visit(context, f"http://{address}/runs")  # from here on the browser sends the password by itself
        own.wait_for_selector("text=Runs")
        for host in (EVIL, "127.0.0.1"):
            page = visit(context, f"http://{host}:{elsewhere}/")
            assert page.evaluate(AGAINST_UI, f"http://{address}") == "refused"
            page.evaluate(
                "(ui) => document.body.append(Object.assign(document.createElement('iframe'), {src: ui}))",
                f"http://{address}/",
            )
            page.wait_for_timeout(300)
            assert all(frame.url in ("about:blank", "chrome-error://chromewebdata/", page.url) for frame in page.frames)
        rebound = context.new_page()
        answer = rebound.goto(f"http://{EVIL}:{address.split(':')[1]}/")
        assert answer is not None
        assert (answer.status, answer.text()[:24]) == (421, "this is not evil.example")
        assert instance.event_log_storage.get_concurrency_keys() == set()
        assert instance.get_asset_records() == []


def test_the_ui_itself_works_behind_the_door(context: BrowserContext) -> None:
    rules = Rules(names_of("127.0.0.1", []), TOKEN, takes_reports=False)
    with (
        dg.instance_for_test() as instance,
        behind_the_door(instance, EmptyWorkspaceTarget(), rules, read_only=False) as ui,
        served(ui) as address,
    ):
        page = context.new_page()
        complaints, frames = [], []
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "olicy" in said.text or said.type == "error" else None,
        )
        page.on(
            "websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(json.loads(str(frame))))
        )
        page.goto(f"http://{address}/deployment/concurrency")
        page.get_by_role("link", name="Runs").first.wait_for()
        asked = "fetch('/graphql', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({query: 'mutation { setConcurrencyLimit(concurrencyKey: \"own\", limit: 1) }'})}).then(a => a.json())"
        assert page.evaluate(asked) == {"data": {"setConcurrencyLimit": True}}
        page.wait_for_timeout(500)
        assert instance.event_log_storage.get_concurrency_keys() == {"own"}
        assert {"type": "connection_ack"} in frames
        assert complaints == []


def test_it_reaches_nothing_of_the_api(context: BrowserContext, elsewhere: str, chosen: Settings) -> None:
    with served(create_app(chosen.model_copy(update={"api_reads": "token"}))) as address:
        token = create_token(chosen, "anna", ["operate"], "test")
        page = context.new_page()
        page.goto(f"http://{address}/")
        signed = "(token) => fetch('/api/v1/sign-in', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({token})}).then(a => a.status)"
        assert page.evaluate(signed, token) == 204
        own = "fetch('/api/v1/elections').then(answer => answer.status)"
        assert page.evaluate(own) == 200
        path = f"/api/v1/reference/constituencies/{CONTRACT}"
        hostile = visit(context, f"http://{EVIL}:{elsewhere}/")
        assert set(hostile.evaluate(AGAINST_API, [f"http://{address}", path])) == {"refused"}
        rebound = context.new_page()
        answer = rebound.goto(f"http://{EVIL}:{address.split(':')[1]}/")
        assert answer is not None
        assert not answer.ok
        assert rebound.evaluate(own) >= 400
        assert page.evaluate(own) == 200, "nor does it sign anybody out"
        assert rows(chosen, "SELECT * FROM metrics.constituency_reference").empty


def visit(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(address)
    return page
