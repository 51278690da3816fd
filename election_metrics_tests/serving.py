"""Serves an ASGI application from a thread, on a port of its own, with the patience that ours are served with."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from election_metrics.web.patience import Patience
from election_metrics_tests.end_to_end.running import wait_for


@contextmanager
def served(app: Any, patience: type[Patience] = Patience) -> Iterator[str]:
    """Where it is: 127.0.0.1:PORT."""
    config = uvicorn.Config(app, port=0, http=patience, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for("the server", lambda: server.started, 20)
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
