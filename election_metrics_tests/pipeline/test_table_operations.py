"""A table as operators meet it: its mapping, the sensor, the commands, and what is wrong with it."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from pydantic import SecretStr

from election_metrics.automation.sensors import new_transactions_sensor
from election_metrics.cli import main
from election_metrics.errors import ElectionMetricsError, SourceError
from election_metrics.pipeline.run_tags import RANGE_END, RANGE_START, WHY
from election_metrics.pipeline.table_landing import land_table
from election_metrics.pipeline.table_opening import open_table
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings, settings
from election_metrics.warehouse.database import transaction
from election_metrics_tests.computing import NOW, hourly
from election_metrics_tests.exports import HOUR, Folder, ms, vote
from election_metrics_tests.tables import MAPPING, Ballots, land_only, mapped_to, row

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            MAPPING.replace('"place"', '"district"'),
            "columns.constituency names the column 'district', which ballots has not",
        ),
        (MAPPING.replace('table = "ballots"', 'table = "votes"'), "table votes does not exist, or may not be seen"),
        (MAPPING.replace('"number_of_row"', '"place"'), "the column 'place' is no whole number"),
        (MAPPING.replace("[types]", "[typos]"), "typos is no key of a mapping"),
        (MAPPING.replace('id = "id"\n', ""), "columns.id is missing"),
        (
            MAPPING.replace('"vote"', '"voting"'),
            "types is {'ISSUE': 'blindSigIssue', 'VOTE': 'voting'}: 'VOTE' cannot be",
        ),
        (MAPPING + "[", "is not valid TOML"),
    ],
)
@pytest.mark.parametrize("ballots", ["sqlite"], indirect=True)
def test_a_wrong_mapping_is_told_with_its_key_and_column(mapped: Settings, written: str, said: str) -> None:
    assert mapped.source_table is not None
    mapped.source_table.write_text(written, "utf-8")
    with pytest.raises(ElectionMetricsError, match=re.escape(said)):
        land_only(mapped)


def test_another_table_under_the_same_name_is_refused(mapped: Settings, ballots: Ballots, tmp_path: Path) -> None:
    ballots.put(row("a", ms(1)))
    land_only(mapped)
    other = Ballots(f"sqlite:///{tmp_path}/other.db")
    moved = mapped.model_copy(update={"source_url": SecretStr(other.url)})
    with pytest.raises(SourceError, match="give the new one another `name`"):
        land_only(moved)


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_the_sensor_asks_for_new_rows_and_for_a_comparison_and_the_run_lands_them(
    mapped: Settings, ballots: Ballots
) -> None:
    ballots.put(row("a", ms(1)), row("b", ms(1, 2)))
    with dg.instance_for_test() as instance:
        (request,) = tick(mapped, instance).run_requests or []
        assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2026-09-18-08:00", "2026-09-18-10:00")
        assert run_update(
            mapped, instance, HOUR, HOUR + timedelta(hours=2), "test", landing={"sources": ["ballots"]}
        ).success
        assert hourly(mapped)["10"]["votes_cast"] == 1
        assert "every row of the table has landed" in (tick(mapped, instance).skip_message or "")
        with transaction(mapped) as connection:
            connection.execute(sa.text("UPDATE ingest.table_reads SET compared_at = now() - interval '20 minutes'"))
        (request,) = tick(mapped, instance).run_requests or []
        assert "compared" in request.tags[WHY]
        away = mapped.model_copy(update={"source_url": SecretStr("postgresql+psycopg://x@127.0.0.1:1/votes")})
        assert "table ballots" in (tick(away, instance).skip_message or "")


def tick(settings: Settings, instance: dg.DagsterInstance) -> Any:
    """What the sensor says now."""
    context = dg.build_sensor_context(instance=instance, resources={"settings": settings})
    return new_transactions_sensor.evaluate_tick(context)


def test_a_table_that_is_away_does_not_stop_the_files(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    both = chosen.model_copy(
        update={"source": tmp_path / "in", "source_url": SecretStr("postgresql+psycopg://x@127.0.0.1:1/votes")}
    )
    with dg.instance_for_test() as instance:
        result = run_update(both, instance, HOUR, HOUR, "test")
    assert result.success
    assert hourly(both)["08"]["votes_cast"] == 1
    (landed,) = result.asset_materializations_for_node("landed_files")
    assert "the transactions table" in str(landed.metadata["unreadable"].value)


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
@pytest.mark.long
def test_the_commands_check_and_ingest_and_read_hours_again(
    mapped: Settings, ballots: Ballots, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mapped.source_url is not None
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_URL", mapped.source_url.get_secret_value())
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_TABLE", str(mapped.source_table))
    settings.cache_clear()
    ballots.put(row("a", ms(1)), row("b", ms(2), state="lost"), row("c", ms(3), "ISSUE"))
    said = CliRunner().invoke(main, ["table", "check"])
    assert said.exit_code == 0, said.output
    for words in ("VOTE, ok: votes cast", "VOTE, lost: votes unknown", "ISSUE, ok: bulletins issued", "not yet"):
        assert words in said.output
    done = CliRunner().invoke(main, ["table", "ingest"])
    assert done.exit_code == 0, done.output
    assert hourly(mapped)["08"]["transaction_count"] == 3
    ballots.change("id = 'b'", "state = 'ok'")
    again = CliRunner().invoke(main, ["table", "ingest", "--from", "2026-09-18T08:00", "--to", "2026-09-18T08:00"])
    assert again.exit_code == 0, again.output
    assert hourly(mapped)["08"]["votes_cast"] == 2
    ballots.put({**row("bad", ms(4)), "at": None})
    assert CliRunner().invoke(main, ["table", "ingest"]).exit_code == 3, "a row that could not be read is said"
    monkeypatch.delenv("ELECTION_METRICS_SOURCE_URL")
    settings.cache_clear()
    assert "set ELECTION_METRICS_SOURCE_URL" in CliRunner().invoke(main, ["table", "check"]).output


def test_what_is_wrong_with_a_table_is_never_called_passing(chosen: Settings, tmp_path: Path, monkeypatch) -> None:
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    made.put(row("v", ms(1)))
    reading = mapped_to(chosen, made, tmp_path, monkeypatch)
    table = open_table(reading)
    assert table is not None
    _ = table.table
    made.run("ALTER TABLE ballots DROP COLUMN voter")  # between the look and the reading
    with pytest.raises(SourceError, match="voter"):
        land_table(reading, table, "run", NOW)
    (tmp_path / "votes.db").write_bytes(b"this is no database, it is a letter" * 100)
    with pytest.raises(SourceError, match="not a database"):
        land_table(reading, open_table(reading), "run", NOW)


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_an_error_of_the_warehouse_is_not_blamed_on_the_table(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(row("v", ms(1)))
    table = open_table(mapped)
    assert table is not None
    with transaction(mapped) as connection:
        connection.execute(sa.text("ALTER TABLE ingest.table_reads RENAME TO table_reads_away"))
    with pytest.raises(ElectionMetricsError, match="migrate") as raised:
        land_table(mapped, table, "run", NOW)
    assert table.place not in str(raised.value)
    with transaction(mapped) as connection:
        connection.execute(sa.text("ALTER TABLE ingest.table_reads_away RENAME TO table_reads"))
