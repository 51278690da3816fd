"""`up` says by itself what is wrong, once, while the database hangs, the source is gone or a part does not answer."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psutil
import pytest

from election_metrics.pipeline.last_known import LastKnown, path_of, read_last_known, unwatched, write_last_known
from election_metrics.runtime.supervisor import Part, Supervisor, free_port
from election_metrics.runtime.watching import Watch
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.release import CLAIM, claim_text
from election_metrics_tests.automation.test_alerts import a_tick
from election_metrics_tests.end_to_end.running import COMMAND, hanging, wait_for
from election_metrics_tests.exports import Folder, ms, vote
from election_metrics_tests.typed import typed

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.quiet]
PATIENCE = 1.5
"""Seconds; a real watch has 5."""
_SERVES = (
    "import http.server as s, sys; "
    "s.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), s.BaseHTTPRequestHandler).serve_forever()"
)


class Watched:
    """A supervisor with two parts of its own, a watch of it, and everything that was told."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.told: list[str] = []
        self.port = free_port(8765)
        self.supervisor = Supervisor(settings, self.port, tell=self._hear)
        self.supervisor._environment = {**os.environ, "DAGSTER_HOME": str(settings.home)}
        python = sys.executable
        self.supervisor.parts = [Part("webserver", [python, "-c", _SERVES, str(self.port)]),
                                 Part("daemon", [python, "-c", "import time; time.sleep(600)"])]  # fmt: skip
        for part in self.supervisor.parts:
            self.supervisor._start(part)
        self.watch = Watch(settings, self.supervisor, instance, "http://page", patience=PATIENCE)
        self.now = datetime.now(UTC)

    def _hear(self, text: str) -> None:
        if "The disk of" not in text:  # this machine's may be full, which is another test's matter
            self.told.append(text)

    def look(self, seconds: float = 2) -> list[str]:
        """Lets the clock go on and looks; returns what was told of it."""
        self.now += timedelta(seconds=seconds)
        before = len(self.told)
        self.watch.look(self.now)
        self.supervisor.look()
        return self.told[before:]

    def process(self, number: int) -> psutil.Process:
        running = self.supervisor.parts[number].process
        assert running is not None
        return psutil.Process(running.pid)


def status(**environment: str) -> str:
    """What `status` says while PostgreSQL hangs; it works less than an interpreter that imports Dagster, and waits 1 s."""
    said, worked = _run([COMMAND, "status"], environment)
    assert said.returncode == 4, said.stderr
    _, of_import = _run([sys.executable, "-c", "import dagster"], environment)
    assert worked < of_import
    return said.stdout


