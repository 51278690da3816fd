"""What holds before an endpoint hears of a request: what is there, how large, how many, who has signed in until when."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests

from election_metrics.api.tokens import create_token, revoke_token
from election_metrics.settings import Settings
from election_metrics_tests.api.conftest import Api, bearer, serve
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.exports import CONTRACT

SESSION = "election_metrics_session"


@pytest.fixture
def locked(chosen: Settings) -> Iterator[Api]:
    """The API over an empty warehouse, where reading needs a token."""
    yield from serve(chosen.model_copy(update={"api_reads": "token"}))


def signed_in(api: Api, token: str) -> requests.Session:
    browser = requests.Session()
    assert browser.post(f"{api.address}/api/v1/sign-in", json={"token": token}, timeout=5).status_code == 204
    return browser


def test_where_there_is_nothing_nobody_is_asked_for_a_token(locked: Api) -> None:
    for method, path, status, allowed in (
        ("GET", "/nothing", 404, None),
        ("POST", "/nothing", 404, None),
        ("OPTIONS", "/nothing", 404, None),
        ("GET", "/nothing.csv", 404, None),
        ("DELETE", "/elections", 405, "GET"),
        ("GET", "/refresh", 405, "POST"),
        ("PATCH", "/reference/elections/duma", 405, "PUT, DELETE"),
        ("OPTIONS", "/elections", 204, "GET, OPTIONS"),
        ("OPTIONS", "/elections.csv", 204, "GET, OPTIONS"),
        ("OPTIONS", "/reference/elections/duma", 204, "PUT, DELETE, OPTIONS"),
        ("GET", "/elections", 401, None),
        ("GET", "/election/there-is-none", 401, None),
        ("PUT", "/reference/elections/duma", 401, None),
    ):
        answer = locked.ask(method, path)
        assert (answer.status_code, answer.headers.get("allow")) == (status, allowed), (method, path)
        assert "access-control-allow-origin" not in answer.headers
        assert answer.status_code == 204 or answer.headers["content-type"] == "application/problem+json"


def test_a_parameter_that_there_is_not_is_refused_by_its_name(chosen: Settings) -> None:
    with contextmanager(serve)(chosen) as api:
        for path, says in (
            ("/anomalies?limt=5", "there is no parameter 'limt' here; it takes election, constituency, rule, severity"),
            ("/anomalies.csv?Limit=5", "'Limit'"),
            ("/hourly-stats/election/x?first=2026-09-18", "'first' here; it takes from, to, day, latest"),
            ("/input-notes?_=1", "'_' here; it takes none"),
            ("/elections?_=1", "'_' here; it takes as_of"),
            ("/health?x", "'x' here"),
            ("/live?since=1", "'since' here"),
            ("/elections?%00=1", "NUL"),
        ):
            answer = api.get(path)
            assert answer.status_code == 422, path
            assert says in answer.json()["detail"] or path == "/health?x"
        assert api.get("/anomalies?limit=5&election=x").status_code == 200
        assert requests.get(f"{api.address}/?election=x&anything=y", timeout=5).status_code == 200, "the page's own"


def test_a_large_body_is_refused_whoever_sends_it_and_however(chosen: Settings) -> None:
    with contextmanager(serve)(chosen) as api:
        token = bearer(create_token(chosen, "anna", ["operate"], "test")) | {"content-type": "application/json"}
        large = b'{"name": "' + b"x" * 65_536 + b'"}'
        for path, method in (("sign-in", "POST"), ("reference/elections/duma", "PUT"), ("elections", "GET")):
            for body in (large, iter([large[:1000], large[1000:]])):
                answer = requests.request(method, f"{api.address}/api/v1/{path}", data=body, headers=token, timeout=5)
                assert answer.status_code == 413, (path, answer.text)
                assert "limited to 65,536 bytes" in answer.json()["detail"]
                assert answer.headers["x-content-type-options"] == "nosniff"
        where = f"{api.address}/api/v1/reference/constituencies/{CONTRACT}"
        small = requests.put(where, iter([b'{"name":', b' "Here"}']), headers=token, timeout=5)
        assert small.status_code == 204


def test_streams_are_so_many_from_one_address_and_so_many_in_all(chosen: Settings) -> None:
    limited = chosen.model_copy(update={"api_streams_per_address": 3, "api_streams": 4, "api_hosts": "turnout.example"})
    with contextmanager(serve)(limited) as api, ExitStack() as stack:

        def open_from(address: str) -> requests.Response:
            sent = {"x-forwarded-for": address}
            answer = requests.get(f"{api.address}/api/v1/live", headers=sent, stream=True, timeout=5)
            stack.callback(answer.close)
            return answer

        first = [open_from("192.0.2.1") for _ in range(3)]
        assert [answer.status_code for answer in first] == [200] * 3
        refused = open_from("192.0.2.1")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert refused.json()["detail"].startswith("192.0.2.1 has 3 streams open already")
        assert open_from("192.0.2.2").status_code == 200
        full = open_from("192.0.2.3")
        assert full.status_code == 503
        assert "4 streams are open already" in full.json()["detail"]
        assert api.get("/elections").status_code == 200, "who asks for figures gets them"
        first[0].close()
        wait_for("the place that is free again", lambda: open_from("192.0.2.1").status_code == 200, 15)


def test_a_stream_ends_with_what_let_it_in(locked: Api) -> None:
    reader = create_token(locked.settings, "newsroom", ["read"], "test")
    operator = bearer(create_token(locked.settings, "anna", ["operate"], "test"))
    browser = signed_in(locked, reader)
    live = f"{locked.address}/api/v1/live"
    with (
        browser.get(live, stream=True, timeout=12) as by_session,
        requests.get(live, headers=bearer(reader), stream=True, timeout=12) as by_token,
        requests.get(live, headers=operator, stream=True, timeout=2) as other,
    ):
        locked.ask("POST", "/sign-out", cookie=f"{SESSION}={browser.cookies[SESSION]}")
        revoke_token(locked.settings, "newsroom", "test")
        locked.ask("POST", "/invalidate-cache/dashboard", **operator)
        assert b"".join(by_session.iter_content()) == b"".join(by_token.iter_content()) == b"", "both have ended"
        with pytest.raises(requests.ConnectionError, match="timed out"):
            next(other.iter_content())


def test_the_cookie_is_no_token_and_reads_only_while_the_token_holds(locked: Api) -> None:
    token = create_token(locked.settings, "newsroom", ["operate"], "test")
    browser, other = signed_in(locked, token), signed_in(locked, token)
    session = browser.cookies[SESSION]
    assert session != other.cookies[SESSION]
    assert token not in session
    assert hashlib.sha256(token.encode()).hexdigest() not in session
    for stolen in (session, token, hashlib.sha256(session.encode()).hexdigest()):
        assert locked.get("/elections", **bearer(stolen)).status_code == (200 if stolen == token else 401)
        assert locked.get("/elections", cookie=f"{SESSION}={stolen}").status_code == (200 if stolen == session else 401)
    assert locked.get("/status").status_code == 401
    assert browser.get(f"{locked.address}/api/v1/status", timeout=5).json()["is_signed_in"] is True
    assert locked.get("/status", **bearer(token)).json()["is_signed_in"] is False
    revoke_token(locked.settings, "newsroom", "test")
    assert browser.get(f"{locked.address}/api/v1/elections", timeout=5).status_code == 401


def test_signing_out_ends_the_session_and_no_other(locked: Api) -> None:
    token = create_token(locked.settings, "newsroom", ["read"], "test")
    browser, other = signed_in(locked, token), signed_in(locked, token)
    session = browser.cookies[SESSION]
    answer = browser.post(f"{locked.address}/api/v1/sign-out", timeout=5)
    assert answer.status_code == 204
    assert SESSION not in browser.cookies
    assert locked.get("/elections", cookie=f"{SESSION}={session}").status_code == 401, "whoever kept it has nothing"
    assert other.get(f"{locked.address}/api/v1/elections", timeout=5).status_code == 200
    assert requests.post(f"{locked.address}/api/v1/sign-out", timeout=5).status_code == 204, "twice is harmless"


def test_a_session_ends_by_itself_and_then_is_in_nobodys_way(chosen: Settings) -> None:
    token = create_token(chosen, "newsroom", ["read"], "test")
    with contextmanager(serve)(chosen.model_copy(update={"api_session_hours": 1 / 3600, "api_reads": "token"})) as api:
        browser = signed_in(api, token)
        session = browser.cookies[SESSION]
        assert api.get("/elections", cookie=f"{SESSION}={session}").status_code == 200
        time.sleep(1.2)
        assert api.get("/elections", cookie=f"{SESSION}={session}").status_code == 401
    with contextmanager(serve)(chosen) as api:
        assert api.get("/elections", cookie=f"{SESSION}={session}").status_code == 200, "reading is open here"
