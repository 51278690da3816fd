"""Security headers, and what other web sites may do: read the API from a browser (CORS), show charts in a frame."""

import re

from starlette.datastructures import Headers

from election_metrics.settings import Settings
from election_metrics.web.asgi import Asgi

EMBEDDED = "/embed"
"""The path of the page that may be shown in a frame."""
_FRAMES = b"frame-ancestors "
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
_SAFE_BYTES = {name.encode(): value.encode() for name, value in _SAFE.items()}
_READING = ("GET", "HEAD", "OPTIONS")
_OF_READERS = {
    b"cross-origin-resource-policy": b"cross-origin",
    b"access-control-allow-methods": b"GET, HEAD",
    b"access-control-allow-headers": b"accept, authorization, if-none-match, if-modified-since, last-event-id",
    b"access-control-expose-headers": b"etag, x-as-of, x-coverage, x-known-at, x-next, x-run-id",
    b"access-control-max-age": b"600",
    b"vary": b"origin",
}


class OtherSites:
    """The headers of every response, by what the settings permit other sites."""

    def __init__(self, settings: Settings) -> None:
        """Reads API_ORIGINS and EMBED_ORIGINS."""
        self._readers = _origins(settings.api_origins)
        self._framers = _origins(settings.embed_origins)
        self._safe = list(_SAFE_BYTES.items())

    def headers(self, scope: Asgi) -> list[tuple[bytes, bytes]]:
        """Security headers of the response to a request, with those that another site needs, if it may have them."""
        path: str = scope["path"]
        if self._framers and path == EMBEDDED:
            policy = _SAFE_BYTES[b"content-security-policy"]
            framed = policy.replace(_FRAMES + b"'none'", _FRAMES + " ".join(self._framers).encode())
            others = {name: value for name, value in _SAFE_BYTES.items() if name != b"x-frame-options"}
            return [*(others | {b"content-security-policy": framed}).items()]
        if not self._readers or not path.startswith("/api/") or scope["method"] not in _READING:
            return self._safe
        origin = Headers(scope=scope).get("origin", "")
        if "*" not in self._readers and origin not in self._readers:
            return [*self._safe, (b"vary", b"origin")]
        # Never with cookies: another site reads what anybody may read, or what its own token may.
        allowed = b"*" if "*" in self._readers else origin.encode()
        return [*(_SAFE_BYTES | _OF_READERS | {b"access-control-allow-origin": allowed}).items()]


def _origins(named: str | None) -> list[str]:
    return [one for one in re.split(r"[\s,]+", named or "") if one]
