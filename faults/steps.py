"""The named steps of landing, compaction and replacement: every function of the pipeline, entered and left.

The product contains no code for this: Python's profiler hook reports when a function begins or ends, and the fault
happens there.
"""

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import sqlalchemy as sa

_MODULES = (
    "sources.file_versions", "sources.listing", "sources.export_file", "sources.archives", "sources.portal_exports",
    "lake.blocks", "pipeline.block_dumps", "warehouse.chain",
    "lake.engine", "lake.connect", "lake.duck", "lake.reading", "lake.numbered", "lake.landing", "lake.hours",
    "locations",
    "pipeline.landing", "pipeline.export_files", "pipeline.pending_files", "pipeline.expected_hours",
    "pipeline.relanding", "pipeline.file_landing", "pipeline.file_batches", "pipeline.scratch",
    "pipeline.recording", "pipeline.registry", "pipeline.hours", "pipeline.hour_figures",
    "pipeline.hour_comparison", "pipeline.compaction", "pipeline.elections", "pipeline.anomalies",
    "pipeline.deliveries", "pipeline.lake_maintenance",
    "warehouse.ledger", "warehouse.landing_attempts", "warehouse.lake_manifest", "warehouse.corrections",
    "warehouse.stale_hours", "warehouse.registry", "warehouse.elections", "warehouse.stale_elections",
    "warehouse.anomalies", "warehouse.replace", "warehouse.database",
)  # fmt: skip
_EVENTS = {"call": "begins", "return": "ends"}


def _named() -> dict[CodeType, str]:
    found = {
        Path.replace.__code__: "renaming a file",
        Path.unlink.__code__: "removing a file",
        sa.RootTransaction._do_commit.__code__: "commit",
    }
    for module in _MODULES:
        functions = inspect.getmembers(importlib.import_module(f"election_metrics.{module}"), inspect.isfunction)
        for name, function in functions:
            plain = inspect.unwrap(function)
            if plain.__module__ == f"election_metrics.{module}":
                found[plain.__code__] = f"{module}.{name}"
    return found


def watch(at: Callable[[str], None]) -> None:
    """Calls `at` with each step of this thread from now on, such as 'lake.landing.write_parts ends'."""
    names = _named()

    def look(frame: FrameType, event: str, _: object) -> None:
        name = names.get(frame.f_code)
        if name is not None and event in _EVENTS:
            at(f"{name} {_EVENTS[event]}")

    sys.setprofile(look)


def record(into: Path) -> None:
    """Records every step of this process, in the order of first occurrence."""
    seen: set[str] = set()

    def at(step: str) -> None:
        if step not in seen:
            seen.add(step)
            with into.open("a", encoding="utf-8") as file:
                file.write(f"{step}\n")

    watch(at)


def once(step: str, time: int, act: Callable[[], None]) -> None:
    """Calls `act` when this process reaches a step for the `time`-th time (from 1)."""
    seen = 0

    def at(now: str) -> None:
        nonlocal seen
        if now == step:
            seen += 1
            if seen == time:
                sys.setprofile(None)
                act()

    watch(at)


def modules_now(into: Path) -> None:
    """Records the modules that this process has imported."""
    into.write_text("\n".join(sys.modules), "utf-8")


def import_too(written: Path) -> None:
    """Imports the modules that another process recorded, so that forked processes need not."""
    for name in written.read_text("utf-8").splitlines():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def kill_self() -> None:
    """Kills this process with SIGKILL."""
    os.kill(os.getpid(), 9)
