"""`make faults`: runs fault schedules in parallel; prints a line for each, and how to replay one that failed."""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

from faults.home import stop_servers
from faults.worker import begin, carry_out


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first schedule (default 1)")
    parser.add_argument(
        "--schedules", type=int, default=20, help="number of schedules, with consecutive seeds (default 20)"
    )
    parser.add_argument("--steps", type=int, help="faults and runs of each schedule (default 12; with --system 6)")
    parser.add_argument(
        "--system", action="store_true", help="run the whole system: daemon, sensors, launcher, supervisor"
    )
    parser.add_argument("--minutes", type=float, help="run further seeds for this time, instead of a fixed number")
    parser.add_argument(
        "--every-step", action="store_true", help="kill a process once at each named step of the pipeline"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="parallel schedules (default: number of cores)"
    )
    parser.add_argument("--json", type=Path, help="also write seeds and outcomes to this file")
    parser.add_argument("--verbose", action="store_true", help="print every step of every schedule")
    chosen = parser.parse_args()
    chosen.steps = chosen.steps or (6 if chosen.system else 12)
    return chosen


def main() -> int:
    """Runs schedules; returns 1 if any of them violated the invariant."""
    chosen = _parse()
    deadline = None if chosen.minutes is None else time.monotonic() + chosen.minutes * 60
    seeds = iter(range(chosen.seed, sys.maxsize if deadline else chosen.seed + chosen.schedules))
    root = Path(tempfile.mkdtemp(prefix="election-metrics-faults-"))
    root.chmod(0o755)
    form = "system" if chosen.system else "every-step" if chosen.every_step else "random"
    outcome: dict[int, list[str]] = {}
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(chosen.workers, context, begin, (root, form)) as pool:
            waiting = {pool.submit(carry_out, seed, chosen.steps, form) for seed in islice(seeds, chosen.workers)}
            while waiting:
                done = next(as_completed(waiting))
                waiting.remove(done)
                if deadline is None or time.monotonic() < deadline:
                    waiting |= {pool.submit(carry_out, seed, chosen.steps, form) for seed in islice(seeds, 1)}
                seed, seconds, told, broken = done.result()
                outcome[seed] = broken
                _say(seed, seconds, told if broken or chosen.verbose else [], broken)
                if broken:
                    print(f"  replay: make faults ARGS='--seed {seed} --schedules 1 --steps {chosen.steps} --verbose"
                          f"{'' if form == 'random' else f' --{form}'}'", flush=True)  # fmt: skip
    finally:
        stop_servers(root)
    failed = sorted(seed for seed, broken in outcome.items() if broken)
    print(f"{len(outcome)} schedule(s) of {chosen.steps} steps, seeds {min(outcome)} to {max(outcome)}: "
          + (f"{len(failed)} violated the invariant: {failed}" if failed else "the invariant held in each"))  # fmt: skip
    if chosen.json:
        chosen.json.write_text(
            json.dumps({str(seed): outcome[seed] for seed in sorted(outcome)}, indent=1) + "\n", "utf-8"
        )
    return 1 if failed else 0


def _say(seed: int, seconds: float, told: list[str], broken: list[str]) -> None:
    print(f"seed {seed}: {'BROKEN' if broken else 'held'} ({seconds:.1f} s)", flush=True)
    for line in told:
        print(f"  {line}")
    for line in broken:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
