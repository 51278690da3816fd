"""The processes that use the embedded server; it stops with the last of them."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from election_metrics.warehouse.embedded_process import stop
from election_metrics.warehouse.private_files import open_private


@contextlib.contextmanager
def start_lock(home: Path) -> Iterator[None]:
    """Serialises the decision whether to start the server."""
    with open_private(home / ".postgres.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _users(home: Path) -> dict[int, float]:
    """The living processes that use the server: start time by process id."""
    try:
        users = json.loads((home / ".postgres.users").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {int(pid): began for pid, began in users.items() if _began(int(pid)) == began}


def _began(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def keep(home: Path, *pids: int) -> None:
    """Registers processes as users of the server; the caller holds `start_lock`."""
    users = _users(home) | {pid: began for pid in pids if (began := _began(pid)) is not None}
    with open_private(home / ".postgres.users", "w") as file:
        json.dump(users, file)


def leave(home: Path, pid: int) -> None:
    """Stops the server when the last living process that uses it ends."""
    if os.getpid() != pid:
        return  # a forked child inherits its parent's exit handlers
    with contextlib.suppress(OSError, ValueError), start_lock(home):
        others = {other: began for other, began in _users(home).items() if other != pid}
        with open_private(home / ".postgres.users", "w") as file:
            json.dump(others, file)
        if not others:
            stop(home)