def _run(command: Sequence[str], environment: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], float]:
    """Runs a command within 20 s; returns what it said, and the seconds of processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=20, env=os.environ | environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture
def watched(chosen: Settings, tmp_path: Path) -> Iterator[Watched]:
    telling = read_settings(source=tmp_path / "in")
    with dg.instance_for_test() as instance:
        found = Watched(telling, instance)
        try:
            wait_for("the part", found.supervisor.questions()["webserver"], 20)
            yield found
        finally:
            found.supervisor.stop(1)


def test_a_source_that_is_gone_is_told_at_once_and_so_is_one_that_was_emptied(watched: Watched, tmp_path: Path) -> None:
    (told,) = watched.look()
    assert told.startswith(f"🔴 The source {tmp_path}/in does not exist (on ")
    assert watched.look() == []
    path = Folder(tmp_path / "in").put(vote("a", ms(1)))
    (over,) = watched.look()
    assert over.startswith("🟢")
    path.unlink()
    (told,) = watched.look()
    assert f"{tmp_path}/in is empty, and files were there before" in told
    known = read_last_known(watched.watch.settings)
    assert [one.title for one in known.everything(datetime.now(UTC))] == [
        told.splitlines()[0][2:].partition(" (on ")[0]
    ]
    again = Watch(watched.watch.settings, watched.supervisor, watched.watch.instance)
    again.look(watched.now)
    assert watched.told[-1] == told, "a restart repeats nothing"


@pytest.mark.long
def test_a_database_that_hangs_is_told_once_and_nothing_is_killed_for_it(watched: Watched, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    assert watched.look() == []
    settings = watched.watch.settings
    with hanging(settings.database_url.get_secret_value()):
        begin = time.monotonic()
        (told,) = watched.look()
        assert time.monotonic() - begin < PATIENCE + 2
        assert f"says nothing within {PATIENCE:g} s" in told
        assert told.startswith("🔴 PostgreSQL does not answer")
        assert "see: http://page" in told
        said = status()
        assert "PostgreSQL does not answer" in said
        assert "files landed" in said
        assert "Problems that alerts were raised for" in said
        assert watched.look(120) == []
    wait_for("the end of it", lambda: any(text.startswith("🟢") for text in watched.look()), 20)
    assert [part.starts for part in watched.supervisor.parts] == [1, 1]


@pytest.mark.long
def test_status_answers_in_time_while_the_embedded_server_hangs(server: str, home_of_server: Path) -> None:
    with hanging(server):
        said = status(ELECTION_METRICS_HOME=str(home_of_server))
        others = [typed(command, ELECTION_METRICS_HOME=str(home_of_server)) for command in ("summary", "conflicts")]
    assert "PostgreSQL does not answer" in said
    assert "Last known  nothing: `up` has not run here yet" in said
    for other in others:
        assert other.returncode == 1
        assert "PostgreSQL does not answer: it takes connections and says nothing" in other.stderr


def test_a_part_that_does_not_answer_is_told_and_after_a_while_started_again(watched: Watched, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    watched.look()
    processes = watched.process(0), watched.process(1)
    for process in processes:
        process.suspend()
    wait_for("them to stop", lambda: all(process.status() == psutil.STATUS_STOPPED for process in processes), 10)
    assert watched.look() == []
    told = watched.look(11)
    assert [text.partition(" (on")[0] for text in told] == [
        f"🔴 The {name} does not answer" for name in ("webserver", "daemon")
    ]
    told = watched.look(60)
    assert "The webserver has not answered for long; it is killed and starts again." in told
    assert "The daemon has not answered for long; it is killed and starts again." in told
    wait_for(
        "both again",
        lambda: watched.look(0.05) is not None and [part.starts for part in watched.supervisor.parts] == [2, 2],
        20,
    )
    wait_for(
        "the end of it", lambda: sum(text.startswith("🟢") for text in [*watched.told, *watched.look(0.05)]) == 2, 20
    )
    assert not any(process.is_running() for process in processes)


def test_ticks_that_fail_are_told_while_the_daemon_is_dead(watched: Watched, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    for _ in range(3):
        a_tick(watched.watch.instance, "problems_sensor", "RUNNING", "the deadline is exceeded")
    (told,) = watched.look()
    assert told.startswith("🔴 problems_sensor failed 3 times in a row")
    assert json.loads((watched.watch.settings.home / "last_known.json").read_text())["figures"]["files_landed"] == 0


def test_a_supervisor_that_is_stopped_is_told_by_status(chosen: Settings) -> None:
    """It holds HOME and looks at nothing: its parts go on, and nobody would say that one of them has ended."""
    now = datetime.now(UTC)
    with subprocess.Popen(["sleep", "60"]) as stopped:
        chosen.home.mkdir(exist_ok=True)
        (chosen.home / CLAIM).write_text(claim_text(stopped.pid))
        write_last_known(chosen, LastKnown())
        assert unwatched(chosen, read_last_known(chosen), now) is None, "it looked a moment ago"
        os.utime(path_of(chosen), (0, 0))
        told = unwatched(chosen, read_last_known(chosen), now)
        assert told is not None
        assert f"kill -CONT {stopped.pid}" in told.detail
        said = typed("status", ELECTION_METRICS_HOME=str(chosen.home))
        assert "up does not watch" in said.stdout, said.stdout + said.stderr
        stopped.kill()
    assert unwatched(chosen, read_last_known(chosen), now) is None, "there is none"
