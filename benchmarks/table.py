"""`make table`: speed and memory of landing rows from a table of another database.

The table has the columns of the first observatory, in PostgreSQL on this machine: as many bulletins as votes over three
days in 50 constituencies. The benchmark runs the commands of the CLI.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from election_metrics.settings import read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import plain_url, warehouse_url

_TABLE = """
CREATE TABLE transactions (
    id bigint PRIMARY KEY, constituency_id text, block_height bigint, timestamp timestamp, type text, status text,
    anomaly_detected boolean, anomaly_reason text
)"""
_ROWS = """
INSERT INTO transactions
SELECT number, 'District ' || number % 50, number / 100, timestamp '2026-09-18 05:00' + number * interval '3 days' / {rows},
       CASE number % 2 WHEN 0 THEN 'blindSigIssue' ELSE 'vote' END, 'confirmed', false, NULL
FROM generate_series(1, {rows}) AS number"""


def main() -> None:
    """Prints seconds, rows per second and memory of each command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 4_000_000], help="sizes of the table")
    print("| rows | command | seconds | rows a second | memory |\n|---|---|---|---|---|")
    for rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory(prefix="election-metrics-table-") as folder:
            settings = read_settings(home=Path(folder) / "home")
            migrate(settings)
            ours = plain_url(warehouse_url(settings))
            with psycopg.connect(ours, autocommit=True) as connection:
                connection.execute("CREATE DATABASE votes")
            theirs = ours.replace("/election_metrics?", "/votes?")
            with psycopg.connect(theirs) as connection:
                connection.execute(_TABLE)
                connection.execute(_ROWS.format(rows=rows))
            environment = {
                **os.environ,
                "ELECTION_METRICS_HOME": str(settings.home),
                "ELECTION_METRICS_SOURCE_URL": theirs.replace("postgresql://", "postgresql+psycopg://"),
            }
            for words in ("table ingest", "table ingest --compare"):
                seconds, memory = _timed(words.split(), environment)
                print(
                    f"| {rows:,} | `{words}` | {seconds:.0f} | {rows / seconds:,.0f} | {memory / 1e6:.2f} GB |",
                    flush=True,
                )


def _timed(words: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds and peak memory (kB) of the command."""
    program = Path(sys.executable).parent / "election-metrics"
    begin = time.monotonic()
    process = subprocess.Popen([program, *words], env=environment, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, words
    return time.monotonic() - begin, used.ru_maxrss


if __name__ == "__main__":
    main()
