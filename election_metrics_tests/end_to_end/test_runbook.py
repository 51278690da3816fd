"""Every command of docs/operators.md, typed in bash as it stands there, beside a system that runs."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.embedded_programs import program_folders
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics_tests.archived import zipped
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import Up, is_idle, wait_for
from election_metrics_tests.exports import CONTRACT, Folder, issue, line, ms, vote
from election_metrics_tests.typed import program

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
PROGRAMS = "election-metrics|curl|cp|ps|createdb|pg_restore|export|systemctl|/opt/election-metrics/bin/pip"
NEEDS_MORE_THAN_A_TEST_HAS = {
    "systemctl stop election-metrics",
    "systemctl start election-metrics",
    "/opt/election-metrics/bin/pip install --require-hashes --no-deps -r requirements/build.txt -r requirements/run.txt",
    "/opt/election-metrics/bin/pip install --no-deps --no-build-isolation .",
    "export ELECTION_METRICS_DATABASE_URL=postgresql://observatory:…@db.example.org/election_metrics",
}
"""systemd, a package index, a database server of one's own; the test of backups restores into another server."""

pytestmark = [pytest.mark.filterwarnings("ignore")]


def shown() -> list[str]:
    """The commands of the page, in its order, each once: lines of blocks, and what stands within sentences."""
    text = PAGE.read_text("utf-8")
    spans = re.findall(r"^```\n(.*?)^```$|`([^`]+)`", text, re.DOTALL | re.MULTILINE)
    candidates = [line for block, span in spans for line in (block.splitlines() or [" ".join(span.split())])]
    return list(dict.fromkeys(each for each in candidates if re.match(rf"({PROGRAMS}) ", each)))


