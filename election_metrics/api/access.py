"""Who may do what, how often, and what holds for every request: the first thing that a request meets.

On this machine's own address anybody may read; on any other, reading needs a token. Changing anything needs a token
that may operate, everywhere. The page sends its token as a cookie, which counts for reading only: a page of somebody
else cannot make a browser change anything.
"""

from http.cookies import CookieError, SimpleCookie

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.responses import Response

from election_metrics.api.problems import problem
from election_metrics.api.tokens import Scope, Token, Tokens
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings
from election_metrics.web.asgi import App, Asgi, Receive, Send
from election_metrics.web.names import is_own_address

COOKIE = "election_metrics_token"
AUDIT = "/api/v1/audit"
SIGN_IN = "/api/v1/sign-in"
_NEED_NOTHING = {"/api/v1/health", "/api/v1/ready", SIGN_IN, "/api/v1/openapi.json"}  # probes hold no token
_SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE_BYTES = [(name.encode(), value.encode()) for name, value in _SAFE.items()]


class AtTheDoor:
    """What every request passes: rates, tokens, `.csv` means CSV, no NUL gets in, safe headers go out."""

    def __init__(self, app: App, settings: Settings) -> None:
        """Reads the tokens' file when a token comes."""
        self._app = app
        self._tokens = Tokens(settings.tokens_path)
        self._is_open = reads_are_open(settings)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._rates = {"read": parse(settings.api_read_rate), "operate": parse(settings.api_write_rate)}

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Lets the request pass, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Asgi) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SAFE_BYTES]
            await send(message)

        path: str = scope["path"]
        refused = None
        if any(character < " " for character in path) or b"%00" in scope.get("query_string", b""):
            # Routes match a path that ends in a line feed as if it had none; what is allowed is decided by the path.
            refused = problem(422, "the path holds a control character, or a parameter a NUL character")
        elif path.startswith("/api/") or path == "/metrics":
            try:
                refused = self._refusal(scope, path.removesuffix(".csv"))
            except SettingsError as error:
                refused = problem(503, str(error), {"retry-after": "2"})
        await (refused or self._app)(_as_csv(scope), receive, send_safely)

    def _refusal(self, scope: Asgi, path: str) -> Response | None:
        headers = Headers(scope=scope)
        is_read = scope["method"] in ("GET", "HEAD")
        needed: Scope = "read" if is_read and path != AUDIT else "operate"
        given = _bearer(headers) or (_cookie(headers) if is_read else None)
        token = self._tokens.find(given) if given else None
        address = scope["client"][0] if scope.get("client") else "unknown"
        who = token.name if token else address
        rate = "read" if is_read else "operate"
        if given and not token:
            # Whoever tries tokens is slowed down, whatever he reads.
            return self._too_often("operate", address) or _unknown("this token is not known, or was revoked")
        if too_often := self._too_often(rate, who):
            return too_often
        scope.setdefault("state", {})["who"] = who
        return self._not_allowed(path, needed, token)

    def _not_allowed(self, path: str, needed: Scope, token: Token | None) -> Response | None:
        if path in _NEED_NOTHING or (token and token.may(needed)) or (needed == "read" and self._is_open):
            return None
        if token is None:
            return _unknown(f"a token that may {needed} is needed: Authorization: Bearer …; "
                            f"election-metrics token create NAME --scope {needed} makes one")  # fmt: skip
        return problem(403, f"the token {token.name!r} may {' and '.join(token.scopes)}; this needs {needed}")

    def _too_often(self, rate: str, who: str) -> Response | None:
        limit: RateLimitItem = self._rates[rate]
        if self._limiter.hit(limit, rate, who):
            return None
        return problem(429, f"more than {limit}: wait a moment", {"retry-after": str(max(1, limit.get_expiry()))})


def reads_are_open(settings: Settings) -> bool:
    """Whether anybody may read: as the settings say, else on this machine's own address only."""
    if settings.api_reads is not None:
        return settings.api_reads == "open"
    return is_own_address(settings.api_host, "ELECTION_METRICS_API_HOST")


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
    return {**scope, "path": plain, "raw_path": plain.encode(), "headers": [*others, (b"accept", b"text/csv")]}
