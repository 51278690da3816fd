"""Who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import election_metrics

ROOT = Path(election_metrics.__file__).parent
MODULES = {
    ".".join(("election_metrics", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
    if "versions" not in path.parts  # migrations, which Alembic loads
}
EVERYWHERE = {"clock", "counts", "digest", "errors", "sanitize", "locations", "settings"}
"""What anybody may import; these import one another in this order alone: errors, locations, settings."""
ALLOWED = {
    "clock": set(),
    "counts": set(),
    "digest": set(),
    "sanitize": set(),
    "errors": set(),
    "locations": {"errors"},
    "settings": {"clock", "errors", "locations"},
    "metrics": {"clock", "counts"},
    "sources": EVERYWHERE,
    "lake": EVERYWHERE,
    "warehouse": EVERYWHERE | {"metrics", "__init__"},
    "pipeline": EVERYWHERE | {"sources", "lake", "metrics", "warehouse"},
    "assets": EVERYWHERE | {"pipeline", "warehouse"},
    "automation": EVERYWHERE | {"assets", "pipeline", "warehouse"},
    "definitions": EVERYWHERE | {"assets", "automation", "warehouse"},
    "web": {"errors"},
    "api": EVERYWHERE | {"web", "pipeline", "warehouse", "__init__"},
    "runtime": EVERYWHERE | {"definitions", "automation", "assets", "pipeline", "warehouse", "web"},
    "replay": {"clock", "counts", "errors"},
    "demo": {"replay", "sources"},
    "commands": EVERYWHERE
    | {
        "runtime",
        "automation",
        "assets",
        "pipeline",
        "sources",
        "metrics",
        "warehouse",
        "api",
        "web",
        "replay",
        "demo",
    },
    "cli": EVERYWHERE | {"commands", "api", "pipeline", "warehouse", "__init__"},
    "__init__": set(),
}


def imports(module: str) -> set[str]:
    """The modules of ours that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {whole if whole in MODULES else node.module for whole in named.values()}
    return {name for name in found if name in MODULES} - {module}


def place(module: str) -> str:
    """The package of a module, or the module where it is in none."""
    return module.split(".")[1] if "." in module else "__init__"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_place_allows(module: str) -> None:
    wrong = {name for name in imports(module) if place(name) not in ALLOWED[place(module)] | {place(module)}}
    assert not wrong


def test_no_imports_go_in_circles() -> None:
    left = {module: imports(module) for module in MODULES}
    while leaves := {module for module, needs in left.items() if not needs}:
        left = {module: needs - leaves for module, needs in left.items() if module not in leaves}
    assert not left


LISTS = {"election_metrics.cli", "election_metrics.settings", "election_metrics.warehouse.tables"}
"""Lists of one kind, which may be long: commands, settings, tables."""


def test_no_module_is_so_long_that_it_holds_two_ideas() -> None:
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > 400 and module not in LISTS} == {}


def test_status_imports_nothing_that_takes_long_until_postgresql_has_answered() -> None:
    asked = "import sys, election_metrics.cli, election_metrics.commands.status; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert not {"pandas", "numpy", "pyarrow", "duckdb", "dagster", "sqlalchemy", "alembic"} & set(said.stdout.split())


def test_metrics_do_no_input_or_output() -> None:
    for file in (ROOT / "metrics").rglob("*.py"):
        modules = {n.names[0].name for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Import)}
        assert modules <= {"numpy", "pandas"}, file
        assert "now(" not in file.read_text("utf-8"), file
