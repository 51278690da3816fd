"""Access control in front of the Dagster UI.

Dagster's webserver has no login, accepts any Host and Origin, runs mutations sent by GET or by a form, and stores
any report on assets. Any page open in an operator's browser could therefore do everything that the
operator can. The checks here prevent that; each refusal is a sentence that says what to set.
"""

import base64
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from election_metrics.errors import SettingsError
from election_metrics.runtime.asked import ASKER
from election_metrics.settings import Settings
from election_metrics.web.asgi import App, Asgi, Receive, Send, SmallBodies
from election_metrics.web.names import Names, is_own_address, names_of

_GRAPHQL = "/graphql"
_REPORTS = "/report_asset_"
MOST_BYTES = 2 * 2**20
"""Limit of a request body. The UI sends the name of every selected partition: 1.8 MB for ten years of hours."""
_SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
# Dagster's policy allows scripts with its nonce from anywhere. This policy is sent as well, and both must be met.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self'; "
    "manifest-src 'self'; worker-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HOW_TO_NAME = (
    "if that is where people reach the Dagster UI, set ELECTION_METRICS_UI_URL, or add the name to "
    "ELECTION_METRICS_UI_HOSTS"
)


@dataclass(frozen=True)
class Rules:
    """Access rules of one listening address.

    Attributes:
        names: host names that it answers to.
        token: the token that each request must carry; None: none.
        takes_reports: whether external programs may report materializations, observations and checks of assets.
    """

    names: Names
    token: str | None
    takes_reports: bool


def rules_of(settings: Settings, host: str, *, read_only: bool) -> Rules:
    """The rules of a UI that listens on this address.

    Raises:
        SettingsError: the address can be reached from other machines, and has no login.
    """
    others = (settings.ui_hosts or "").split(",")
    if "ui_url" in settings.model_fields_set:
        others.append(urlsplit(settings.ui_url).netloc.rpartition("@")[2])
    token = settings.ui_token.get_secret_value() if settings.ui_token else None
    is_own = is_own_address(host, "--host")
    is_open = read_only and (settings.ui_reads or ("open" if is_own else "token")) == "open"
    if token is None and not is_open and (read_only or not is_own):
        raise SettingsError(
            f"others reach {host}, and the Dagster UI would let them launch and cancel runs: set "
            "ELECTION_METRICS_UI_TOKEN to what they must show (openssl rand -hex 24 makes one), or listen on 127.0.0.1"
        )
    return Rules(names_of(host, others), None if is_open else token, settings.ui_reports and not read_only)


class UiDoor:
    """ASGI middleware: passes a request to Dagster's application, or refuses it with a sentence."""

    def __init__(self, app: App, rules: Rules) -> None:
        """Wraps `app`."""
        self._app = SmallBodies(app, MOST_BYTES, lambda reason: PlainTextResponse(f"{reason}\n", 413))
        self._rules = rules

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = refusal(scope, self._rules)
        if scope["type"] == "websocket":
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await _refuse_handshake(refused, scope, receive, send)
            return

        ASKER.set("" if self._rules.token is None else _logged_in(Headers(scope=scope))[0])

        async def send_safely(message: Asgi) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _safe(message["headers"])
            await send(message)

        await (refused or self._app)(scope, receive, send_safely)


def refusal(scope: Asgi, rules: Rules) -> Response | None:
    """The response that refuses a request; None if it is allowed."""
    headers = Headers(scope=scope)
    return (
        _of_another_name(headers, rules.names)
        or _of_another_page(scope, headers, rules.names)
        or _without_token(headers, rules.token)
        or (_of_what_it_does(scope, headers, rules) if scope["type"] == "http" else None)
    )


def _of_another_name(headers: Headers, names: Names) -> Response | None:
    hosts = headers.getlist("host")
    if len(hosts) == 1 and names.has(hosts[0]):
        return None
    return _no(421, f"this is not {' '.join(hosts) or 'a server without a name'}; {_HOW_TO_NAME}")


def _of_another_page(scope: Asgi, headers: Headers, names: Names) -> Response | None:
    is_visit = scope.get("method") == "GET" and headers.get("sec-fetch-dest") == "document"
    origin = headers.get("origin")
    if names.lets(headers["host"], origin, headers.get("sec-fetch-site"), is_visit=is_visit):
        return None
    return _no(403, f"a page of {origin or 'another site'} asks, and may not; {_HOW_TO_NAME}")


def _without_token(headers: Headers, token: str | None) -> Response | None:
    if token is None or hmac.compare_digest(_shown(headers).encode(), token.encode()):
        return None
    how = "log in with any name and ELECTION_METRICS_UI_TOKEN as the password, or send Authorization: Bearer …"
    return _no(401, how, {"www-authenticate": 'Basic realm="Dagster UI", charset="UTF-8"'})


def _shown(headers: Headers) -> str:
    kind, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() if kind.lower() == "bearer" else _logged_in(headers)[1]


def _logged_in(headers: Headers) -> tuple[str, str]:
    """Name and password of HTTP basic authentication; empty if there is none."""
    kind, _, credentials = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8
        return "", ""
    return name, password


def _of_what_it_does(scope: Asgi, headers: Headers, rules: Rules) -> Response | None:
    path, method = scope["path"], scope["method"]
    if path.startswith(_REPORTS) and not rules.takes_reports:
        return _no(403, "only runs may report here that an asset was made or checked; to let other programs do so, set "
                        "ELECTION_METRICS_UI_REPORTS=true")  # fmt: skip
    if path == _GRAPHQL and method != "POST" and not (method == "GET" and "text/html" in headers.get("accept", "")):
        return _no(405, "ask by POST, with Content-Type: application/json and the query in the body", {"allow": "POST"})
    kinds = [kind.partition(";")[0].strip().lower() for kind in headers.getlist("content-type")]
    if method not in ("GET", "HEAD") and kinds != ["application/json"]:
        return _no(415, "the body must be JSON: send Content-Type: application/json (a form of any page sends others)")
    return None


def _no(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers)


def _safe(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    replaced = {*_SAFE, "feature-policy"}
    others = [(name, value) for name, value in headers if name.decode("latin-1").lower() not in replaced]
    added = [*_SAFE.items(), ("content-security-policy", _POLICY)]
    return [*others, *((name.encode(), value.encode()) for name, value in added)]


async def _refuse_handshake(refused: Response, scope: Asgi, receive: Receive, send: Send) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        # Starlette's response supports handshakes, and sends its body in the answer.
        await refused(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})
