"""`python -m benchmarks.instructions`: CPU instructions per byte of a dump, counted by valgrind.

Unlike seconds they do not depend on the load of the machine.
"""

import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.inputs import write_dump
from benchmarks.timed import bare_scan, json_scan, least_landing

_SMALL, _LARGE = 10_000_000, 40_000_000


def hashing(files: list[Path]) -> None:
    """Hashes the bytes of the file."""
    from election_metrics.digest import new_digest

    content = new_digest()
    with files[0].open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)


def engine(files: list[Path]) -> None:
    """The part of a landing that DuckDB does: staging, accounting, search for repeats, Parquet by hour."""
    from election_metrics.lake import landing as lake
    from election_metrics.lake.connect import connect
    from election_metrics.lake.engine import Readable
    from election_metrics.settings import Settings

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        settings = Settings(home=root)
        engine = connect(settings)
        readable = Readable(1, "contract", files[0], files[0].stat().st_size, files[0].name)
        lake.stage(engine, settings, [readable], root, datetime.now(UTC))
        lake.drop_repeats_within_files(engine)
        lake.write_parts(engine, settings.lake_path, root, "bench")
        lake.find_repeats(engine, [])


STEPS = {
    "count(*)": bare_scan,
    "with json_valid": json_scan,
    "the least landing": least_landing,
    "landing: hash of the bytes": hashing,
    "landing: all that DuckDB does": engine,
}


def counted(name: str, dump: Path) -> int:
    """Instructions of a process that runs this step."""
    code = f"from benchmarks.instructions import *; {name}([Path({str(dump)!r})])"
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"Collected : (\d+)", output)
    assert found, output
    return int(found[1])


def main() -> None:
    """Prints the table; the difference between a large and a small dump excludes start-up costs."""
    with tempfile.TemporaryDirectory(prefix="election-metrics-bench-") as name:
        small, large = (write_dump(Path(name, str(size)), size)[0] for size in (_SMALL, _LARGE))
        more = large.stat().st_size - small.stat().st_size
        print("| step | instructions a byte |\n|---|---:|", flush=True)
        for what, step in STEPS.items():
            print(
                f"| {what} | {(counted(step.__name__, large) - counted(step.__name__, small)) / more:.1f} |", flush=True
            )


if __name__ == "__main__":
    main()
