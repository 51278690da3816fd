"""`make audit`: known vulnerabilities of the pinned packages; an error if that could not be determined.

pip-audit skips packages that its service does not know, and exits with 0 even if it skipped all of them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEAK, NOT_AUDITED = 1, 3
_SHOWN = 5


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes:
        looked_up: number of packages that the service knows.
        skipped: packages that it does not know, with the reason.
        weak: vulnerable packages: name, version, vulnerability and the version that fixes it.
    """

    looked_up: int
    skipped: list[str]
    weak: list[str]

    @property
    def code(self) -> int:
        """Exit code: 0 if all packages were looked up and none is vulnerable."""
        return WEAK if self.weak else NOT_AUDITED if self.skipped or not self.looked_up else 0

    def lines(self) -> list[str]:
        """The lines to print; the last one is the summary."""
        total = self.looked_up + len(self.skipped)
        lines = [f"vulnerable: {one}" for one in self.weak] + [f"skipped: {one}" for one in self.skipped[:_SHOWN]]
        if len(self.skipped) > _SHOWN:
            lines.append(f"skipped: {len(self.skipped) - _SHOWN} more")
        if not self.looked_up:
            return [*lines, f"NOT AUDITED: of {total} packages, none was looked up"]
        verdict = f"{self.looked_up} of {total} packages looked up, known vulnerabilities: {len(self.weak)}"
        return [*lines, f"NOT AUDITED in full: {verdict}" if self.skipped else verdict]


def judge(dependencies: Sequence[dict[str, Any]]) -> Audit:
    """The audit from the JSON of pip-audit."""
    weak = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in dependencies
        for flaw in one.get("vulns", ())
    ]
    skipped = [str(one["skip_reason"]) for one in dependencies if "skip_reason" in one]
    return Audit(len(dependencies) - len(skipped), skipped, weak)


def main(arguments: Sequence[str]) -> int:
    """Checks all pins; returns 1 if one is vulnerable, 3 if one could not be checked."""
    pins = [option for file in sorted(Path(arguments[0]).glob("*.txt")) for option in ("--requirement", str(file))]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [
            str(Path(sys.executable).parent / "pip-audit"), *pins, "--no-deps", "--disable-pip",
            "--progress-spinner", "off", "--format", "json", "--output", str(found), *arguments[1:],
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not found.exists():
            print(f"NOT AUDITED: {' '.join(done.stderr.split())[-400:] or 'pip-audit printed no error'}")
            return NOT_AUDITED
        audit = judge(json.loads(found.read_text("utf-8"))["dependencies"])
    print("\n".join(audit.lines()))
    return audit.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
