"""A Redis of a test's own: Debian's redis-server."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotThere

from election_metrics.runtime.supervisor import free_port
from election_metrics_tests.end_to_end.running import wait_for

_NONE = "there is no redis-server; type: apt-get install redis-server"


@contextlib.contextmanager
def redis_server(folder: Path, port: int) -> Iterator[str]:
    """The URL of an empty Redis, which listens on this port or a free one of this machine.

    Where redis-server is not installed the test is skipped, unless REDIS=required.
    """
    program = shutil.which("redis-server")
    if program is None:
        (pytest.fail if os.environ.get("REDIS") == "required" else pytest.skip)(_NONE)
    port = free_port(port)
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        with Redis(port=port) as redis:
            wait_for("Redis", lambda: _answers(redis), 20)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait(10)


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except NotThere:
        return False
