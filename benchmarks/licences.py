"""`make audit`: under which licences everything comes that an installation brings; none that binds who uses it."""

import json
import subprocess
import sys
from pathlib import Path

# The service's users would have to get its source (AGPL), or code linked with it would (GPL).
UNWANTED = ("AGPL", "Affero", "GPLv2 only", "SSPL", "BUSL")
HEAD = """# Licences

What `pip install` of the constraints brings, with its licence as the package says it (`make audit` writes this page and
fails for a licence that would bind whoever runs this: AGPL, SSPL, BUSL).

| package | licence |
|---|---|
"""


def main() -> int:
    """Writes the page; 1 where a licence is unwanted."""
    command = [Path(sys.executable).parent / "pip-licenses", "--format=json", "--from=mixed", "--with-system"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    pins = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in Path("constraints.txt").read_text("utf-8").splitlines()
    }
    rows = [
        (row["Name"], " ".join(row["License"].split())[:80])
        for row in found
        if row["Name"].lower().replace("_", "-") in pins
    ]
    Path(sys.argv[1]).write_text(HEAD + "".join(f"| {name} | {licence} |\n" for name, licence in sorted(rows)), "utf-8")
    unwanted = [f"{name}: {licence}" for name, licence in rows if any(word in licence for word in UNWANTED)]
    print(f"{len(rows)} packages; unwanted licences: {', '.join(unwanted) or 'none'}")
    return 1 if unwanted else 0


if __name__ == "__main__":
    sys.exit(main())
