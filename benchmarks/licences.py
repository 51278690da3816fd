"""`make audit`: licences of all installed packages; none may impose obligations on users of the system."""

import json
import subprocess
import sys
from pathlib import Path

from packaging.utils import canonicalize_name

from benchmarks.pins import names_in

# Users of the service would be entitled to its source (AGPL, SSPL), or linked code would have to be published (GPL).
UNWANTED = ("AGPL", "Affero", "GPLv2 only", "SSPL", "BUSL")
HEAD = """# Licences

The packages of `requirements/` with the licence that each one declares. `make audit` writes this page, and fails for a
licence that imposes obligations on operators: AGPL, SSPL, BUSL.

| package | licence |
|---|---|
"""
COPIES = """
## Copies in this repository

Their licence files are in the same folders; `make libraries` fetches them again from the npm registry.

| package | licence | where |
|---|---|---|
| d3, @observablehq/plot | ISC | `election_metrics/api/page_files/libraries` |
| lit-html | BSD-3-Clause | the same folder |
| axe-core | MPL-2.0 | `election_metrics_tests/api/page/libraries`: only for tests, never installed |
"""


def main() -> int:
    """Writes the page; returns 1 if a licence is unwanted."""
    command = [Path(sys.executable).parent / "pip-licenses", "--format=json", "--from=mixed", "--with-system"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    pins = names_in(Path("requirements"))
    rows = [
        (row["Name"], " ".join(row["License"].split())[:80]) for row in found if canonicalize_name(row["Name"]) in pins
    ]
    Path(sys.argv[1]).write_text(
        HEAD + "".join(f"| {name} | {licence} |\n" for name, licence in sorted(rows)) + COPIES, "utf-8"
    )
    unwanted = [f"{name}: {licence}" for name, licence in rows if any(word in licence for word in UNWANTED)]
    print(f"{len(rows)} packages; unwanted licences: {', '.join(unwanted) or 'none'}")
    return 1 if unwanted else 0


if __name__ == "__main__":
    sys.exit(main())
