"""Tests that hold something to seconds say so (`@pytest.mark.quiet`): where one fails, it is tried again, alone.

Alone: the other workers of the run end the test that they have and wait, and the machine comes to rest, as far as that
is in QUIET_SECONDS (300). What fails then has failed.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from _pytest.runner import runtestprotocol

_LONGEST = float(os.environ.get("QUIET_SECONDS", "300"))
_AT_REST = 50.0  # per cent of all cores


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Runs a test beside the other workers', and once more where it failed and needs quiet."""
    folder = _folder_of_run(item.config)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    needs_quiet = item.get_closest_marker("quiet") is not None
    with _locked(folder / "alone", fcntl.LOCK_SH):
        pass
    with _locked(folder / "beside", fcntl.LOCK_SH):
        reports = runtestprotocol(item, nextitem=nextitem, log=not needs_quiet)
    if needs_quiet:
        if any(report.failed for report in reports):
            with _locked(folder / "alone", fcntl.LOCK_EX), _locked(folder / "beside", fcntl.LOCK_EX):
                _come_to_rest()
                item._initrequest()  # type: ignore[attr-defined] new fixtures, as pytest-rerunfailures has them made
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _folder_of_run(config: pytest.Config) -> Path:
    own: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield


def _come_to_rest() -> None:
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline and psutil.cpu_percent(interval=2) > _AT_REST:
        pass


class Patience:
    """A clock for waits that stands still, nearly, while the machine has no time for those who are waited for."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.seconds = 0.0

    def look(self) -> float:
        """Seconds that a free core would have given so far: with six processes for each core, a sixth of the clock's."""
        now = time.monotonic()
        waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
        self.seconds += (now - self._last) / max(1.0, waiting)
        self._last = now
        return self.seconds
