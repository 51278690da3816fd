"""The audit is green only if it has audited."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.audit import NOT_AUDITED, WEAK, judge

KNOWN = {"name": "click", "version": "8.1.0", "vulns": []}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited: rich (13)"}
FLAWED = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1"], "aliases": []}]}


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([KNOWN], 0, "1 of 1 packages looked up, known vulnerabilities: 0"),
        ([KNOWN, UNKNOWN], NOT_AUDITED, "NOT AUDITED in full: 1 of 2 packages looked up"),
        ([UNKNOWN] * 9, NOT_AUDITED, "NOT AUDITED: of 9 packages, none was looked up"),
        ([], NOT_AUDITED, "NOT AUDITED: of 0 packages"),
        ([KNOWN, UNKNOWN, FLAWED], WEAK, "2 of 3 packages looked up, known vulnerabilities: 1"),
    ],
)
def test_what_was_not_looked_up_is_not_green(dependencies: list[dict[str, object]], code: int, said: str) -> None:
    audit = judge(dependencies)
    assert audit.code == code
    assert said in audit.lines()[-1]


def test_a_vulnerability_is_named_with_the_version_that_fixes_it() -> None:
    assert judge([FLAWED]).lines()[0] == "vulnerable: jinja2 2.0: PYSEC-1, fixed in 3.1"


def test_a_service_that_cannot_be_reached_is_no_audit(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("click==8.1.0\n")
    command = [sys.executable, "-m", "benchmarks.audit", str(pins), "--vulnerability-service", "osv"]
    done = subprocess.run(
        [*command, "--osv-url", "http://127.0.0.1:9/"], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == NOT_AUDITED
    assert done.stdout.splitlines()[-1].startswith("NOT AUDITED")
