"""The process of the embedded server: whether it runs, is ready and answers; and how it stops."""

import contextlib
import pwd
import signal
import time
from pathlib import Path

import psutil
import psycopg

SUPERUSER = "postgres"
_STOP_SECONDS = 60.0


def check_answer(home: Path, folder: Path) -> None:
    """Raises OperationalError if this server does not answer there."""
    psycopg.connect(
        host=str(folder), user=SUPERUSER, dbname=SUPERUSER, connect_timeout=10, requirepeer=account_of_server(home)
    ).close()


def account_of_server(home: Path) -> str:
    """The account of the server: the owner of its data. Servers of other accounts are not trusted (`requirepeer`)."""
    return pwd.getpwuid((home / "postgres").stat().st_uid).pw_name


def wait_until_ready(home: Path) -> Path | None:
    """The folder of the socket if the server of HOME runs; waits for a server that is starting or stopping."""
    deadline = time.monotonic() + _STOP_SECONDS
    while (process := living_process(home / "postgres" / "postmaster.pid")) is not None:
        if (folder := socket_if_ready(home)) is not None:
            return folder
        if time.monotonic() > deadline:
            raise OSError(f"process {process.pid} runs, but does not become ready")
        time.sleep(0.1)
    return None


def socket_if_ready(home: Path) -> Path | None:
    """The folder of the socket if the server of HOME runs and is ready."""
    pid_file = home / "postgres" / "postmaster.pid"
    if living_process(pid_file) is None:
        return None
    with contextlib.suppress(OSError, IndexError):
        lines = pid_file.read_text().splitlines()
        if lines[7].strip() == "ready":
            note = home / ".postgres.socket"
            return Path(note.read_text() if note.exists() else lines[4])
    return None


def living_process(pid_file: Path) -> psutil.Process | None:
    """The process of this pid file if it is the server: alive, not a zombie, not another program with a reused id.

    The working directory of a server is its data folder, which tells it from any other process with that id.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.Error):
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        if process.status() != psutil.STATUS_ZOMBIE and pid_file.parent.samefile(process.cwd()):
            return process
    return None


def stop(home: Path) -> None:
    """Stops the server with a fast shutdown; committed data is safe."""
    process = living_process(home / "postgres" / "postmaster.pid")
    if process is None:
        return
    with contextlib.suppress(psutil.Error):
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 10.0)):
            process.send_signal(number)
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(seconds)
                break
    note = home / ".postgres.socket"
    with contextlib.suppress(OSError):
        folder = Path(note.read_text())
        if folder != home / "postgres":
            folder.rmdir()
