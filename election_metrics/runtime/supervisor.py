"""Supervisor: keeps the code location, the webserver, the daemon and the embedded PostgreSQL running.

A process that exits unexpectedly is restarted, with exponential backoff. All output goes to one log; what an operator
should see is printed to the terminal as well. When the supervisor is killed, its children end by themselves
(`die_with_parent`), and the next start begins cleanly.
"""

import contextlib
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil
from dagster._grpc.client import DagsterGrpcClient

from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.disk import Reserve
from election_metrics.runtime.claim import claimed
from election_metrics.runtime.grid import Grid
from election_metrics.runtime.launch import dagster_environment
from election_metrics.runtime.log_file import LogFile
from election_metrics.settings import PREFIX, Settings
from election_metrics.warehouse.server import is_up, revive
from election_metrics.web.names import reached_at

_THIS_MACHINE = "127.0.0.1"
_LOOK_EVERY = 0.5
_STEADY_AFTER = 60.0
_LONGEST_PAUSE = 60.0
_LOG_BYTES = 20_000_000
_LOUD = (" - ERROR - ", " - CRITICAL - ")
_OF_A_RUN = "_job - "  # errors of a run are reported in one line when it has ended
_QUIET_FOR = 10.0
_CODE = "code location"
_CODE_MAY_TAKE = 3.0
"""Seconds that it has to finish a sensor's tick; an aborted tick is evaluated again."""
Tell = Callable[[str], None]


