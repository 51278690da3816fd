"""`python -m benchmarks.inside`: what counting a peak hour by minutes and precincts costs, beside counting it."""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

from election_metrics.lake.connect import connect
from election_metrics.lake.engine import sql
from election_metrics.lake.hours import inside_hours, precinct_hours
from election_metrics.settings import read_settings

_ROWS = """
    SELECT 'constituency-of-about-44-letters-in-all-' || hash(i) % 5103 AS constituency_id, 490000 AS hour_number,
        490000 * CAST(3600000 AS BIGINT) + CAST(hash(i * 7) % 3600000 AS BIGINT) AS occurred_ms,
        CASE WHEN i % 2 = 0 THEN 'vote_cast' ELSE 'bulletin_issued' END AS kind, CAST(1 AS BIGINT) AS quantity,
        CASE WHEN i % 2 = 0 THEN 'vote' ELSE 'blindSigIssue' END AS operation, 77 AS precinct_region,
        CASE WHEN i % 2 = 1 THEN CAST(101 + hash(i * 5) % 10 AS INTEGER) END AS precinct,
        CASE WHEN i % 2 = 1 THEN 'registrar ' || hash(i * 3) % 2 END AS registrar, FALSE AS is_withdrawn,
        FALSE AS is_revote, FALSE AS is_flagged
    FROM range({transactions}) AS numbers (i)
"""


def main() -> None:
    """Prints seconds of both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inside", description=__doc__)
    parser.add_argument("--transactions", type=int, default=3_400_000, help="transactions of the hour")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, connect(read_settings(home=Path(home))) as engine:
        engine.local.execute(
            f"COPY ({_ROWS.format(transactions=chosen.transactions)}) TO '{home}/rows.parquet' (FORMAT parquet)"
        )
        engine.put_view("transactions", f"SELECT * FROM read_parquet('{home}/rows.parquet')")
        for name, count in (("counts of the hour", lambda: engine.query(sql("hourly_counts"))),
                            ("by minutes", lambda: inside_hours(engine)),
                            ("by precinct", lambda: precinct_hours(engine))):  # fmt: skip
            times = []
            for _ in range(3):
                begun = perf_counter()
                count()
                times.append(perf_counter() - begun)
            print(f"{name}: {min(times):.2f} s")


if __name__ == "__main__":
    main()
