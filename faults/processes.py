"""Forked processes that do the work of runs, and the faults of processes."""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import psycopg
import time_machine

from election_metrics.errors import ElectionMetricsError

FAILED, SURPRISED = 3, 4
Hurt = Callable[[], None]
T = TypeVar("T")
_CAPABILITIES = 0x20080522
_DAC = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


class Process:
    """A forked process that runs one action."""

    def __init__(
        self,
        action: Callable[[], object],
        log: Path,
        clock: datetime,
        hurt: Hurt = lambda: None,
        *,
        as_root: bool = False,
    ) -> None:
        """Starts the process. Output and exceptions go to the log. File permissions apply unless `as_root` is set."""
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        code = SURPRISED
        try:
            with log.open("a", encoding="utf-8") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            if not as_root:
                give_up_root()
            code = _act(action, clock, hurt)
        finally:
            os._exit(code)  # this copy of a worker must never continue as one

    def wait(self, seconds: float) -> int | None:
        """Its exit code (negative for a signal), or None while it runs or is stopped."""
        deadline = time.monotonic() + seconds
        while self.status is None and time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return None
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.005)
        return self.status

    def signal(self, number: int) -> None:
        """Sends a signal if the process is still alive."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, seconds: float) -> int:
        """Continues the process and waits for its end.

        Raises:
            TimeoutError: the process hung and was killed.
        """
        self.signal(signal.SIGCONT)
        code = self.wait(seconds)
        if code is None:
            self.signal(signal.SIGKILL)
            self.wait(5)
            raise TimeoutError(f"a process hung for {seconds:g} s")
        return code


def ask(action: Callable[[], T], log: Path, clock: datetime, seconds: float, *, as_root: bool = False) -> T:
    """Returns the result of an action that runs in a forked process.

    Raises:
        AssertionError: the action failed; contains the end of the log.
        TimeoutError: the process hung.
    """
    with tempfile.NamedTemporaryFile() as answer:
        path = Path(answer.name)
        if Process(lambda: path.write_bytes(pickle.dumps(action())), log, clock, as_root=as_root).end(seconds) != 0:
            raise AssertionError(log.read_text("utf-8", "replace")[-3_000:])
        result: T = pickle.loads(path.read_bytes())
        return result


def _act(action: Callable[[], object], clock: datetime, hurt: Hurt) -> int:
    message = ""
    try:
        with time_machine.travel(clock, tick=True):
            hurt()
            action()
        return 0
    except (ElectionMetricsError, OSError) as error:
        message = f"{type(error).__name__}: {error}\n"
        return FAILED
    except BaseException:
        message = traceback.format_exc()
        return SURPRISED
    finally:
        sys.setprofile(None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.write(2, message.encode())


def give_up_root() -> None:
    """Applies file permissions to root as well, from now on, in this process."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice 32 bits
    if libc.capget(header, sets) == 0:
        sets[0] &= ~_DAC
        libc.capset(header, sets)


def small_quota(bytes_a_file: int) -> None:
    """Limits the size of files that this process writes; simulates a disk that becomes full at any byte."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, resource.RLIM_INFINITY))


def stop_self() -> None:
    """Stops until SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def drop_connections(url: str) -> None:
    """Terminates all connections to the database of this URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
