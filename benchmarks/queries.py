"""`make queries`: how long each query of docs/analysts.md takes over an election of 5,103 constituencies × 72 hours."""

import re
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from benchmarks.timed import prepare_hours
from election_metrics.settings import read_settings
from election_metrics.warehouse.database import close_engines, transaction

DOCUMENT = Path(__file__).parents[1] / "docs" / "analysts.md"


def main() -> None:
    """Prints milliseconds, rows and text of each query, then the plan of the slowest one."""
    blocks = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    queries = [
        query.strip().replace("replay-c8dae6", "bench-0") for query in "".join(blocks).split(";") if query.strip()
    ]
    with tempfile.TemporaryDirectory(prefix="election-metrics-queries-") as home:
        prepare_hours(Path(home), 1, 5_103, 72)
        settings = read_settings(home=Path(home))
        with transaction(settings) as connection:
            connection.execute(sa.text("ANALYZE"))
            times = []
            for query in queries:
                connection.execute(sa.text(query)).fetchall()
                begin = time.perf_counter()
                rows = len(connection.execute(sa.text(query)).fetchall())
                times.append((time.perf_counter() - begin, query))
                print(f"{times[-1][0] * 1000:7.1f} ms {rows:6d} rows  {' '.join(query.split())[:80]}")
            plan = connection.execute(
                sa.text(
                    f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) {max(times)[1]}"
                )  # from our documentation
            )
            print("\n" + "\n".join(row[0] for row in plan))
        close_engines()


if __name__ == "__main__":
    main()
