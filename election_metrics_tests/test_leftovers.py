"""Nothing is left over that vulture cannot see: files that are not there, scripts' exports and classes that nobody names."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "election_metrics" / "api" / "page_files"
SCRIPTS = {path.name: path.read_text("utf-8") for path in sorted((PAGE / "scripts").glob("*.js"))}
STYLES = {path.name: path.read_text("utf-8") for path in sorted(PAGE.glob("*.css"))}
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FILE = re.compile(r"(?<![\w/.:~$>-])((?:[\w.-]+/)+[\w.-]+\.(?:py|sql|md|ya?ml|toml|js|css|svg|png|json|txt))\b(?!\.\w)")
PLACES = (ROOT, ROOT / "election_metrics", ROOT / "docs", ROOT / "election_metrics_tests")
OF_THE_READER = ("HOME/", "PWD/")


def named(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def test_every_glob_of_package_data_has_a_file() -> None:
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    for package, patterns in globs.items():
        for pattern in patterns:
            assert any(path.is_file() for path in (ROOT / package).glob(pattern)), pattern


def test_every_file_beside_the_code_is_package_data() -> None:
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    package = ROOT / "election_metrics"
    installed = {path for pattern in globs["election_metrics"] for path in package.glob(pattern)}
    beside = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in beside - installed if path.suffix != ".py"} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    said = [name for name in FILE.findall(document.read_text("utf-8")) if not name.startswith(OF_THE_READER)]
    assert [name for name in said if not any((place / name).exists() for place in PLACES)] == []


def test_every_export_of_a_script_is_used_by_another_or_a_test() -> None:
    tests = "\n".join(
        path.read_text("utf-8") for path in sorted((ROOT / "election_metrics_tests" / "api").rglob("*.py"))
    )
    unused = [
        (name, exported)
        for name, text in SCRIPTS.items()
        for exported in re.findall(r"^export (?:async )?(?:function\*?|const|let|class) (\w+)", text, re.MULTILINE)
        if not any(named(exported, other) for where, other in SCRIPTS.items() if where != name)
        and not named(exported, tests)
    ]
    assert unused == []


def test_no_name_at_the_top_of_a_script_is_said_only_once() -> None:
    top = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
    imported = re.compile(r"^import \{([^}]*)\}", re.MULTILINE)
    for script, text in SCRIPTS.items():
        names = [
            *top.findall(text),
            *(n.split(" as ")[-1].strip() for some in imported.findall(text) for n in some.split(",")),
        ]
        assert [name for name in names if name and len(re.findall(rf"\b{name}\b", text)) < 2] == [], script


def test_every_class_and_id_of_the_styles_is_said_by_a_page_or_script() -> None:
    rules = re.sub(r"/\*.*?\*/", "", "\n".join(STYLES.values()), flags=re.DOTALL)
    selectors = re.sub(r"\{[^{}]*\}", "{}", rules)
    pages = "\n".join([*SCRIPTS.values(), *(path.read_text("utf-8") for path in PAGE.glob("*.html"))])
    said = set(re.findall(r"[.#]([a-zA-Z][\w-]*)", selectors))
    assert said
    assert {name for name in said if not named(name, pages)} == set()
