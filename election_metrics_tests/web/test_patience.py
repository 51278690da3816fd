"""Who sends too slowly, too much, or takes no answer, is cut off; everybody else is not."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from election_metrics.web.asgi import SmallBodies
from election_metrics.web.patience import Patience
from election_metrics_tests.serving import served

pytestmark = pytest.mark.quiet

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
heard: list[str] = []


class Impatience(Patience):
    headers_within = body_within = read_within = 0.4


async def echo(request: Request) -> Response:
    heard.append(request.method)
    return PlainTextResponse(await request.body())


async def refuse(_: Request) -> Response:
    return PlainTextResponse("no", 401)


async def much(_: Request) -> Response:
    return PlainTextResponse("x" * 50_000_000)


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    everything = ["GET", "POST"]
    app = Starlette(routes=[
        Route("/echo", echo, methods=everything), Route("/refuse", refuse, methods=everything), Route("/much", much),
        WebSocketRoute("/talk", talk),
    ])  # fmt: skip
    small = SmallBodies(app, 1000, lambda said: PlainTextResponse(said, 413))
    with served(small, Impatience) as address:
        yield address.split(":")[0], int(address.split(":")[1])


def answer_to(server: tuple[str, int], *parts: bytes, pause: float = 0.0) -> bytes:
    """All that comes until the server closes, which it must do within 3 s."""
    with socket.create_connection(server) as line:
        line.settimeout(0.01)
        answer, ends = b"", time.monotonic() + 3
        waiting, next_at = list(parts), 0.0
        while time.monotonic() < ends:
            if waiting and time.monotonic() >= next_at:
                next_at = time.monotonic() + pause
                try:
                    line.sendall(waiting.pop(0))
                except OSError:
                    return answer
            try:
                got = line.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return answer
            if not got:
                return answer
            answer += got
    raise AssertionError(f"still open after 3 s: {answer[:200]!r}")


def test_headers_that_do_not_end_are_answered_408(server: tuple[str, int]) -> None:
    slow = [HEAD, *[b"X-Slow: 1\r\n"] * 40]
    for parts in ([], [HEAD], slow, [b"\r\n"] * 40, [b"P"]):
        answer = answer_to(server, *parts, pause=0.1)
        assert answer.startswith(b"HTTP/1.1 408 "), parts[:1]
        assert b"the headers of the request did not come within 0.4 seconds" in answer


def test_a_body_that_does_not_end_is_answered_408_and_never_reaches_the_application(server: tuple[str, int]) -> None:
    heard.clear()
    for head in (b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        drops = [b"x"] * 40 if b"Length" in head else [b"1\r\nx\r\n"] * 40
        assert answer_to(server, HEAD + head, *drops, pause=0.1).startswith(b"HTTP/1.1 408 "), head
    assert heard == []


def test_after_an_early_refusal_the_rest_of_a_body_is_not_waited_for(server: tuple[str, int]) -> None:
    head = HEAD.replace(b"echo", b"refuse") + b"Content-Length: 100\r\n\r\n"
    assert answer_to(server, head, *[b"x"] * 40, pause=0.1).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("kind", ["said", "chunked", "both"])
def test_a_large_body_is_refused_before_anything_reads_it(server: tuple[str, int], kind: str) -> None:
    heard.clear()
    chunks = [b"3e8\r\n" + b"x" * 1000 + b"\r\n"] * 40
    if kind == "said":
        answer = answer_to(server, HEAD + b"Content-Length: 1001\r\n\r\n")
    elif kind == "chunked":
        answer = answer_to(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    else:
        answer = answer_to(server, HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
        return
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"limited to 1,000 bytes" in answer
    assert heard == []


def test_headers_and_trailers_have_an_end(server: tuple[str, int]) -> None:
    heard.clear()
    long = b"X-Long: " + b"x" * 10_000 + b"\r\n"
    for parts in (
        [HEAD, *[long] * 2000],
        [HEAD, b"X-Long: ", *[b"x" * 10_000] * 2000],
        [b"GET /", *[b"x" * 10_000] * 2000],
    ):
        answer = answer_to(server, *parts)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")), answer
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    answer_to(server, chunked, *[long] * 2000)
    assert heard == []


def test_a_request_in_time_is_answered_and_the_line_goes_on(server: tuple[str, int]) -> None:
    whole = HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000
    chunked = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    halves = [whole[:40], whole[40:], b"\r\n" + whole, chunked]
    answer = answer_to(server, *halves, pause=0.1)
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.endswith(b"abc")


def test_a_reader_that_takes_nothing_is_let_go(server: tuple[str, int]) -> None:
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(server)
        line.sendall(HEAD.replace(b"POST /echo", b"GET /much") + b"\r\n")
        time.sleep(1.2)
        line.settimeout(2)
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := line.recv(1 << 20):
                got += len(part)
        assert 0 < got < 50_000_000


def test_a_websocket_may_be_silent(server: tuple[str, int]) -> None:
    with connect(f"ws://{server[0]}:{server[1]}/talk") as line:
        time.sleep(1)
        line.send("still there")
        assert line.recv(2) == "still there"
