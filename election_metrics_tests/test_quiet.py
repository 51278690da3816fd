"""A test that needs quiet is tried again, any other is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from election_metrics_tests import quiet
from election_metrics_tests.quiet import Patience

TESTS = """
import pytest
tries = []

@pytest.fixture
def made():
    tries.append(1)
    yield len(tries)

@pytest.mark.quiet
def test_that_passes_when_it_is_alone(made):
    assert made == 2

@pytest.mark.quiet
def test_that_fails_twice():
    tries.append(1)
    assert len(tries) == 0

def test_that_needs_no_quiet():
    tries.append(1)
    assert len(tries) == 0

def test_how_often():
    assert len(tries) == 5
"""


def test_what_fails_is_tried_again_where_it_needs_quiet(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS, "utf-8")
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path,
         "-p", "election_metrics_tests.quiet", "--basetemp", tmp_path / "base", tmp_path / "test_it.py"],
        cwd=root, capture_output=True, text=True, check=False, env={**os.environ, "QUIET_SECONDS": "0"},
    )  # fmt: skip
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED" in done.stdout
    assert "test_that_fails_twice" in done.stdout
    assert "test_that_passes_when_it_is_alone" not in done.stdout


def test_a_wait_is_longer_where_many_wait_for_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(quiet.time, "monotonic", lambda: now)
    monkeypatch.setattr(quiet.os, "cpu_count", lambda: 2)
    load = 0.5
    monkeypatch.setattr(quiet.os, "getloadavg", lambda: (load, 0, 0))
    clock = Patience()
    now = 60.0
    assert clock.look() == 60
    load, now = 20.0, 120.0
    assert clock.look() == 66
