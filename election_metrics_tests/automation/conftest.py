"""Servers that alerts are sent to."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[str]]]:
    """A server that takes what is posted; its address, and the texts so far. The path /down answers 500."""
    texts: list[str] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/down" and "The disk of" not in body["text"]:  # this machine's may be full
                texts.append(body["text"])
            self.send_response(500 if self.path == "/down" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", texts
    server.shutdown()
    server.server_close()


@pytest.fixture
def services() -> Iterator[tuple[str, dict[str, list[dict[str, object]]]]]:
    """A server of services: host and port, and what each path took. /down answers 500; /slow goes on for ever."""
    took: dict[str, list[dict[str, object]]] = {}
    ended = threading.Event()

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "/slow" in self.path:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx-more: ")
                with contextlib.suppress(OSError):
                    while not ended.wait(0.2):
                        self.wfile.write(b"1")
                return
            took.setdefault(self.path, []).append(body)
            self.send_response(500 if "/down" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", took
        ended.set()
        server.shutdown()
