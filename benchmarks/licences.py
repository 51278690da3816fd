"""`make audit`: licences of every installed package; none may bind users of the system."""

import json
import subprocess
import sys
from pathlib import Path

from packaging.utils import canonicalize_name

from benchmarks.pins import names_in

# The service's users would have to get its source (AGPL), or code linked with it would (GPL).
UNWANTED = ("AGPL", "Affero", "GPLv2 only", "SSPL", "BUSL")
HEAD = """# Licences

What `requirements/` brings, with its licence as the package says it (`make audit` writes this page and
fails for a licence that would bind whoever runs this: AGPL, SSPL, BUSL).

| package | licence |
|---|---|
"""
COPIES = """
## Copies in this repository

Their licences lie beside them; `make libraries` fetches them again from the npm registry.

| package | licence | where |
|---|---|---|
| d3, @observablehq/plot | ISC | `election_metrics/api/page_files/libraries` |
| lit-html | BSD-3-Clause | there |
| axe-core | MPL-2.0 | `election_metrics_tests/api/page/libraries`: for tests, in no installation |
"""


def main() -> int:
    """Writes the page; 1 where a licence is unwanted."""
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