@dataclass
class Part:
    """A process to keep running.

    Attributes:
        name: its name in the log.
        command: its command line.
        ready: returns whether it serves yet.
        starts: number of starts.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] = lambda: True
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at: float = 0.0
    pause: float = 1.0
    not_before: float = 0.0


@dataclass
class Supervisor:
    """Starts, watches and ends the processes (its parts).

    Attributes:
        settings: the settings.
        port: port of the UI.
        read_only_port: port of a second UI without buttons that change anything; None: no such UI.
        host: the address that both UIs listen on.
        api_port: port of the page and the API; None: neither.
        tell: called with each message for the operator.
        module: the module of the definitions.
    """

    settings: Settings
    port: int
    read_only_port: int | None = None
    host: str = "127.0.0.1"
    api_port: int | None = None
    tell: Tell = lambda _: None
    module: str = "election_metrics.definitions"
    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Creates folders and the log; starts nothing."""
        self.log_path = self.settings.home / "logs" / "up.log"
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = logging.Logger("election_metrics.up")
        self.tell = _surviving(self.tell)
        self._reserve = Reserve(self.settings)
        self._grid: Grid | None = None
        handler = LogFile(self.log_path, _LOG_BYTES, 5, self.tell)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._log.addHandler(handler)
        self._claim = contextlib.ExitStack()
        # The path of a socket is limited to 107 characters; HOME may be longer.
        self._sockets = tempfile.TemporaryDirectory(prefix="election-metrics-")

    def start(self, seconds: float = 120) -> None:
        """Starts everything and waits until the UI answers.

        Raises:
            ElectionMetricsError: another supervisor uses this HOME, or a part does not start; names the log.
        """
        self._claim.enter_context(claimed(self.settings.home))
        self._environment = {**os.environ, **self._own_environment()}
        self._grid = Grid(self.settings)
        self.parts = self._parts()
        deadline = time.monotonic() + seconds
        for part in self.parts:
            self._start(part)
            while not part.ready():
                self.look()
                if time.monotonic() > deadline or part.starts > 3:
                    raise ElectionMetricsError(f"the {part.name} does not start; see {self.log_path}")
                time.sleep(0.2)

    def look(self) -> None:
        """Restarts parts that have ended, and maintains the disk reserve."""
        if given := self._reserve.look():
            self._say(given)
        if self.settings.database_url is None and not is_up(self.settings):
            self._say("The embedded PostgreSQL is gone; starting it again.")
            with contextlib.suppress(ElectionMetricsError):
                revive(self.settings)
        now = time.monotonic()
        for part in self.parts:
            if part.name == _CODE and part.process and self._grid and (first := self._grid.moved()) is not None:
                self._say(f"The partitions begin at {first:%Y-%m-%d %H:%M} UTC now; the code location starts again.")
                _end(part.process, _CODE_MAY_TAKE)
                self._start(part)
            if part.process is None or part.process.poll() is None:
                continue
            if not part.not_before:
                if now - part.started_at > _STEADY_AFTER:
                    part.pause = 1.0
                part.not_before = now + part.pause
                how = _how_it_ended(part.process.returncode)
                self._say(f"The {part.name} {how}; it starts again in {part.pause:g} s.")
                part.pause = min(part.pause * 2, _LONGEST_PAUSE)
            elif now >= part.not_before:
                self._start(part)

    def questions(self) -> Mapping[str, Callable[[], bool]]:
        """A health check for each part; call them with a deadline."""
        checks: dict[str, Callable[[], bool]] = {}
        for part in self.parts:
            checks[part.name] = _question(part, self._address_of(part))
        return checks

    def _address_of(self, part: Part) -> tuple[str, int] | None:
        api = None if self.api_port is None else (self.settings.api_host, self.api_port)
        read_only = None if self.read_only_port is None else (self.host, self.read_only_port)
        return {"webserver": (self.host, self.port), "read-only webserver": read_only, "API": api}.get(part.name)

    def end_hanging(self, name: str) -> bool:
        """Kills a part that does not answer, so that it is restarted; returns whether it was running."""
        for part in self.parts:
            if part.name == name and part.process is not None and part.process.poll() is None:
                self._say(f"The {name} has not answered for long; it is killed and starts again.")
                part.process.kill()  # a process that hangs does not react to SIGTERM
                return True
        return False

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Watches the parts until `until` returns true, or an interrupt."""
        while not until():
            self.look()
            time.sleep(_LOOK_EVERY)

    def stop(self, seconds: float = 30) -> None:
        """Ends every part, in reverse order of start; a run in progress has `seconds` to finish."""
        if self._grid is not None:
            self._grid.stop()
        for part in reversed(self.parts):
            if part.process is not None:
                _end(part.process, seconds)
        self._sockets.cleanup()
        self._claim.close()
        for handler in self._log.handlers:
            handler.close()

    def __enter__(self) -> "Supervisor":
        """Starts everything; ends it again if that fails."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends everything."""
        self.stop()

    def with_own_addresses(self, settings: Settings) -> Settings:
        """These settings with the address of this supervisor's UI, unless they name one."""
        if "ui_url" in settings.model_fields_set:
            return settings
        return settings.model_copy(update={"ui_url": self._own_address})

    @property
    def _own_address(self) -> str:
        return f"http://{reached_at(self.host)}:{self.port}"

    def _own_environment(self) -> dict[str, str]:
        environment = dagster_environment(self.settings) | {
            f"{PREFIX}ALERT_AFTER_MINUTES": str(self.settings.alert_after_minutes),
            f"{PREFIX}FIRST_PARTITION": "",  # runs know all hours, independently of the grid in the UI
        }
        if self.settings.source is not None:
            environment[f"{PREFIX}SOURCE"] = str(self.settings.source)
        if self.settings.portal_url is not None:
            environment[f"{PREFIX}PORTAL_URL"] = self.settings.portal_url
            environment[f"{PREFIX}PORTAL_RATE"] = self.settings.portal_rate
        if "ui_url" not in self.settings.model_fields_set:
            environment[f"{PREFIX}UI_URL"] = self._own_address
        if "api_webserver" not in self.settings.model_fields_set:
            environment[f"{PREFIX}API_WEBSERVER"] = self._own_address
        return environment | {"PYTHONUNBUFFERED": "1"}

    def _parts(self) -> list[Part]:
        code = Path(self._sockets.name) / "code"
        workspace = Path(self._sockets.name) / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server: {{socket: {code}, location_name: election_metrics}}\n", "utf-8"
        )
        python = [sys.executable, "-m"]
        server = ["dagster", "api", "grpc", "--module-name", self.module, "--socket", str(code)]
        server += ["--location-name", "election_metrics"]
        web = [*python, "election_metrics.runtime.webserver", self.host]
        parts = [
            Part(_CODE, [*python, *server], lambda: _serves_code(code)),
            Part("webserver", [*web, str(self.port), str(workspace)], lambda: _answers(self.host, self.port)),
            Part("daemon", [*python, "dagster._daemon", "run", "-w", str(workspace)]),
        ]
        if self.read_only_port is not None:
            port = self.read_only_port
            command = [*web, str(port), str(workspace), "--read-only"]
            parts.append(Part("read-only webserver", command, lambda: _answers(self.host, port)))
        if self.api_port is not None:
            api, api_host = self.api_port, self.settings.api_host
            command = [*python, "election_metrics.api.serve", api_host, str(api)]
            parts.append(Part("API", command, lambda: _answers(api_host, api)))
        return parts

    def _start(self, part: Part) -> None:
        die_with_parent = [sys.executable, "-m", "election_metrics.runtime.die_with_parent", str(os.getpid())]
        shown = self._grid.environment() if part.name == _CODE and self._grid is not None else {}
        environment = {**self._environment, **shown}
        part.process = subprocess.Popen(  # noqa: S603 our own interpreter
            [*die_with_parent, *part.command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True, cwd=self._environment["DAGSTER_HOME"],
        )  # fmt: skip
        part.starts, part.started_at, part.not_before = part.starts + 1, time.monotonic(), 0.0
        self._log.info("%s %-13s | process %d", _clock(), part.name, part.process.pid)
        if part.process.stdout is not None:
            threading.Thread(target=self._copy, args=(part.name, part.process.stdout), daemon=True).start()

    def _copy(self, name: str, output: IO[bytes]) -> None:
        told = 0.0
        with output:
            for line in output:
                told = self._copy_line(name, line, told)

    def _copy_line(self, name: str, line: bytes, told: float) -> float:
        """Logs a line; passes errors on to the operator, rate-limited. Returns when one was last passed on."""
        text = line.decode("utf-8", "replace").rstrip()
        self._log.info("%s %-13s | %s", _clock(), name, text)
        loud = any(mark in text for mark in _LOUD) and _OF_A_RUN not in text
        # A process that cannot reach its database logs many errors a second.
        if loud and time.monotonic() - told > _QUIET_FOR:
            told = time.monotonic()
            self.tell(f"{name}: {text} (more in the log)")
        return told

    def _say(self, text: str) -> None:
        self._log.warning("%s %-13s | %s", _clock(), "supervisor", text)
        self.tell(text)


def _clock() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _serves_code(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        return bool(DagsterGrpcClient(socket=str(path)).health_check_query() == "SERVING")  # type: ignore[no-untyped-call]
    except Exception:  # any error means that it does not serve yet
        return False


def _question(part: Part, address: tuple[str, int] | None) -> Callable[[], bool]:
    return lambda: _runs(part) and (part.ready() if address is None else _speaks(*address))


def _runs(part: Part) -> bool:
    """Whether the part's process is alive and not stopped by a signal."""
    process = part.process
    if process is None or process.poll() is not None:
        return False
    try:
        return psutil.Process(process.pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _speaks(host: str, port: int) -> bool:
    """Whether an HTTP response of any status arrives; a connection alone proves nothing, a hung process accepts it."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health")
        return bool(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _surviving(tell: Tell) -> Tell:
    """The same function, which ignores write errors: the terminal may be gone, or a file on a full disk."""

    def survive(text: str) -> None:
        with contextlib.suppress(OSError):
            tell(text)

    return survive


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Sends SIGINT to the process, then SIGTERM and SIGKILL to its group."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets, also if the parent shell ignores Ctrl-C."""
    asked = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: asked.set())
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port(wanted: int, host: str = _THIS_MACHINE) -> int:
    """The port, or another free one if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])
