"""Three days of voting at speed, in the real system, with everything that can happen to it on the way.

In short here, three hours at once; in full (`make e2e`): 150 constituencies, some 9,000 files, a burst of 2,000.
"""

import contextlib
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from election_metrics.commands.exit_codes import PARTLY_READ
from election_metrics.commands.runs import run_ingest
from election_metrics.demo import deliver, demo_buckets, split_at
from election_metrics.pipeline.run_tags import JOB
from election_metrics.replay.tree import write_replay
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics_tests.computing import everything, rows
from election_metrics_tests.end_to_end.running import FULL, Up, is_idle, wait_for
from election_metrics_tests.exports import ms, vote

CONSTITUENCIES, TRANSACTIONS, BURST, PACE = (150, 100_000, 2_000, 4.0) if FULL else (12, 4_000, 150, 1.0)
AT_ONCE = 1 if FULL else 3
LAUNCH = """
mutation Launch($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(3600)]


def launch(up: Up, job: str, tags: dict[str, str]) -> str:
    run = {
        "selector": {
            "repositoryLocationName": "election_metrics", "repositoryName": "__repository__", "jobName": job,
        },
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        "runConfigData": {},
    }  # fmt: skip

    def asked() -> dict[str, Any] | None:
        """The answer; None while the webserver or the code location is starting again."""
        said = up.graphql(LAUNCH, run=run)["launchRun"]
        return None if said["__typename"] == "PipelineNotFoundError" else said

    said = wait_for("the webserver", asked)
    assert said["__typename"] == "LaunchRunSuccess", said
    return said["run"]["runId"]


def put_poison(folder: Path) -> Path:
    """A file that cannot be landed in the memory that there is: 12 lines of 30 MB."""
    fields = vote("heavy", ms(2)).split(";")
    padded = fields[8][:-1] + ',{"key":"pad","stringValue":"' + "y" * 30_000_000 + '"}]'
    path = folder / "AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr_heavy.csv"
    with path.with_suffix(".part").open("w", encoding="utf-8") as file:
        for number in range(12):
            file.write(";".join([f"heavy{number}", *fields[1:8], padded, *fields[9:]]) + "\n")
    path.with_suffix(".part").rename(path)
    return path


class Recorder:
    """Keeps what the API answered, and asks for it again."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.root = f"http://127.0.0.1:{up.environment['ELECTION_METRICS_API_PORT']}/api/v1"
        self.kept: dict[tuple[str, str], Any] = {}

    def ask(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.root}{path}", timeout=20) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise AssertionError(f"{path}: {error.read().decode()}") from error
            raise

    def keep(self, *, is_time: bool = True) -> None:
        """Keeps what is shown now; nothing while the API or the database is away."""
        if not is_time:
            return
        with contextlib.suppress(OSError):
            paths = ["/elections", "/anomalies?limit=200"]
            for election in self.ask("/elections")["data"]:
                name = urllib.parse.quote(election["election_id"])
                paths += [f"/election/{name}", f"/hourly-stats/election/{name}"]
                paths += [f"/election/{name}/constituencies?limit=50"]
            for path in paths:
                answer = self.ask(path)
                self.kept[path, answer["meta"]["known_at"]] = answer["data"]

    def sees_the_end(self, settings: Settings) -> bool:
        """Keeps what is shown now; returns whether nothing is behind."""
        self.keep()
        return is_idle(self.up, settings)

    def differing(self) -> list[tuple[str, str]]:
        """What is not answered as it was."""
        return [
            (path, moment)
            for (path, moment), data in self.kept.items()
            if self.ask(f"{path}{'&' if '?' in path else '?'}as_of={urllib.parse.quote(moment)}")["data"] != data
        ]


def some_at_once(hours: list[tuple[datetime, list[Path]]]) -> list[tuple[datetime, list[Path]]]:
    return [
        (hours[n][0], [file for _, files in hours[n : n + AT_ONCE] for file in files])
        for n in range(0, len(hours), AT_ONCE)
    ]


@pytest.mark.long
def test_three_days_of_everything_end_in_the_tables_of_a_clean_computation(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    exports, tree = tmp_path / "exports", tmp_path / "tree"
    exports.mkdir()
    third_day = datetime.now(UTC).date() - timedelta(days=1)
    *_, written = write_replay(demo_buckets(third_day, TRANSACTIONS, CONSTITUENCIES), tree, seed=3, faults=True)
    zones = {contract: voting.time_zone for contract, voting in written.votings.items()}
    undated, hours = split_at(tree, zones, datetime(2000, 1, 1, tzinfo=UTC))
    undated += [file for file in tree.rglob("*.csv") if not any(file in files for _, files in hours)]
    chance = random.Random(1)
    late = [file for _, files in hours for file in files if chance.random() < 0.03]
    hours = [(hour, [file for file in files if file not in late]) for hour, files in some_at_once(hours)]

    settings = read_settings(home=tmp_path / "home", source=exports)
    up = Up(settings, free_port(3400), ELECTION_METRICS_MEMORY_LIMIT="256MB", ELECTION_METRICS_SET_ASIDE_MINUTES="600")
    up.start()
    try:
        deliver(sorted(set(undated)), tree, exports)
        step = len(hours) // 7
        poison = put_poison(exports)
        run_of_backfill = ""
        killed = cancelled = ""
        waiting: list[Path] = []
        recorder = Recorder(up)
        for number, (_, files) in enumerate(hours):
            # A burst: what was held back comes at once.
            if number > 5 * step and len(waiting) < BURST and number < len(hours) - 4:
                waiting += files
                continue
            deliver([*waiting, *files], tree, exports)
            waiting = []
            if number < step and not cancelled:
                cancelled = up.cancel_run()
            elif number == step:
                killed = up.kill_run()
            elif number == 2 * step:
                up.kill_part("dagster._daemon")
            elif number == 3 * step:
                up.kill_postgres()
                up.forget_connections()
            elif number == 4 * step:
                up.kill()
                up.start()
            elif number == 5 * step:
                first, last = (f"{hours[index][0]:%Y-%m-%d-%H:%M}" for index in (0, step))
                tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
                run_of_backfill = launch(up, JOB, {**tags, "why/trigger": "backfill"})
            time.sleep(PACE)
            recorder.keep(is_time=bool(cancelled))  # until then every second counts
        deliver(late, tree, exports)
        assert up.end_of(run_of_backfill) == "SUCCESS"
        assert up.end_of(killed) == "FAILURE"
        assert cancelled
        wait_for(f"nothing behind; see {up.output}", lambda: recorder.sees_the_end(settings), 600)

        aside = rows(settings, "SELECT path, reason FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL")
        assert aside["path"].tolist() == [str(poison)]
        assert "Out of Memory" in aside["reason"][0]
        assert up.end_of(launch(up, "reconciliation_job", {})) == "SUCCESS"
        counted = rows(
            settings, "SELECT sum(rows_differing)::bigint AS n, count(*) AS elections FROM metrics.reconciliations"
        )
        assert counted.iloc[0].tolist() == [0, 2]
        found = everything(settings)
        assert len({moment for _, moment in recorder.kept}) >= 3
        assert recorder.differing() == []
        children = up.processes()
        assert up.stop() < 60
        assert [child for child in children if child.is_running() and "postgres" not in child.name()] == []
    finally:
        if up.process.poll() is None:
            up.stop()

    poison.unlink()
    close_engines()
    clean = read_settings(home=tmp_path / "clean", source=exports)
    assert run_ingest(Console(stderr=True), exports, clean) == PARTLY_READ  # the faults hold lines nobody can read
    assert found == everything(clean)
