"""Who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import election_metrics

EVERYWHERE = {"clock", "digest", "foreign", "places"}
ROOT = Path(election_metrics.__file__).parent
ALLOWED = {
    "clock": set(),
    "digest": set(),
    "foreign": set(),
    "places": {"errors"},
    "errors": set(),
    "settings": {"errors"},
    "metrics": {"metrics"},
    "sources": {"sources", "metrics", "settings", "errors"},
    "lake": {"lake", "metrics", "settings", "errors"},
    "warehouse": {"warehouse", "metrics", "settings", "errors"},
    "pipeline": {"pipeline", "sources", "lake", "metrics", "warehouse", "settings", "errors"},
    "assets": {"assets", "pipeline", "sources", "lake", "metrics", "warehouse", "settings", "errors"},
    "web": {"web", "errors"},
    "api": {"api", "web", "pipeline", "warehouse", "settings", "errors"},
    "automation": {"automation", "web", "assets", "pipeline", "warehouse", "settings", "errors", "definitions"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("election_metrics.")}
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_its_place_allows(package: str) -> None:
    files = [*(ROOT / package).rglob("*.py"), *ROOT.glob(f"{package}.py")]
    assert files
    wrong = {str(file.relative_to(ROOT)): imports(file) - ALLOWED[package] - EVERYWHERE for file in files}
    assert not {file: names for file, names in wrong.items() if names}


def test_status_imports_nothing_that_takes_long_until_postgresql_has_answered() -> None:
    asked = "import sys, election_metrics.cli, election_metrics.commands.status; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert not {"pandas", "numpy", "pyarrow", "duckdb", "dagster", "sqlalchemy", "alembic"} & set(said.stdout.split())


def test_metrics_do_no_input_or_output() -> None:
    for file in (ROOT / "metrics").rglob("*.py"):
        modules = {n.names[0].name for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Import)}
        assert modules <= {"numpy", "pandas"}, file
        assert "now(" not in file.read_text("utf-8"), file
