"""Commands as a person types them, each in a process of its own: a fork of one that has imported the libraries.

Nothing of ours is imported before the fork, so that a command finds what it would find in a fresh interpreter.
"""

import atexit
import contextlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from multiprocessing import reduction
from pathlib import Path
from typing import Any

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["alembic.command", "click", "dagster", "dagster_postgres", "duckdb", "pandas", "psycopg", "pyarrow.csv",
     "pyarrow.parquet", "pydantic_settings", "pytest", "rich.console", "rich.progress", "scipy.special", "slugify",
     "sqlalchemy.dialects.postgresql.psycopg", "tenacity"]
)  # fmt: skip


def typed(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Types a command, and waits for its end."""
    with tempfile.TemporaryDirectory() as folder:
        output, error = Path(folder) / "output", Path(folder) / "error"
        env = {**os.environ, "COLUMNS": "200", **environment}
        process = _FORKS.Process(target=_carry_out, args=(words, env, output, error))
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, output.read_text("utf-8"), error.read_text("utf-8"))


def _carry_out(words: tuple[str, ...], environment: dict[str, str], output: Path, error: Path) -> None:
    for number, path in ((1, output), (2, error)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), number)
    _be_the_command(words, environment)


def _be_the_command(words: tuple[str, ...], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    warnings.simplefilter("ignore")
    from election_metrics.cli import main

    try:
        main(words, prog_name="election-metrics")
    finally:
        atexit._run_exitfuncs()  # a forked process would end without


_PROGRAM = """#!{python} -IS
import json, os, socket, sys
there = socket.socket(socket.AF_UNIX)
there.connect({address!r})
said = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(there, [len(said).to_bytes(4, "big")], [0, 1, 2])
there.sendall(said)
sys.exit(int(there.makefile().read() or 1))
"""


@contextlib.contextmanager
def program() -> Iterator[Path]:
    """A folder for PATH whose `election-metrics` is such a fork, with the folder, environment, input and output of the shell."""
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listening:
        address, script = f"{name}/socket", Path(name) / "election-metrics"
        script.write_text(_PROGRAM.format(python=sys.executable, address=address), "utf-8")
        script.chmod(0o700)
        listening.bind(address)
        listening.listen()
        threading.Thread(target=_answer_all, args=(listening,), daemon=True).start()
        yield Path(name)
        listening.shutdown(socket.SHUT_RDWR)  # ends the thread


def _answer_all(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_answer, args=(listening.accept()[0],), daemon=True).start()


def _answer(asking: socket.socket) -> None:
    with asking:
        length, descriptors, *_ = socket.recv_fds(asking, 4, 3)
        with asking.makefile("rb") as said:
            words, environment, folder = json.loads(said.read(int.from_bytes(length, "big")))
        process = _FORKS.Process(
            target=_be_the_program, args=(tuple(words), environment, folder, *map(_Descriptor, descriptors))
        )
        process.start()
        for descriptor in descriptors:
            os.close(descriptor)
        process.join()
        asking.sendall(str(process.exitcode).encode())


class _Descriptor:
    """A file descriptor on its way to the forked process, where it arrives as its number there."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (reduction.DupFd(self.number),)


def _arrived(descriptor: Any) -> int:
    return int(descriptor.detach())


def _be_the_program(words: tuple[str, ...], environment: dict[str, str], folder: str, *descriptors: int) -> None:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 the process's own, to its end
    _be_the_command(words, environment)
