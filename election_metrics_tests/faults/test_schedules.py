"""The invariant holds after random faults: a few schedules, and one in the whole system.

Six of them run here and twenty in the full suite (`make e2e`); `make faults` runs any number.
"""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from election_metrics.errors import TransientError
from election_metrics.pipeline.file_landing import land
from election_metrics.settings import Settings
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.end_to_end.running import FULL
from election_metrics_tests.exports import Folder, ms, vote
from faults import law
from faults.home import Server, stop_servers
from faults.schedule import Schedule, known_steps


def carried_out(*arguments: str, module: str = "faults") -> str:
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.returncode == 0, (run.stdout + run.stderr)[-5_000:]
    return run.stdout + run.stderr


@pytest.mark.long
def test_schedules_end_in_the_tables_of_a_clean_computation() -> None:
    many, workers = ("20", "2") if FULL else ("4", "1")  # a worker takes as long to start as two schedules take to run
    assert f"{many} schedule(s) of 6 steps, seeds 1 to {many}: the invariant held in each" in carried_out(
        "--seed", "1", "--schedules", many, "--steps", "6", "--workers", workers
    )


@pytest.mark.long
def test_a_schedule_in_the_whole_system_does_too() -> None:
    assert "the invariant held in each" in carried_out("--system", "--seed", "2", "--schedules", "1", "--steps", "4")


def test_the_fuzzer_finds_no_line_that_the_sql_and_the_reference_read_differently() -> None:
    said = carried_out("--seconds", "900", "--inputs", "60", module="faults.fuzz")
    tried = next(line for line in said.splitlines() if line.startswith("stat::number_of_executed_units"))
    assert int(tried.split()[1]) >= 60


@pytest.fixture(scope="module")
def fault_server(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("faults")
    for folder in (root, *root.parents[:2]):
        folder.chmod(0o755)
    for name in [name for name in os.environ if name.startswith("ELECTION_METRICS_")]:
        del os.environ[name]
    yield Server(root / "worker")
    stop_servers(root)


def test_a_law_that_is_broken_is_told_by_column(chosen: Settings, tmp_path: Path) -> None:
    """The harness itself finds a file in the lake that no table refers to."""
    folder = Folder(tmp_path / "in")
    folder.put(vote("a", ms(1)))
    update(chosen, folder.root, NOW)
    assert list(law._left(chosen)) == []
    (chosen.lake_path / "left.parquet").touch()
    assert list(law._left(chosen)) == ["left in the lake: left.parquet"]


@pytest.mark.long
def test_a_process_can_be_killed_and_stopped_at_each_named_step(fault_server: Server) -> None:
    found = known_steps(fault_server)
    assert {"lake.landing.write_parts begins", "commit ends", "renaming a file begins"} <= set(found["land"])
    assert "lake.hours.compact ends" in found["compact"]
    assert "warehouse.replace.replace_scope ends" in found["compute"]
    schedule = Schedule(1, 0, fault_server, found)
    assert schedule.run() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_costs_nothing_but_the_try(chosen: Settings, tmp_path: Path) -> None:
    """The lake is a file system of 300 kB that first has no space for a part, and then has."""
    lake = tmp_path / "small"
    lake.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", lake], check=False).returncode:
        pytest.skip("this machine does not allow mounting")
    try:
        small = chosen.model_copy(update={"lake": lake, "reserve_mb": 0})
        folder = Folder(tmp_path / "in")
        folder.put(*[vote(f"a{n}", ms(n / 100)) for n in range(2_000)])
        ballast = lake / "ballast"
        ballast.write_bytes(b"x" * 290_000)
        with pytest.raises((OSError, duckdb.IOException, TransientError)):
            land(small, folder.root, "run", NOW)
        assert rows(chosen, "SELECT 1 FROM ingest.transaction_files").empty
        assert rows(chosen, "SELECT 1 FROM ingest.landing_attempts").empty, "the file is not to blame"
        ballast.unlink()
        update(small, folder.root, NOW)
        assert rows(chosen, "SELECT votes_cast FROM metrics.hourly_stats")["votes_cast"].tolist() == [2_000]
        assert list((lake / "work").iterdir()) == []
    finally:
        subprocess.run(["umount", lake], check=True)
