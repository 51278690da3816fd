"""`make many`: starts `up` on an empty HOME with very many small exports; prints messages and landed files each minute.

There is a file with one bulletin and one vote for each constituency and hour.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from benchmarks.inputs import write_tree
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.server import dagster_url, plain_url, warehouse_url

_HOURS = 190
_TICK = "SELECT tick_body FROM job_ticks WHERE tick_body LIKE '%%new_transactions_sensor%%' ORDER BY id DESC LIMIT 1"


def memory(process: psutil.Process) -> dict[str, int]:
    """MiB of the largest process of `up` (PostgreSQL included), and of all of them; shared pages count once."""
    sizes = []
    for one in [process, *process.children(recursive=True)]:
        try:
            sizes.append(one.memory_full_info().pss >> 20)
        except psutil.Error:
            continue
    return {"all": sum(sizes), "largest": max(sizes, default=0)}


def seen(settings: Settings) -> tuple[int, int, str]:
    """Landed files, stale hours, and the message of the last tick of the sensor."""
    import json

    with psycopg.connect(plain_url(warehouse_url(settings)), connect_timeout=10) as connection:
        landed, behind = connection.execute(
            "SELECT (SELECT count(*) FROM ingest.transaction_files WHERE status = 'landed'), "
            "(SELECT count(*) FROM ingest.hour_versions WHERE landed_version > computed_version)"
        ).fetchone() or (0, 0)
    with psycopg.connect(plain_url(dagster_url(settings)), connect_timeout=10) as connection:
        row = connection.execute(_TICK).fetchone()
    tick = json.loads(row[0]) if row else {}
    message = tick.get("skip_reason") or tick.get("error") or f"runs requested: {len(tick.get('run_ids') or ())}"
    return landed, behind, f"{tick.get('status', {}).get('__enum__', tick.get('status'))}: {str(message)[:160]}"


def status(settings: Settings) -> list[str]:
    """The output of `status`, with its duration and exit code."""
    environment = {
        **os.environ,
        "ELECTION_METRICS_HOME": str(settings.home),
        "ELECTION_METRICS_SOURCE": str(settings.source),
    }
    begin = time.monotonic()
    command = [Path(sys.executable).parent / "election-metrics", "status"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    return [f"({time.monotonic() - begin:.1f} s, exit code {done.returncode})", *lines]


def main() -> None:
    """Writes the source, starts `up`, and prints a line each minute until everything is landed and computed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__)
    parser.add_argument("--files", type=int, default=400_000, help="number of exports")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    parser.add_argument("--every", type=float, default=60, help="seconds between two lines")
    parser.add_argument("--source", type=Path, help="an existing folder of exports, or a new one to keep")
    parser.add_argument("--status", action="store_true", help="print the whole `status` each time")
    chosen = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="election-metrics-many-"))
    source = chosen.source or root / "source"
    if not source.exists():
        begin = time.monotonic()
        constituencies = max(1, chosen.files // _HOURS)
        files = write_tree(source, constituencies, _HOURS, 2)
        size = sum(file.stat().st_size for file in files)
        print(f"{len(files):,} files, {size / 1e9:.2f} GB, written in {time.monotonic() - begin:.0f} s", flush=True)
    settings = read_settings(home=root / "home", source=source)
    environment = {
        **os.environ, "ELECTION_METRICS_HOME": str(settings.home), "ELECTION_METRICS_SOURCE": str(source),
        "ELECTION_METRICS_API_PORT": str(free_port(8700)),
    }  # fmt: skip
    command = [Path(sys.executable).parent / "election-metrics", "up", "--port", str(free_port(3700))]
    begin = time.monotonic()
    output = (root / "up.out").open("wb")
    process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    print(f"up: process {process.pid}, log {root}/up.out", flush=True)
    peak = 0
    try:
        while time.monotonic() - begin < chosen.minutes * 60:
            time.sleep(chosen.every)
            now = memory(psutil.Process(process.pid))
            peak = max(peak, now["all"])
            try:
                landed, behind, tick = seen(settings)
            except psycopg.Error as error:
                landed, behind, tick = -1, -1, " ".join(str(error).split())
            minutes = (time.monotonic() - begin) / 60
            print(
                f"{minutes:5.1f} min | {landed:,} files landed | {behind} hours behind | {now['all']:,} MiB, largest process "
                f"{now['largest']:,} | tick {tick}", flush=True,
            )  # fmt: skip
            if chosen.status:
                print(*(f"      {line}" for line in status(settings)), sep="\n", flush=True)
            if landed >= chosen.files // _HOURS * _HOURS and not behind:
                break
        print(f"ended after {(time.monotonic() - begin) / 60:.1f} min; at most {peak:,} MiB")
    finally:
        close_engines()
        process.send_signal(2)
        process.wait(120)
        output.close()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
