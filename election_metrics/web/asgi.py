"""ASGI types, and a limit on request bodies."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.responses import Response

Asgi = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Asgi]]
Send = Callable[[Asgi], Awaitable[None]]
App = Callable[[Asgi, Receive, Send], Awaitable[None]]
_GONE: Final = b"the sender has gone"


class SmallBodies:
    """ASGI middleware that reads the body of each request, up to a limit, before it calls the application."""

    def __init__(self, app: App, most: int, too_large: Callable[[str], Response]) -> None:
        """Refuses a body of more than `most` bytes; `too_large` turns a sentence into the response."""
        self._app, self._most, self._too_large = app, most, too_large

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Passes the request on with its body, or refuses it."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        body = None if _said_length(scope) > self._most else await self._read(receive)
        if body is _GONE:
            return
        if body is None:
            refused = self._too_large(f"the body of a request is limited to {self._most:,} bytes")
            refused.headers["connection"] = "close"  # otherwise the server would read the rest of the body
            await refused(scope, receive, send)
            return
        read: list[Asgi] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_read() -> Asgi:
            return read.pop() if read else await receive()

        await self._app(scope, receive_read, send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":  # an incomplete body is discarded
                return _GONE
            body += message.get("body", b"")
            if len(body) > self._most:
                return None
            if not message.get("more_body", False):
                return bytes(body)


def _has_body(scope: Asgi) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _said_length(scope: Asgi) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)
