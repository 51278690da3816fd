"""What is installed is what was pinned: exact, by hash, and from wherever one's own pip looks."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.pins import versions_in

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def pinned(*files: str) -> dict[str, set[str]]:
    """The versions of each package in these files."""
    found: dict[str, set[str]] = {}
    for file in files:
        for line in versions_in((ROOT / "requirements" / f"{file}.txt").read_text("utf-8")).splitlines():
            name, version = line.split()[0].split("==")
            found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_pin_has_the_hashes_of_its_files_and_names_no_index(file: Path) -> None:
    text = file.read_text("utf-8")
    pins = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert pins
    assert [pin.split()[0] for pin in pins if not re.search(r"--hash=sha256:[0-9a-f]{64}", pin)] == []
    assert not re.search(r"(?m)^\s*(-i\b|-f\b|--index|--extra-index|--find-links|--trusted)|://", text)


@pytest.mark.parametrize("extra", ["run", "build", *EXTRAS])
def test_what_the_project_asks_for_is_pinned_as_it_asks(extra: str) -> None:
    asked = EXTRAS.get(extra) or {
        "run": PROJECT["project"]["dependencies"], "build": PROJECT["build-system"]["requires"],
    }[extra]  # fmt: skip
    pins = pinned(*{"run", extra})
    for requirement in map(Requirement, asked):
        if requirement.name != PROJECT["project"]["name"]:
            versions = pins[canonicalize_name(requirement.name)]
            assert all(version in requirement.specifier for version in versions), requirement


def test_all_files_agree() -> None:
    found = pinned(*(file.stem for file in FILES))
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}


def test_nothing_is_installed_without_a_hash() -> None:
    """Where the repository says `pip install`: by hash, or the project itself and nothing with it."""
    lines = [
        line
        for name in (
            "Makefile",
            "deploy/Dockerfile",
            ".ci/run",
            "README.md",
            "docs/deploy.md",
            "docs/elsewhere.md",
            "docs/operators.md",
        )
        for line in (ROOT / name).read_text("utf-8").splitlines()
        if re.search(r"pip install -|INSTALL\)", line)
    ]
    makers = [line for line in lines if "-pins/bin" in line]  # `make constraints` itself, in an environment that goes
    assert len(lines) > 6
    assert [line for line in lines if not re.search(r"--require-hashes|INSTALL\)|--no-deps", line)] == makers
