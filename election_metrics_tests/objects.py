"""An S3 server on this machine (moto's), which can be made slow, busy, or made to hang up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Thread
from time import sleep
from typing import Any

import boto3
import requests
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_ERROR = """<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>{}</Message></Error>"""
_BUSY = _ERROR.format("SlowDown", "Please reduce your request rate.").encode()
_FORBIDDEN = _ERROR.format("AccessDenied", "Access Denied").encode()


class ObjectStore:
    """The server, as a WSGI application around moto's.

    Attributes:
        busy: share of requests that are answered with 503.
        slow: share of requests that wait.
        hanging_up: share of requests whose connection is cut within the answer.
        silent: seconds that every request waits.
        forbids: whether every request is answered with 403.
        requests: how many there were.
    """

    def __init__(self) -> None:
        self.application = DomainDispatcherApplication(create_backend_app)
        self.busy = self.slow = self.hanging_up = 0.0
        self.silent, self.forbids = 0.0, False
        self.random = Random(1)
        self.requests = 0
        self.hurt = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        self.requests += 1
        sleep(self.silent)
        chance = self.random.random()
        if self.forbids or chance < self.busy:
            self.hurt += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, body = ("403 Forbidden", _FORBIDDEN) if self.forbids else ("503 Slow Down", _BUSY)
            start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        if chance < self.busy + self.slow:
            self.hurt += 1
            sleep(0.3)
        answer = self.application(environ, start_response)
        if self.busy + self.slow <= chance < self.busy + self.slow + self.hanging_up:
            self.hurt += 1
            return _cut_off(answer)
        return answer


def _cut_off(answer: Any) -> Iterator[bytes]:
    for block in answer:
        yield block[: len(block) // 2]
        raise ConnectionResetError("the server hangs up")


@contextmanager
def object_store() -> Iterator[tuple[ObjectStore, str]]:
    """A server with a bucket `observatory`, and its address."""
    store = ObjectStore()
    server = make_server("127.0.0.1", 0, store, threaded=True)  # type: ignore[arg-type]
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="y", region_name="us-east-1"
    )
    requests.post(f"{url}/moto-api/reset", timeout=10)  # moto's buckets are the process's, not the server's
    client.create_bucket(Bucket="observatory")
    try:
        yield store, url
    finally:
        server.shutdown()
