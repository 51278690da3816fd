"""Connections whose other end is too slow are closed: uvicorn by itself waits for headers and readers for ever."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Patience(HttpToolsProtocol):
    """HTTP for senders that finish their requests in time, and readers that take their answers.

    Attributes:
        headers_within: seconds from a connection, or a request's first byte, to the end of its headers.
        body_within: seconds for the body after them.
        read_within: seconds in which a reader must take something of what waits for it.
    """

    headers_within = 10.0
    body_within = 20.0
    read_within = 30.0

    _sender: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request."""
        super().connection_made(transport)
        self._wait_for("the headers", self.headers_within)

    def data_received(self, data: bytes) -> None:
        """Takes in a part of a request; empty lines between requests are none."""
        super().data_received(data)
        is_ours = self.transport.get_protocol() is self  # else it has just become a WebSocket
        if is_ours and self._sender is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for("the headers", self.headers_within)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._wait_for("the headers", self.headers_within)

    def on_headers_complete(self) -> None:
        """Its headers are there."""
        super().on_headers_complete()
        self._wait_for("the body", self.body_within)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        super().on_message_complete()
        self._stop_waiting()

    def handle_websocket_upgrade(self) -> None:
        """Leaves the connection to the protocol of WebSockets, which has patience of its own."""
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """The reader takes nothing for now."""
        super().pause_writing()
        self._reader = self._reader or self.loop.call_later(self.read_within, self._abort)

    def resume_writing(self) -> None:
        """The reader goes on."""
        super().resume_writing()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._stop_waiting()
        self._go_on()
        super().connection_lost(exc)

    def _wait_for(self, what: str, seconds: float) -> None:
        self._stop_waiting()
        self._sender = self.loop.call_later(seconds, self._give_up, what, seconds)

    def _stop_waiting(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None

    def _go_on(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _give_up(self, what: str, seconds: float) -> None:
        if self.transport.is_closing():
            return
        cycle = cast(Any, self.cycle)
        before = cycle is None or cycle.response_complete
        if not self.pipeline and (before if what == "the headers" else not before and not cycle.response_started):
            said = f"{what} of the request did not come within {seconds:g} seconds\n".encode()
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain\r\n"
                                 b"content-length: %d\r\n\r\n%s" % (len(said), said))  # fmt: skip
        self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()
