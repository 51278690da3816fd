"""One process that keeps the others running: the code location, the webserver, the daemon, the embedded PostgreSQL.

What ends without being asked is started again, at once and then with growing patience. Everything that they print
goes to one log; what an operator should see goes to the terminal as well. When the supervisor itself is killed, its
parts end by themselves (`leashed`), and the next start finds a clean table.
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
_OF_A_RUN = "_job - "  # what went wrong in a run is told when it has ended, in one line
_QUIET_FOR = 10.0
_CODE = "code location"
_CODE_MAY_TAKE = 3.0
"""Seconds in which it may end a sensor's tick; what it breaks off is asked again at the next."""
Tell = Callable[[str], None]


@dataclass
class Part:
    """A process to keep running.

    Attributes:
        name: what it is called in the log.
        command: what to run.
        ready: whether it serves yet.
        starts: how often it was started.
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
    """Starts the parts, watches them, ends them.

    Attributes:
        settings: the settings.
        port: the UI's.
        read_only_port: of a second UI without any button that changes something; None: no such UI.
        host: the address that both listen on.
        api_port: of the page and the API; None: neither.
        tell: called with what an operator should see.
        module: where the definitions are.
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
        """Lays out folders; starts nothing."""
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
        # A socket's path may have 107 characters; HOME may be longer.
        self._sockets = tempfile.TemporaryDirectory(prefix="election-metrics-")

    def start(self, seconds: float = 120) -> None:
        """Starts everything and waits until the UI answers.

        Raises:
            ElectionMetricsError: another supervisor has this home, or a part does not come up; names the log.
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
        """Starts again what has ended, and keeps the reserve."""
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
        """How each part is asked whether it answers; call them with a deadline."""
        asked: dict[str, Callable[[], bool]] = {}
        for part in self.parts:
            asked[part.name] = _question(part, self._address_of(part))
        return asked

    def _address_of(self, part: Part) -> tuple[str, int] | None:
        api = None if self.api_port is None else (self.settings.api_host, self.api_port)
        read_only = None if self.read_only_port is None else (self.host, self.read_only_port)
        return {"webserver": (self.host, self.port), "read-only webserver": read_only, "API": api}.get(part.name)

    def end_hanging(self, name: str) -> bool:
        """Kills a part that does not answer, so that it starts again; whether there was one to kill."""
        for part in self.parts:
            if part.name == name and part.process is not None and part.process.poll() is None:
                self._say(f"The {name} does not answer for long; it is ended and starts again.")
                part.process.kill()  # one that hangs hears no request
                return True
        return False

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Looks after the parts until told to stop, or interrupted."""
        while not until():
            self.look()
            time.sleep(_LOOK_EVERY)

    def stop(self, seconds: float = 30) -> None:
        """Ends every part, the last started first; a run in progress may finish within `seconds`."""
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
        """Starts; ends everything again where that fails."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends everything."""
        self.stop()

    def with_own_addresses(self, chosen: Settings) -> Settings:
        """These settings with the address under which this one's UI is, unless they name one."""
        if "ui_url" in chosen.model_fields_set:
            return chosen
        return chosen.model_copy(update={"ui_url": self._own_address})

    @property
    def _own_address(self) -> str:
        return f"http://{reached_at(self.host)}:{self.port}"

    def _own_environment(self) -> dict[str, str]:
        environment = dagster_environment(self.settings) | {
            f"{PREFIX}ALERT_AFTER_MINUTES": str(self.settings.alert_after_minutes),
            f"{PREFIX}FIRST_PARTITION": "",  # runs have all hours, whichever the code location shows
        }
        if self.settings.source is not None:
            environment[f"{PREFIX}SOURCE"] = str(self.settings.source)
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
        leash = [sys.executable, "-m", "election_metrics.runtime.die_with_parent", str(os.getpid())]
        shown = self._grid.environment() if part.name == _CODE and self._grid is not None else {}
        environment = {**self._environment, **shown}
        part.process = subprocess.Popen(  # noqa: S603 our own interpreter
            [*leash, *part.command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
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
        """Writes it to the log; tells what is loud, now and then. Returns when something was told last."""
        text = line.decode("utf-8", "replace").rstrip()
        self._log.info("%s %-13s | %s", _clock(), name, text)
        loud = any(mark in text for mark in _LOUD) and _OF_A_RUN not in text
        # A part that cannot reach its database says so many times a second.
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
    except Exception:  # every way of not being there yet
        return False


def _question(part: Part, address: tuple[str, int] | None) -> Callable[[], bool]:
    return lambda: _runs(part) and (part.ready() if address is None else _speaks(*address))


def _runs(part: Part) -> bool:
    """Whether the part's process is there, and neither dead nor stopped by a signal."""
    process = part.process
    if process is None or process.poll() is not None:
        return False
    try:
        return psutil.Process(process.pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _speaks(host: str, port: int) -> bool:
    """Whether somebody answers in HTTP there, whatever he says; a process that hangs takes the connection, too."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health")
        return bool(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _surviving(tell: Tell) -> Tell:
    """The same, which goes on where the terminal is a file on a full disk, or gone."""

    def survive(text: str) -> None:
        with contextlib.suppress(OSError):
            tell(text)

    return survive


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Asks the process, then its group, then insists."""
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
    """An event that SIGINT or SIGTERM sets, also where the shell that started us ignores Ctrl-C."""
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
    """The port, or another one if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])
