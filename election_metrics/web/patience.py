"""Closes connections of clients that are too slow or send endless headers; uvicorn would wait forever."""

import asyncio
from typing import Any, Literal, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Patience(HttpToolsProtocol):
    """uvicorn's HTTP protocol with deadlines for requests and for reading responses.

    Attributes:
        headers_within: seconds from a connection, or a request's first byte, to the end of its headers.
        body_within: seconds for the body after them.
        read_within: seconds within which a client must read some of the pending response.
        most_header_bytes: limit of the headers of a request.
        most_bytes: limit of a request with its body and trailing data; `SmallBodies` limits the body.
    """

    headers_within = 10.0
    body_within = 20.0
    read_within = 30.0
    most_header_bytes = 64 * 2**10
    most_bytes = 4 * 2**20

    _awaited: Literal["a request", "the headers", "the body"] = "a request"
    _taken = 0
    _sender: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request."""
        super().connection_made(transport)
        self._wait(self.headers_within)

    def data_received(self, data: bytes) -> None:
        """Receives a part of a request; empty lines between requests are ignored."""
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            return  # the connection has just become a WebSocket
        if self._awaited == "a request":
            if self._sender is None and (self.cycle is None or self.cycle.response_complete):
                self._wait(self.headers_within)
            return
        self._taken += len(data)
        if self._taken > (self.most_header_bytes if self._awaited == "the headers" else self.most_bytes):
            self._end("431 Request Header Fields Too Large", f"{self._awaited} of the request are too long")

    def on_message_begin(self) -> None:
        """Starts the deadline of the headers."""
        super().on_message_begin()
        self._awaited, self._taken = "the headers", 0
        self._wait(self.headers_within)

    def on_headers_complete(self) -> None:
        """Starts the deadline of the body."""
        super().on_headers_complete()
        self._awaited = "the body"
        self._wait(self.body_within)

    def on_message_complete(self) -> None:
        """Ends the deadlines of the request."""
        super().on_message_complete()
        self._awaited = "a request"
        self._stop_waiting()

    def handle_websocket_upgrade(self) -> None:
        """Leaves the connection to the WebSocket protocol, which has separate timeouts."""
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """Starts the deadline of the reader."""
        super().pause_writing()
        self._reader = self._reader or self.loop.call_later(self.read_within, self._abort)

    def resume_writing(self) -> None:
        """Ends the deadline of the reader."""
        super().resume_writing()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all deadlines."""
        self._stop_waiting()
        self._go_on()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._sender = self.loop.call_later(seconds, self._give_up, seconds)

    def _stop_waiting(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None

    def _go_on(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _give_up(self, seconds: float) -> None:
        awaited = "the headers" if self._awaited == "a request" else self._awaited
        self._end("408 Request Timeout", f"{awaited} of the request did not come within {seconds:g} seconds")

    def _end(self, status: str, sentence: str) -> None:
        """Closes the connection; sends the reason unless a response is in flight."""
        if self.transport.is_closing():
            return
        cycle = cast(Any, self.cycle)
        before = cycle is None or cycle.response_complete
        is_free = not before and not cycle.response_started if self._awaited == "the body" else before
        if is_free and not self.pipeline:
            body = f"{sentence}\n".encode()
            self.transport.write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-type: text/plain\r\n"
                                 b"content-length: %d\r\n\r\n%s" % (status.encode(), len(body), body))  # fmt: skip
        self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()
