"""`make audit`: known vulnerabilities of the pinned packages; an error if that could not be determined.

pip-audit skips a package that its service does not know, and ends with 0 though it has skipped all of them.
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
    """What an audit found.

    Attributes:
        looked_up: packages whose weaknesses the service told.
        skipped: packages that it does not know, each with why.
        weak: package, version, weakness and the version that mends it.
    """

    looked_up: int
    skipped: list[str]
    weak: list[str]

    @property
    def code(self) -> int:
        """0: all were looked up, none is weak."""
        return WEAK if self.weak else NOT_AUDITED if self.skipped or not self.looked_up else 0

    def lines(self) -> list[str]:
        """What to print, the summary last."""
        total = self.looked_up + len(self.skipped)
        lines = [f"weak: {one}" for one in self.weak] + [f"skipped: {one}" for one in self.skipped[:_SHOWN]]
        if len(self.skipped) > _SHOWN:
            lines.append(f"skipped: {len(self.skipped) - _SHOWN} more")
        if not self.looked_up:
            return [*lines, f"NOT AUDITED: of {total} packages, none was looked up"]
        verdict = f"{self.looked_up} of {total} packages looked up, {len(self.weak)} weakness(es) known"
        return [*lines, f"NOT AUDITED in full: {verdict}" if self.skipped else verdict]


def judge(dependencies: Sequence[dict[str, Any]]) -> Audit:
    """What pip-audit's JSON says."""
    weak = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in dependencies
        for flaw in one.get("vulns", ())
    ]
    skipped = [str(one["skip_reason"]) for one in dependencies if "skip_reason" in one]
    return Audit(len(dependencies) - len(skipped), skipped, weak)


def main(arguments: Sequence[str]) -> int:
    """Checks every pin; returns 1 if one is vulnerable, 3 if that is unknown for some."""
    pins = [option for file in sorted(Path(arguments[0]).glob("*.txt")) for option in ("--requirement", str(file))]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [
            str(Path(sys.executable).parent / "pip-audit"), *pins, "--no-deps", "--disable-pip",
            "--progress-spinner", "off", "--format", "json", "--output", str(found), *arguments[1:],
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not found.exists():
            print(f"NOT AUDITED: {' '.join(done.stderr.split())[-400:] or 'pip-audit said nothing'}")
            return NOT_AUDITED
        audit = judge(json.loads(found.read_text("utf-8"))["dependencies"])
    print("\n".join(audit.lines()))
    return audit.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
