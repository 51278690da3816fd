"""`python -m benchmarks.precincts`: what precincts cost: rows, bytes, and the seconds of what reads them."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import sqlalchemy as sa

from benchmarks import timed
from election_metrics.settings import read_settings
from election_metrics.warehouse import precinct_queries
from election_metrics.warehouse.database import transaction

_FILL = """
    INSERT INTO ingest.precinct_hours
    SELECT constituency_id, extract(epoch FROM hour)::bigint / 3600, 77, precinct, bulletins_issued / :precincts + 1, 0, 0, 0
    FROM metrics.hourly_stats, generate_series(1, :precincts) AS precinct
    WHERE abs(hashtext(concat(constituency_id, precinct, hour))) % 100 < :filled
"""


def main() -> None:
    """Prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precincts", description=__doc__)
    parser.add_argument("--constituencies", type=int, default=5_103)
    parser.add_argument("--precincts", type=int, default=10, help="precincts of each")
    parser.add_argument("--filled", type=int, default=33, help="percent of a precinct's hours with a bulletin")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        timed.measure(timed.prepare_hours, Path(home), 1, chosen.constituencies, 72)
        settings = read_settings(home=Path(home))
        with transaction(settings) as connection:
            connection.execute(sa.text(_FILL), {"precincts": chosen.precincts, "filled": chosen.filled})
        with transaction(settings) as connection:
            connection.execute(sa.text("ANALYZE ingest.precinct_hours"))
            size = "SELECT count(*), pg_total_relation_size('ingest.precinct_hours') / 1e6 FROM ingest.precinct_hours"
            rows, megabytes = connection.execute(sa.text(size)).one()
            print(f"rows: {rows:,}, {megabytes:.0f} MB")
            place = connection.execute(sa.text("SELECT min(constituency_id) FROM ingest.precinct_hours")).scalar_one()
            timings: dict[str, Callable[[], object]] = {
                "what the rules read": lambda: precinct_queries.read_precincts(connection, "bench-0", 1 << 40),
                "the precincts of a constituency": lambda: precinct_queries.precincts_of(connection, place),
                "all precincts": lambda: connection.execute(sa.text("SELECT * FROM metrics.precinct_current")).all(),
            }
            for name, read in timings.items():
                times = []
                for _ in range(3):
                    begun = perf_counter()
                    read()
                    times.append(perf_counter() - begun)
                print(f"{name}: {min(times):.3f} s")


if __name__ == "__main__":
    main()