class Operator:
    """Types what the page shows, at the places that this test has."""

    def __init__(self, up: Up, folder: Path, commands: Path) -> None:
        self.up, self.folder = up, folder
        self.typed: set[str] = set()
        self.environment = up.environment | {
            "PATH": ":".join(
                [str(commands), str(Path(sys.executable).parent), *map(str, program_folders()), "/usr/bin", "/bin"]
            ),
            "COLUMNS": "200",
        }
        self.places = {
            "/backups/": f"{folder}/backups/",
            "/srv/election-metrics": f"{folder}/restored",
            "~/exports": str(up.settings.source),
            "http://127.0.0.1:3000": f"http://127.0.0.1:{up.port}",
            "http://127.0.0.1:8000": f"http://127.0.0.1:{up.environment['ELECTION_METRICS_API_PORT']}",
            "AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr": CONTRACT,
            "AsrxMqf…": CONTRACT,
        }

    def type(self, command: str, *, more: str = "") -> str:
        """Types a command of the page (and more that it leaves open); what it printed."""
        self.typed.add(command)
        for theirs, ours in self.places.items():
            command = command.replace(theirs, ours)
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environment[name] = value
            return ""
        done = subprocess.run(
            ["bash", "-c", f"{command} {more}"], env=self.environment, cwd=self.folder, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr


@pytest.fixture
def operator(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Beside an `up` that has landed five hours, a line that is no export, and an id that stands in two contracts."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = read_settings(home=tmp_path / "home", source=tmp_path / "exports")
    folder = Folder(settings.source_path)
    other = CONTRACT[:-1] + ("A" if CONTRACT[-1] != "A" else "B")
    for hour in range(5):
        name = f"2026-09-18_{8 + hour:02}00-{9 + hour:02}00"
        folder.put(
            line(f"r{hour}", ms(0, hour - 3), "addVotersList", votersCount=10),
            issue(f"i{hour}", ms(1, hour - 3)), vote(f"v{hour}", ms(2, hour - 3)), "no export", name=name,
        )  # fmt: skip
    folder.put(vote("v4", ms(9, 1)), name="2026-09-18_1200-1300", contract=other)
    (tmp_path / "backups").mkdir()
    up = Up(settings, 3491)
    up.start()
    try:
        wait_for("the first figures", lambda: is_idle(up, settings) and len(votes(settings)) > 0)
        with program() as commands:
            yield Operator(up, tmp_path, commands)
    finally:
        if up.process.poll() is None:
            up.stop()
        close_engines()


def votes(settings: Settings) -> list[tuple[str, int]]:
    """The votes of each hour, as the tables say."""
    query = (
        "SELECT CAST(hour AS text) AS hour, sum(votes_cast) AS votes FROM metrics.hourly_stats GROUP BY 1 ORDER BY 1"
    )
    return [(hour, int(votes)) for hour, votes in rows(settings, query).itertuples(index=False)]


@pytest.mark.long
def test_every_command_of_the_runbook_does_what_the_page_says(operator: Operator) -> None:
    up, settings = operator.up, operator.up.settings
    before = votes(settings)
    assert sum(count for _, count in before) == 5
    what_is_wrong(operator)
    hours_again(operator)
    assert votes(settings) == before
    taken_back(operator, before)
    reference_data(operator)
    operator.type("election-metrics backup /backups/2026-09-21")
    assert "is complete" in operator.type("election-metrics restore --check /backups/2026-09-21")
    lost_lake(operator)
    operator.type("election-metrics lake move", more=str(operator.folder / "lake-elsewhere"))
    assert votes(settings) == before
    operator.type("export ELECTION_METRICS_SOURCE=~/exports")
    up.stop()
    operator.type("election-metrics backup /backups/before-upgrade")
    operator.type("election-metrics migrate")
    operator.type("election-metrics up", more="--help")
    up.start()
    up.stop()
    restored(operator, before)
    assert {*operator.typed, *NEEDS_MORE_THAN_A_TEST_HAS} == set(shown())


def what_is_wrong(operator: Operator) -> None:
    """The commands that look."""
    status = operator.type("election-metrics status")
    assert "quarantine" in status
    assert "no export" in operator.type("election-metrics export rejected_transactions")
    assert "conflicting_ids" in operator.type("election-metrics anomalies list")
    assert CONTRACT in operator.type("election-metrics conflicts")
    assert "postgres" in operator.type("ps -eo pid,stat,args | grep postgres")
    operator.places["PID"] = str(operator.up.process.pid)
    assert operator.places["PID"] in operator.type("ps -o pid,stat -p PID")
    operator.type("election-metrics maintain --dry-run")


def taken_back(operator: Operator, before: list[tuple[str, int]]) -> None:
    """A wrong file is withdrawn, and restored, and withdrawn again."""
    settings = operator.up.settings
    wrong = f"{CONTRACT}_2026-09-18_1100-1200.csv"
    assert settings.source_path is not None
    unfinished = Path(str(settings.source_path)) / "wrong.zip.part"
    unfinished.write_bytes(zipped({wrong: f"{vote('wrong', ms(50), 'a key of its own')}\n".encode()}))
    unfinished.rename(unfinished.with_suffix(""))
    wait_for("the wrong file", lambda: is_idle(operator.up, settings) and votes(settings) != before)
    withdraw = "election-metrics withdraw ~/exports/wrong.zip"
    assert "would be withdrawn" in operator.type(withdraw)
    operator.type(f'{withdraw} --because "test data, sent by mistake"')
    assert votes(settings) == before
    operator.type(f"{withdraw} --undo")
    wait_for("the restored file", lambda: is_idle(operator.up, settings) and votes(settings) != before)
    operator.type(f'{withdraw} --because "test data, sent by mistake"')
    assert votes(settings) == before


def hours_again(operator: Operator) -> None:
    """Backfills: on the command line, from the source, by GraphQL."""
    backfill = "election-metrics backfill --from 2026-09-18T05:00 --to 2026-09-18T09:00"
    assert "0 " in operator.type(f"{backfill} --dry-run")
    operator.type(backfill)
    assert "file" in operator.type("election-metrics reland --from 2026-09-18T05:00 --to 2026-09-18T09:00 --dry-run")
    operator.type("election-metrics reland --constituency AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr")
    (asked,) = [each for each in shown() if each.startswith("curl -s")]
    launched = json.loads(operator.type(asked))["data"]["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    assert operator.up.end_of(launched["run"]["runId"]) == "SUCCESS"


def reference_data(operator: Operator) -> None:
    """What people say of a constituency reaches the figures."""
    (said,) = [each for each in shown() if each.startswith("curl -X PUT")]
    made = subprocess.run(
        ["election-metrics", "token", "create", "anna", "--scope", "operate"], env=operator.environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    (token,) = re.findall(r"\bem_\S+", made.stdout)
    operator.places["em_…"] = token
    assert operator.type(said, more="-s -o /dev/null -w '%{http_code}'") == "204"
    register = f"SELECT registered_voters FROM metrics.constituencies WHERE constituency_id = '{CONTRACT}'"
    wait_for("the register", lambda: rows(operator.up.settings, register)["registered_voters"].tolist() == [3912])


def lost_lake(operator: Operator) -> None:
    """The lake is brought back: from a backup, and from the source."""
    home = operator.up.settings.home
    shutil.rmtree(home / "lake")
    copied = 'cp -rn /backups/2026-09-21/lake/. "$ELECTION_METRICS_HOME/lake/"'
    (home / "lake").mkdir()
    operator.type(copied)
    assert list((home / "lake").rglob("*.parquet"))
    shutil.rmtree(home / "lake")
    again = "election-metrics reland --from 2026-09-18T05:00 --to 2026-09-20T20:00"
    operator.type(f"{again} --dry-run")
    operator.type(again)
    assert list((home / "lake").rglob("*.parquet"))


def restored(operator: Operator, before: list[tuple[str, int]]) -> None:
    """Everything is lost: into the embedded server; and without this program into any PostgreSQL."""
    operator.type("export ELECTION_METRICS_HOME=/srv/election-metrics")
    operator.type("election-metrics restore /backups/2026-09-21")
    assert "5" in operator.type("election-metrics summary")
    settings = read_settings(home=operator.folder / "restored", source=operator.up.settings.source)
    assert votes(settings) == before
    parts = conninfo_to_dict(plain_url(warehouse_url(settings)))
    operator.environment |= {
        f"PG{name.upper()}": str(value) for name, value in parts.items() if name in ("host", "user")
    }
    close_engines()
    with psycopg.connect(**{**parts, "dbname": "postgres"}, autocommit=True) as connection:
        for name in ("election_metrics", "election_metrics_dagster"):
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    for name, dump in (("election_metrics", "warehouse"), ("election_metrics_dagster", "dagster")):
        operator.type(f"createdb {name}")
        operator.type(f"pg_restore --no-owner --no-privileges --dbname {name} /backups/2026-09-21/{dump}.dump")
    operator.type("election-metrics migrate")
    assert votes(settings) == before
