"""The documents are true: generated pages equal the code, links lead somewhere, commands exist and queries run."""

import re
from pathlib import Path

import click
import pytest
import sqlalchemy as sa

from docs.generate import PAGES
from election_metrics.cli import main
from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.tables import metadata
from election_metrics_tests.computing import update
from election_metrics_tests.exports import Folder
from election_metrics_tests.simulated import FAULTS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_the_code_and_the_database_say(chosen: Settings, name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == PAGES[name](chosen), "type: make docs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text("utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_exists_with_its_options(document: Path) -> None:
    shown = "\n".join(re.findall(r"```\n(.*?)```", document.read_text("utf-8"), re.DOTALL))
    for target in re.findall(r"^make ([a-z-]+)", shown, re.MULTILINE):
        assert target in TARGETS
    if document.name == "commands.md":
        return
    for words in re.findall(r"election-metrics ([a-z][^\"\n)]*)", shown):
        command = main.commands[words.split()[0]]
        if isinstance(command, click.Group):
            command = command.commands[words.split()[1]]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words.split() if word.startswith("--")} <= options, words


def test_every_query_shown_runs(chosen: Settings) -> None:
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("analysts.md", "history.md")]
    queries = [query for page in pages for query in re.findall(r"```sql\n(.*?)```", page, re.DOTALL)]
    assert len(queries) > len(pages)
    with transaction(chosen) as connection:
        for query in "".join(queries).split(";"):
            if query.strip():
                connection.execute(sa.text(query))


def test_every_figure_of_schema_metrics_is_defined() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    defined = set(re.findall(r"`(\w+)`", page))
    stems = {name for name in defined if name.startswith("_")}
    figures = {
        column.name
        for table in metadata.tables.values()
        if table.schema == "metrics" and table.name not in ("anomalies", "anomaly_thresholds")
        for column in table.columns
        if isinstance(column.type, sa.BigInteger | sa.Double) or column.name == "activity_pattern"
    }
    plain = {"rank", "hours", "commit_number"}  # a place in a ranking, a length, a number
    assert not {name for name in figures - defined - plain if not any(name.endswith(stem) for stem in stems)}


def test_the_table_of_accuracy_has_a_row_for_each_rule_with_its_fault() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    table = page[page.index("| rule | injected fault |") :].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [rule.strip("`") for rule, *_ in rows] == list(RULES)
    assert {rule.strip("`"): fault for rule, fault, *_ in rows}.items() >= {
        rule: fault for rule, (fault, _) in FAULTS.items()
    }.items()
    for rule, _, found, false_alarms in rows:
        figures = re.fullmatch(r"\d+ of \d+", found) and re.fullmatch(r"\d+\.\d{3}", false_alarms)
        assert figures or (found, false_alarms) == ("exact: it is counted, not judged", "–"), rule


def test_no_tracked_text_names_a_registry_or_a_path_of_a_machine() -> None:
    for path in [*ROOT.glob("*.txt"), *ROOT.glob("*.toml"), ROOT / "Makefile", ROOT / ".ci" / "run"]:
        assert "://" not in path.read_text("utf-8").replace("http://127.0.0.1", ""), path


def test_the_lines_of_the_export_format_are_a_bulletin_and_a_vote(chosen: Settings, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "export-format.md").read_text("utf-8")
    Folder(tmp_path / "in").put(*re.findall(r"^ {4}(\S+;104;.*)$", page, re.MULTILINE))
    update(chosen, tmp_path / "in")
    counted = "SELECT sum(transaction_count)::bigint, sum(bulletins_issued)::bigint, sum(votes_cast)::bigint FROM metrics.hourly_stats"
    with transaction(chosen) as connection:
        assert connection.execute(sa.text(counted)).one() == (2, 1, 1)
