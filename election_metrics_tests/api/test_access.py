"""Who may read and who may change: on this machine, from elsewhere, with which token, how often; and who did."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from election_metrics.api.tokens import create_token, read_tokens, revoke_token
from election_metrics.errors import ElectionMetricsError, SettingsError
from election_metrics.settings import Settings, read_settings
from election_metrics_tests.api.conftest import Api, bearer, serve
from election_metrics_tests.computing import rows

CHANGE = ("PUT", "/reference/constituencies/AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr")


@pytest.fixture
def public(voted: Settings) -> Iterator[Api]:
    """The API as it is on an address that others reach (served on this machine all the same)."""
    yield from serve(voted.model_copy(update={"api_host": "0.0.0.0"}))


def test_on_this_machine_anybody_reads_and_nobody_changes_without_a_token(api: Api) -> None:
    assert api.get("/elections").status_code == 200
    answer = api.ask(*CHANGE, {})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "election-metrics token create NAME --scope operate" in answer.json()["detail"]
    assert api.get("/audit").status_code == 401


def test_elsewhere_reading_needs_a_token_too(public: Api) -> None:
    for path in ("/elections", "/status", "/live", "/elections.csv"):
        assert public.get(path).status_code == 401, path
    assert requests.get(f"{public.address}/metrics", timeout=5).status_code == 401
    assert public.get("/health").status_code == 200
    assert requests.get(f"{public.address}/", timeout=5).status_code == 200, "the page holds no figure"
    reader = bearer(create_token(public.settings, "newsroom", ["read"], "test"))
    assert public.get("/elections", **reader).status_code == 200
    answer = public.ask(*CHANGE, {}, **reader)
    assert (answer.status_code, answer.json()["detail"]) == (
        403, "the token 'newsroom' may read; this needs operate"
    )  # fmt: skip


def test_reads_can_be_opened_elsewhere_and_closed_here(voted: Settings) -> None:
    for said, status in (({"api_host": "0.0.0.0", "api_reads": "open"}, 200), ({"api_reads": "token"}, 401)):
        for api in serve(voted.model_copy(update=said)):
            assert api.get("/elections").status_code == status


def test_a_revoked_or_unknown_token_ends_at_once_even_where_reading_is_open(api: Api) -> None:
    token = bearer(create_token(api.settings, "anna", ["operate"], "test"))
    assert api.ask(*CHANGE, {}, **token).status_code == 204
    revoke_token(api.settings, "anna", "test")
    assert api.ask(*CHANGE, {}, **token).status_code == 401
    assert api.get("/elections", **token).status_code == 401
    assert api.get("/elections", **bearer("em_guessed")).status_code == 401


def test_a_token_is_kept_as_a_hash_and_nowhere_else(api: Api) -> None:
    token = create_token(api.settings, "anna", ["operate"], "test")
    assert api.get("/audit", **bearer(token)).status_code == 200
    kept = api.settings.tokens_path
    assert kept.stat().st_mode & 0o077 == 0
    assert token not in kept.read_text("utf-8")
    assert [(one.name, one.scopes) for one in read_tokens(kept)] == [("anna", ("operate",))]
    assert token not in str(rows(api.settings, "SELECT * FROM ingest.audit_log").values.tolist())
    with pytest.raises(ElectionMetricsError, match="there is a token 'anna'; revoke it first"):
        create_token(api.settings, "anna", ["read"], "test")
    with pytest.raises(ElectionMetricsError, match="is not a valid token name"):
        create_token(api.settings, "anna; --", ["read"], "test")
    with pytest.raises(ElectionMetricsError, match="there is no token 'boris'"):
        revoke_token(api.settings, "boris", "test")


def test_a_broken_file_of_tokens_lets_nobody_in(api: Api, operator: dict[str, str]) -> None:
    api.settings.tokens_path.write_text("[{", "utf-8")
    answer = api.ask(*CHANGE, {}, **operator)
    assert answer.status_code == 503
    assert "cannot be read" in answer.json()["detail"]
    assert api.get("/elections").status_code == 200, "who needs no token goes on reading"


def test_the_pages_cookie_reads_and_cannot_change(public: Api) -> None:
    token = create_token(public.settings, "anna", ["operate"], "test")
    session = requests.Session()
    sign_in = f"{public.address}/api/v1/sign-in"
    assert session.post(sign_in, json={"token": "em_wrong"}, timeout=5).status_code == 401
    answer = session.post(sign_in, json={"token": token}, timeout=5)
    assert answer.status_code == 204
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert session.get(f"{public.address}/api/v1/elections", timeout=5).status_code == 200
    changed = session.put(f"{public.address}/api/v1{CHANGE[1]}", json={}, timeout=5)
    assert changed.status_code == 401, "a page of somebody else could send the cookie, but not the header"


def test_too_many_requests_are_told_to_wait_and_others_are_not(voted: Settings) -> None:
    limited = voted.model_copy(update={"api_read_rate": "5/hour", "api_write_rate": "3/hour"})
    for api in serve(limited):
        token = bearer(create_token(voted, "anna", ["operate"], "test"))
        assert [api.get("/elections").status_code for _ in range(6)] == [200] * 5 + [429]
        refused = api.get("/elections")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["content-type"] == "application/problem+json"
        assert api.get("/elections", **token).status_code == 200, "a token has a count of its own"
        wrong = [api.get("/elections", **bearer(f"em_{n}")).status_code for n in range(5)]
        assert wrong == [401, 401, 401, 429, 429], "whoever tries tokens is slowed down"


def test_every_answer_has_the_headers_that_keep_a_browser_safe(api: Api) -> None:
    for path in (
        "/",
        "/docs",
        "/files/page.css",
        "/api/v1/elections",
        "/api/v1/nothing",
        "/api/v1/elections?limit=%00",
    ):
        headers = requests.get(f"{api.address}{path}", timeout=5).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_every_change_is_in_the_audit_under_the_tokens_name(api: Api, operator: dict[str, str]) -> None:
    election = api.data("/elections")[0]["election_id"]
    finding = api.data("/anomalies")[0]["anomaly_id"]
    api.ask(*CHANGE, {"name": "RemotePath"}, **operator)
    api.ask("DELETE", CHANGE[1], **operator)
    api.ask("PUT", f"/anomalies/{finding}/state", {"state": "acknowledged", "note": "asked"}, **operator)
    api.ask("PUT", f"/thresholds/{election}/spike/ratio", {"value": 4}, **operator)
    api.ask("POST", "/invalidate-cache/dashboard", **operator)
    found = api.get("/audit?limit=6", **operator).json()["data"]
    key = CHANGE[1].split("/")[-1]
    assert [(one["who"], one["action"], one["target"]) for one in reversed(found)] == [
        ("test", "create-token", "anna"),
        ("anna", "insert", f"metrics.constituency_reference {key}"),
        ("anna", "delete", f"metrics.constituency_reference {key}"),
        ("anna", "update", f"metrics.anomalies {finding}"),
        ("anna", "insert", f"metrics.anomaly_thresholds {election}/spike/ratio"),
        ("anna", "invalidate-cache", "everything"),
    ]
    assert found[2]["after"]["state_note"] == "asked"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"api_host": "example.org"}, "ELECTION_METRICS_API_HOST is 'example.org': it must be an address"),
        ({"api_read_rate": "fast"}, "ELECTION_METRICS_API_READ_RATE is 'fast': it must look like 200/second"),
        ({"cache_url": "http://secret@x"}, "ELECTION_METRICS_CACHE_URL: it must look like redis://"),
    ],
)
def test_a_wrong_setting_is_a_sentence(chosen: Settings, said: dict[str, str], says: str) -> None:
    from election_metrics.api.app import create_app

    with pytest.raises(SettingsError) as caught:
        create_app(read_settings(**said))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_names_that_are_set_are_answered_and_others_refused(voted: Settings, tmp_path: Path) -> None:
    for api in serve(voted.model_copy(update={"api_hosts": "turnout.example.org"})):
        assert api.get("/elections", host="turnout.example.org").status_code == 200
        refused = api.get("/elections", host="evil.example")
        assert refused.status_code == 421
        assert "add it to ELECTION_METRICS_API_HOSTS" in refused.json()["detail"]
        assert requests.get(f"{api.address}/", headers={"host": "evil.example"}, timeout=5).status_code == 421
