"""`make spark`: a standalone Spark cluster on this machine lands and counts a tree with 1, 2 and 4 single-core workers.

It prints wall time as a ratio, and the time of the tasks: workers beyond the cores of the machine only wait for each
other. In one run a worker is killed. The hours of every run must equal those that DuckDB counts.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from rich.console import Console

from benchmarks.inputs import START, grow_tree
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines, transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import LINEAGE

_HOURS = 24
_HOME = Path(importlib.util.find_spec("pyspark").submodule_search_locations[0])  # type: ignore[union-attr, index]
_RUN = "import sys; from benchmarks.spark import one_run; one_run(sys.argv[1:])"


def main() -> None:
    """Measures, compares and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=4, help="size of the tree")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers to measure")
    parser.add_argument("--memory", default="1g", help="memory of each worker")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="election-metrics-spark-") as folder:
        root = Path(folder)
        parts = max(1, round(chosen.gigabytes))
        tree = grow_tree(root / "trees", int(chosen.gigabytes * 1e9 / parts), [parts], _HOURS)[0]
        home = root / "home"
        expected, alone = _measured(home, tree, "duckdb", "local[1]")
        console.print(f"DuckDB in one process: {alone['seconds']:.0f} s, {alone['rows']:,} transactions")
        first = None
        for workers, killed in [*((count, False) for count in chosen.workers), (2, True)]:
            with cluster(root, workers, chosen.memory) as (master, processes):
                if killed:
                    threading.Timer(first["landing"] / 3, os.killpg, (processes[-1].pid, signal.SIGKILL)).start()
                hours, said = _measured(home, tree, "spark", master)
            pd.testing.assert_frame_equal(hours, expected)
            first = first or said
            console.print(
                f"{workers} worker(s){', one killed during the landing' if killed else ''}: {said['seconds']:.0f} s "
                f"({said['seconds'] / first['seconds']:.2f} of one; landing {said['landing']:.0f} s), tasks "
                f"{said['task_seconds']:.0f} s of {said['cpu_seconds']:.0f} s CPU, {said['failed_tasks']} of them failed; "
                f"{said['seconds'] / alone['seconds']:.1f} of DuckDB; the hours are equal"
            )


@contextlib.contextmanager
def cluster(root: Path, workers: int, memory: str) -> Iterator[tuple[str, Sequence[subprocess.Popen[bytes]]]]:
    """Starts a master and single-core workers; yields the URL of the master, and the workers."""
    port, page = free_port(7077), free_port(8081)
    with contextlib.ExitStack() as ends, (root / "cluster.log").open("ab") as log:

        def start(*what: str) -> subprocess.Popen[bytes]:
            command = [str(_HOME / "bin" / "spark-class"), *what]
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            ends.callback(_end, process)
            return process

        package = "org.apache.spark.deploy"
        start(f"{package}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page))
        url = f"spark://127.0.0.1:{port}"
        made = [
            start(f"{package}.worker.Worker", "--cores", "1", "--memory", memory, "--work-dir", str(root / f"worker{n}"), url)
            for n in range(workers)
        ]  # fmt: skip
        yield url, made


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _measured(home: Path, tree: Path, engine: str, master: str) -> tuple[pd.DataFrame, dict[str, float]]:
    """The hours that a fresh process lands and counts, and its measurements."""
    settings = read_settings(home=home)
    with contextlib.suppress(Exception):
        migrate(settings, "base")
    migrate(settings)
    shutil.rmtree(settings.scratch_path, ignore_errors=True)
    close_engines()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(home), str(tree), engine, master], stdout=subprocess.PIPE, check=True
    )
    with transaction(settings) as connection:
        hours = read_frame(connection, sa.text("SELECT * FROM metrics.hourly_stats ORDER BY hour, constituency_id"))
    close_engines()
    said = json.loads(done.stdout.splitlines()[-1])
    return hours.drop(columns=list(LINEAGE), errors="ignore"), said


def one_run(arguments: Sequence[str]) -> None:
    """Lands and counts the tree; prints the measurements as JSON."""
    from election_metrics.lake.connect import connect
    from election_metrics.pipeline.file_landing import land
    from election_metrics.pipeline.hours import compute_hours
    from election_metrics.pipeline.registry import refresh_registry

    home, tree, engine, master = arguments
    settings = Settings(home=Path(home), engine=engine, spark=master)  # type: ignore[arg-type]
    with connect(settings) as warm:  # the start of the application is not measured
        warm.query("SELECT 1 AS one")
        begin = time.perf_counter()
        report = land(settings, Path(tree), "bench")
        landed = time.perf_counter()
        refresh_registry(settings, "bench")
        compute_hours(settings, START, START + timedelta(hours=_HOURS), "bench")
        end = time.perf_counter()
        said = {"seconds": end - begin, "landing": landed - begin, "rows": report.rows}
        if engine == "spark":
            said |= _of_tasks(warm.about()["spark_ui"], warm.about()["spark_application"])
    print(json.dumps(said))


def _of_tasks(address: str, application: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{address}/api/v1/applications/{application}/stages", timeout=60) as answer:
        stages = json.load(answer)
    return {
        "task_seconds": sum(stage["executorRunTime"] for stage in stages) / 1e3,
        "cpu_seconds": sum(stage["executorCpuTime"] for stage in stages) / 1e9,
        "failed_tasks": sum(stage["numFailedTasks"] for stage in stages),
    }


if __name__ == "__main__":
    main()
