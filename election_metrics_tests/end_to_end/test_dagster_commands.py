"""Dagster's own commands in the root of a fresh clone, with an empty environment: same storage, nothing to set."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from election_metrics.runtime.supervisor import free_port
from election_metrics_tests.end_to_end.running import wait_for

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the repository holds, as a download of it would, beside nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone: what the repository holds is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def environment(clone: Path) -> dict[str, str]:
    """Nothing but where programs are; PYTHONPATH stands for the environment that is installed for this clone."""
    return {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "PYTHONPATH": str(clone)}


def run(clone: Path, *command: str) -> str:
    """Runs a command in the clone; what it printed."""
    done = subprocess.run(
        [PROGRAMS / command[0], *command[1:]], cwd=clone, env=environment(clone), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("dagster instance info", "election_metrics.runtime.launcher"),
        ("dagster definitions validate", "All code locations passed validation"),
        pytest.param("dagster job list", "update_metrics_job", marks=[pytest.mark.long, pytest.mark.rare]),
        pytest.param("dagster sensor list", "new_transactions_sensor", marks=[pytest.mark.long, pytest.mark.rare]),
        ("dagster schedule list", "maintenance_schedule"),
        ("dagster asset list -m election_metrics.definitions", "hourly_stats"),
        ("dg check defs", "All definitions loaded successfully"),
        pytest.param("dg list defs", "hourly_stats", marks=[pytest.mark.long, pytest.mark.rare]),
    ],
)
def test_a_command_that_looks(clone: Path, command: str, shown: str) -> None:
    assert shown in run(clone, *command.split())


def test_nothing_lies_beside_home_afterwards(clone: Path) -> None:
    run(clone, "dagster", "instance", "info")
    assert (clone / ".election-metrics" / "postgres").is_dir()
    assert not (clone / "storage").exists()


@pytest.fixture(
    params=[
        "dagster dev -p {}",
        pytest.param("dg dev --port {}", marks=[pytest.mark.long, pytest.mark.rare]),
        "dagster-webserver -p {}",
    ]
)
def port(clone: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The port at which this command serves the UI."""
    port = free_port(3900)
    program, *options = request.param.format(port).split()
    with (clone / "served.out").open("wb") as output:
        process = subprocess.Popen(
            [PROGRAMS / program, *options], cwd=clone, env=environment(clone), stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it waits for its sensors' ticks, up to a minute
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def test_a_command_that_serves_the_ui(clone: Path, port: int) -> None:
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{address}/server_info", timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_for("the UI", answers, 180)
    query = (
        '{ assetNodes { assetKey { path } } sensorsOrError(repositorySelector: {repositoryName: "__repository__", '
        'repositoryLocationName: "election_metrics"}) { ... on Sensors { results { name } } } }'
    )
    answer = requests.post(f"{address}/graphql", json={"query": query}, timeout=60).json()["data"]
    assert "hourly_stats" in json.dumps(answer["assetNodes"])
    assert "new_transactions_sensor" in json.dumps(answer["sensorsOrError"])
    assert not list(clone.glob(".tmp_dagster_home*")), "its storage is no temporary folder"
