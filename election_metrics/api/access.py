"""Access control of the API: host names, rate limits, tokens, security headers.

On an address of this machine only, reading is open; on any other, it needs a token. Every change needs a token with
scope `operate`. The page has a cookie session, which is valid for reading only, so that another site cannot make a
browser change anything.
"""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match

from election_metrics.api.other_sites import OtherSites
from election_metrics.api.problems import problem
from election_metrics.api.rates import Rates
from election_metrics.api.sessions import COOKIE, SIGN_IN, SIGN_OUT, Sessions
from election_metrics.api.tokens import Scope, Token, Tokens
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings
from election_metrics.web.asgi import App, Asgi, Receive, Send
from election_metrics.web.names import Names, is_own_address, names_of

AUDIT = "/api/v1/audit"
# Health probes have no token.
_NEED_NOTHING = {"/api/v1/health", "/api/v1/ready", SIGN_IN, SIGN_OUT, "/api/v1/openapi.json"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class AtTheDoor:
    """ASGI middleware for every request: host names, rates, tokens, the ending `.csv`, NULs, security headers.

    A path that ends in `.csv` is what people open in a browser: `scope["for_spreadsheet"]` says so.
    """

    def __init__(self, app: App, settings: Settings, names: Names | None, rates: Rates, sessions: Sessions) -> None:
        """Does not read the file of tokens yet: it is read when a token arrives."""
        self._app = app
        self._tokens = Tokens(settings.tokens_path)
        self._is_open = reads_are_open(settings)
        self._names = names
        self._rates, self._sessions = rates, sessions
        self._sites = OtherSites(settings)

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Asgi) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._sites.headers(scope)]
            await send(message)

        await (await self._answer(scope) or self._app)(_as_csv(scope), receive, send_safely)

    async def _answer(self, scope: Asgi) -> Response | None:
        """The response, if the application is not called; else None."""
        path: str = scope["path"]
        if any(character < " " for character in path) or b"%00" in scope.get("query_string", b""):
            # Routes ignore a line feed at the end of a path, whereas access is decided by the exact path.
            return problem(422, "the path holds a control character, or a parameter a NUL character")
        host = Headers(scope=scope).get("host", "")
        if self._names is not None and not self._names.has(host):
            # Protects against DNS rebinding: another site's name may resolve to this address.
            return problem(421, f"this is not {host!r}; if people reach the page by that name, add it to "
                                "ELECTION_METRICS_API_HOSTS")  # fmt: skip
        if not (path.startswith("/api/") or path == "/metrics"):
            return None
        try:
            return await self._refusal(scope, path.removesuffix(".csv"))
        except SettingsError as error:
            return problem(503, str(error), {"retry-after": "2"})

    async def _refusal(self, scope: Asgi, path: str) -> Response | None:
        headers = Headers(scope=scope)
        is_read = scope["method"] in ("GET", "HEAD", "OPTIONS")
        needed: Scope = "read" if is_read and path != AUDIT else "operate"
        address = address_of(scope)
        bearer = _bearer(headers)
        token = self._tokens.find(bearer) if bearer else await self._signed_in(scope, headers) if is_read else None
        who = token.name if token else address
        if bearer and not token:
            # Guessing tokens is rate-limited, also for reads.
            return await self._too_often("operate", address) or _unknown("this token is not known, or was revoked")
        if too_often := await self._too_often("read" if is_read else "operate", who):
            return too_often

        async def holds() -> bool:
            """Whether the request is still permitted, for responses that take long, such as streams."""
            again = self._tokens.find(bearer) if bearer else await self._signed_in(scope, headers)
            return again is not None or (token is None and self._is_open)

        scope.setdefault("state", {}).update(who=who, holds=holds)
        if scope["method"] == "OPTIONS":
            return _options(scope)
        refused = self._not_allowed(path, needed, token)
        return refused and (_nothing_there(scope) or refused)

    async def _signed_in(self, scope: Asgi, headers: Headers) -> Token | None:
        """The token of a browser's session; None if there is none or it has ended."""
        session = _cookie(headers)
        token = await self._sessions.find(session) if session else None
        scope.setdefault("state", {})["is_signed_in"] = token is not None
        return token

    def _not_allowed(self, path: str, needed: Scope, token: Token | None) -> Response | None:
        if path in _NEED_NOTHING or (token and token.may(needed)) or (needed == "read" and self._is_open):
            return None
        if token is None:
            return _unknown(f"a token that may {needed} is needed: Authorization: Bearer …; "
                            f"election-metrics token create NAME --scope {needed} makes one")  # fmt: skip
        return problem(403, f"the token {token.name!r} may {' and '.join(token.scopes)}; this needs {needed}")

    async def _too_often(self, rate: str, who: str) -> Response | None:
        limit = await self._rates.exceeded(rate, who)
        if limit is None:
            return None
        return problem(429, f"more than {limit}: wait a moment", {"retry-after": str(max(1, limit.get_expiry()))})


def address_of(scope: Asgi) -> str:
    """The address of the client."""
    return str(scope["client"][0]) if scope.get("client") else "unknown"


def _methods_at(scope: Asgi) -> list[str]:
    def takes(asked: Asgi) -> bool:
        return any(route.matches(asked)[0] is Match.FULL for route in scope["app"].routes)

    return [method for method in _METHODS if takes({**_as_csv(scope), "method": method})]


def _nothing_there(scope: Asgi) -> Response | None:
    """404 or 405 for an unknown path or method, without a token: this is public information."""
    methods = _methods_at(scope)
    if not methods:
        return problem(404, f"there is no {scope['path']}: see /api/v1/openapi.json for what there is")
    if scope["method"] not in methods:
        return problem(405, f"{scope['path']} takes {', '.join(methods)}", {"allow": ", ".join(methods)})
    return None


def _options(scope: Asgi) -> Response:
    """The methods of a path; what another site may do is in its other headers."""
    methods = _methods_at(scope)
    if not methods:
        return problem(404, f"there is no {scope['path']}: see /api/v1/openapi.json for what there is")
    return Response(status_code=204, headers={"allow": ", ".join([*methods, "OPTIONS"])})


def reads_are_open(settings: Settings) -> bool:
    """Whether reading is open: by the setting, else on an address of this machine only."""
    if settings.api_reads is not None:
        return settings.api_reads == "open"
    return is_own_address(settings.api_host, "ELECTION_METRICS_API_HOST")


def names_of_api(settings: Settings) -> Names | None:
    """The names under which the API answers; None: all.

    Raises:
        SettingsError: it listens on something that is not an address.
    """
    named = [name.strip() for name in (settings.api_hosts or "").split(",") if name.strip()]
    if not named and not is_own_address(settings.api_host, "ELECTION_METRICS_API_HOST"):
        return None  # reading needs a token there, which other sites do not have
    return names_of("127.0.0.1", named)


def _unknown(detail: str) -> Response:
    return problem(401, detail, {"www-authenticate": "Bearer"})


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _as_csv(scope: Asgi) -> Asgi:
    path: str = scope["path"]
    if not (path.startswith("/api/") and path.endswith(".csv")):
        return scope
    others = [(name, value) for name, value in scope["headers"] if name != b"accept"]
    plain = path.removesuffix(".csv")
    return {**scope, "path": plain, "raw_path": plain.encode(), "headers": [*others, (b"accept", b"text/csv")],
            "for_spreadsheet": True}  # fmt: skip
