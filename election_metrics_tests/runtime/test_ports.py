"""A service listens where it was told to, or says why not; a person is told where else."""

import os
import pty
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.errors import ElectionMetricsError
from election_metrics.runtime import ports
from election_metrics.runtime.ports import port_for
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings

HOST = "127.0.0.1"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A port on which somebody listens; services wait a second for it."""
    monkeypatch.setattr(ports, "PATIENCE", 1.0)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other


def port_of(other: socket.socket) -> int:
    return int(other.getsockname()[1])


def test_a_person_gets_a_free_one_and_a_service_an_error(taken: socket.socket) -> None:
    port = port_of(taken)
    assert port_for("it", port, HOST, "--port", may_differ=True) not in (0, port)
    with pytest.raises(ElectionMetricsError, match=rf"port {port} of {HOST} is taken \(by process \d+, python.*--port"):
        port_for("it", port, HOST, "--port", may_differ=False)
    assert port_for("it", 0, HOST, "--port", may_differ=False) > 0


def test_a_service_waits_for_the_parts_of_one_that_was_killed(taken: socket.socket) -> None:
    threading.Timer(0.4, taken.close).start()
    port, begin = port_of(taken), time.monotonic()
    assert port_for("it", port, HOST, "--port", may_differ=False) == port
    assert time.monotonic() - begin > 0.2


@pytest.mark.parametrize("which", ["--port", "--read-only-port", "ELECTION_METRICS_API_PORT",
                                   "ELECTION_METRICS_METRICS_PORT"])  # fmt: skip
def test_up_as_a_service_ends_where_a_port_is_taken(
    chosen: Settings, taken: socket.socket, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    asked = {"--port": free_port(3700), "--read-only-port": free_port(3800), which: port_of(taken)}
    monkeypatch.setenv("ELECTION_METRICS_API_PORT", str(asked.get("ELECTION_METRICS_API_PORT", free_port(3900))))
    if "METRICS_METRICS" in which:
        monkeypatch.setenv(which, str(port_of(taken)))
    options = [text for name, port in asked.items() if name.startswith("--") for text in (name, str(port))]
    done = CliRunner().invoke(main, ["up", *options])
    assert done.exit_code == 1
    assert f"port {port_of(taken)} of" in done.output
    assert done.output.strip().endswith(f"or give another port: {which}")


@pytest.mark.long
@pytest.mark.rare
def test_a_person_is_at_a_terminal_with_both_hands() -> None:
    code = "from election_metrics.runtime.ports import at_terminal; raise SystemExit(at_terminal())"
    here, there = pty.openpty()
    for stdin, stdout, expected in ((there, there, 1), (there, subprocess.DEVNULL, 0), (subprocess.DEVNULL, there, 0)):
        done = subprocess.run([sys.executable, "-c", code], check=False, stdin=stdin, stdout=stdout, timeout=60)
        assert done.returncode == expected
    for end in (here, there):
        os.close(end)
