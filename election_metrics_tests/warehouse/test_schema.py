"""Tables and migrations say the same; a scope is replaced whole; the embedded server comes back."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.errors import DataError, WarehouseError
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse import migrate as migrate_module
from election_metrics.warehouse.checked import check_frame
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.migrate import make_tables, migrate
from election_metrics.warehouse.replace import CHANNEL, copy_rows, notify, read_frame, replace_scope
from election_metrics.warehouse.tables import elections, hourly_stats, metadata
from election_metrics_tests.computing import rows

NOW = datetime(2026, 9, 18, tzinfo=UTC)


def some(*ids: str, run: str = "r") -> pd.DataFrame:
    return pd.DataFrame({"election_id": ids, "name": ids, "time_zone": "UTC", "run_id": run, "computed_at": NOW})


def test_migrations_make_exactly_the_tables_that_the_code_describes(chosen: Settings) -> None:
    with transaction(chosen) as connection:
        options = {"include_schemas": True, "compare_type": True, "version_table_schema": "ingest",
                   "version_table": "schema_version",
                   "include_name": lambda name, kind, _: kind != "schema" or name in ("metrics", "ingest")}  # fmt: skip
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


HEAD = ScriptDirectory(str(Path(migrate_module.__file__).parent / "migrations")).get_current_head()
_CATALOGUE = {
    "columns": """
        SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
            pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace IN ('metrics'::regnamespace, 'ingest'::regnamespace) AND relkind = 'r' AND attnum > 0
            AND relname <> 'schema_version'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace IN ('metrics'::regnamespace, 'ingest'::regnamespace)
            AND conrelid <> to_regclass('ingest.schema_version')
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname IN ('metrics', 'ingest') AND tablename <> 'schema_version'
    """,
    "sequences": "SELECT schemaname, sequencename, data_type::text FROM pg_sequences",
    "comments": """
        SELECT oid::regclass::text, obj_description(oid, 'pg_class') FROM pg_class
        WHERE relnamespace IN ('metrics'::regnamespace, 'ingest'::regnamespace) AND relkind = 'r'
            AND relname <> 'schema_version'
    """,
}


def catalogue(connection: sa.Connection) -> dict[str, set[tuple[object, ...]]]:
    return {
        name: {
            # Since PostgreSQL 18, its catalogue has a name for every NOT NULL.
            tuple(row)
            for row in connection.execute(sa.text(query))
            if not str(row[-1]).startswith("NOT NULL")
        }
        for name, query in _CATALOGUE.items()
    }


def test_migrations_make_what_the_code_describes_to_the_last_check_and_default(chosen: Settings) -> None:
    """All but the place of a column: one that a later migration adds comes last."""
    with transaction(chosen) as connection:
        migrated = catalogue(connection)
    migrate(chosen, "base")
    with transaction(chosen) as connection:
        metadata.create_all(connection)
        described = catalogue(connection)
    assert migrated == described
    assert all(described.values())


def everything_there(chosen: Settings) -> list[object]:
    with transaction(chosen) as connection:
        objects = "SELECT oid, relname, relacl::text FROM pg_class UNION ALL SELECT oid, nspname, nspacl::text FROM pg_namespace"
        version = "SELECT version_num FROM ingest.schema_version"
        databases = "SELECT datname FROM pg_database WHERE datname LIKE current_database() || '%'"
        return [sorted(map(str, connection.execute(sa.text(one)))) for one in (objects, version, databases)]


@pytest.mark.parametrize("revision", [
    "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013",
])  # fmt: skip
def test_tables_of_before_the_first_release_are_left_as_they_are_and_it_says_what_to_do(
    chosen: Settings, revision: str
) -> None:
    with transaction(chosen) as connection:
        connection.execute(sa.text("UPDATE ingest.schema_version SET version_num = :it"), {"it": revision})
    before = everything_there(chosen)
    for command in (["migrate"], ["migrate", "--to", "base", "--yes"]):
        said = CliRunner().invoke(main, command)
        assert said.exit_code == 1
        words = " ".join(said.output.split())
        assert f"the warehouse is from before the first release (tables {revision};" in words
        assert "drop both databases, type: election-metrics migrate, and ingest the files again" in words
    with pytest.raises(WarehouseError, match=f"tables {revision};"):
        make_tables(chosen)
    assert everything_there(chosen) == before


def test_a_warehouse_that_is_up_to_date_stays_as_it_is(chosen: Settings) -> None:
    migrate(chosen)
    before = everything_there(chosen)
    assert migrate(chosen) == (HEAD, HEAD)
    assert everything_there(chosen) == before


def test_migrations_go_down_and_up_again(chosen: Settings) -> None:
    with transaction(chosen) as connection:
        before = catalogue(connection)
    assert migrate(chosen, "base") == (HEAD, None)
    assert rows(chosen, """
        SELECT relname FROM pg_class WHERE relnamespace IN ('metrics'::regnamespace, 'ingest'::regnamespace)
            AND relname !~ '^schema_version'
        UNION ALL SELECT proname FROM pg_proc
        WHERE pronamespace IN ('metrics'::regnamespace, 'ingest'::regnamespace)
    """).empty  # fmt: skip
    with pytest.raises(WarehouseError, match="election-metrics migrate"):
        rows(chosen, "SELECT * FROM metrics.elections")
    assert migrate(chosen) == (None, HEAD)
    with transaction(chosen) as connection:
        assert catalogue(connection) == before
    assert rows(chosen, "SELECT * FROM metrics.elections").empty
    with pytest.raises(WarehouseError, match="no revision 'nonsense'"):
        migrate(chosen, "nonsense")


def test_every_table_and_column_has_a_comment(chosen: Settings) -> None:
    found = rows(
        chosen,
        """
        SELECT format('%s.%s', table_schema, table_name) AS name, column_name FROM information_schema.columns
        WHERE table_schema IN ('metrics', 'ingest') AND table_name <> 'schema_version'
            AND col_description(format('%I.%I', table_schema, table_name)::regclass, ordinal_position) IS NULL
    """,
    )
    assert found.values.tolist() == []
    assert all(table.comment for table in metadata.tables.values())


def test_a_reader_sees_the_old_rows_or_the_new_ones_never_none_and_never_both(chosen: Settings) -> None:
    with transaction(chosen) as connection:
        copy_rows(connection, elections, some("a", "b", run="0"))
    seen: set[tuple[str, ...]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(tuple(rows(chosen, "SELECT run_id FROM metrics.elections ORDER BY 1")["run_id"]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 40):
        with transaction(chosen) as connection:
            replace_scope(connection, elections, sa.true(), some("a", "b", run=str(number)))
    done.set()
    reader.join(20)
    assert all(len(runs) == 2 and len(set(runs)) == 1 for runs in seen)


def test_a_replacement_that_fails_leaves_the_old_rows(chosen: Settings) -> None:
    with transaction(chosen) as connection:
        copy_rows(connection, elections, some("a"))
    with pytest.raises(psycopg.errors.CheckViolation), transaction(chosen) as connection:
        replace_scope(connection, elections, sa.true(), some("x").assign(status="nonsense"))
    assert rows(chosen, "SELECT election_id FROM metrics.elections")["election_id"].tolist() == ["a"]


def test_listeners_hear_what_changed_when_it_is_committed(chosen: Settings) -> None:
    from election_metrics.warehouse.server import plain_url, warehouse_url

    with psycopg.connect(plain_url(warehouse_url(chosen)), autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with transaction(chosen) as connection:
            notify(connection, elections, ["b", "a", "b"])
            notify(connection, elections, {"c": ["y", "x"], "d": [], "e": [f"{n:044}" for n in range(2000)]})
            version = str(connection.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one())
        heard = [json.loads(message.payload) for message in listener.notifies(timeout=5, stop_after=5)]
    said = {"table": "elections", "version": version}
    assert heard == [
        said | {"election_id": "a"}, said | {"election_id": "b"},
        said | {"election_id": "c", "constituencies": ["x", "y"]}, said | {"election_id": "d", "constituencies": []},
        said | {"election_id": "e"},  # too many to name: any of them
    ]  # fmt: skip


def test_more_constituencies_than_a_payload_holds_are_named_in_several(chosen: Settings) -> None:
    from election_metrics.warehouse.server import plain_url, warehouse_url

    ids = [f"{n:044}" for n in range(500)]
    with psycopg.connect(plain_url(warehouse_url(chosen)), autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with transaction(chosen) as connection:
            notify(connection, elections, {"выборы-" * 20: ids})
        heard = [json.loads(message.payload) for message in listener.notifies(timeout=5, stop_after=5)]
    assert [one for payload in heard for one in payload["constituencies"]] == ids


def test_a_frame_with_empty_chunks_and_missing_values_is_copied_as_it_is(chosen: Settings) -> None:
    nothing = some("a").iloc[:0]
    odd = pd.concat([nothing, some('q"uote, and ;'), some("ы\n")]).assign(status=[None, "active"])
    with transaction(chosen) as connection:
        copy_rows(connection, elections, odd)
        back = read_frame(connection, sa.select(elections.c.election_id, elections.c.status))
    assert sorted(back["election_id"]) == ['q"uote, and ;', "ы\n"]
    assert back["status"].isna().sum() == 1


_USE = """
import sys
from pathlib import Path
from election_metrics.settings import read_settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.migrate import migrate
import sqlalchemy as sa
chosen = read_settings(home=Path(sys.argv[1]))
migrate(chosen)
with transaction(chosen) as connection:
    print(connection.execute(sa.text("SHOW server_version_num")).scalar_one(), flush=True)
"""


def _use(home: Path, more: str = "") -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ELECTION_METRICS_")}
    return subprocess.run(
        [sys.executable, "-c", _USE + more, str(home)], capture_output=True, text=True, env=clean, check=False
    )


def _postmaster(home: Path) -> int | None:
    file = home / "postgres" / "postmaster.pid"
    return int(file.read_text().split("\n")[0]) if file.exists() else None


def test_the_embedded_server_starts_by_itself_and_ends_with_its_last_user(tmp_path: Path) -> None:
    assert _use(tmp_path).stdout.startswith("18")
    assert _postmaster(tmp_path) is None


@pytest.mark.long
def test_the_embedded_server_comes_back_after_its_user_and_it_were_killed(tmp_path: Path) -> None:
    killed = _use(tmp_path, "import os; os.kill(os.getpid(), 9)\n")
    assert killed.returncode == -9
    server = _postmaster(tmp_path)
    assert server is not None
    assert _use(tmp_path).stdout.startswith("18"), "the server that was left running is used again"
    _use(tmp_path, "import os; os.kill(os.getpid(), 9)\n")
    os.kill(_postmaster(tmp_path) or 0, signal.SIGKILL)
    assert _use(tmp_path).stdout.startswith("18")
    # After a reboot the number in the pid file may be any process's.
    (tmp_path / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{tmp_path}/postgres\n1\n5432\n/tmp\n\n1 1\nready\n"
    )
    again = _use(tmp_path)
    assert again.stdout.startswith("18"), again.stderr


def test_a_server_that_is_not_there_is_a_sentence_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = read_settings(database_url="postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(WarehouseError, match="cannot be reached") as caught:
        migrate(chosen)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"name": [None, "b"]}, "metrics.elections: column name: null where none may be"),
        ({"election_id": ["a", "a"]}, "metrics.elections: columns .*election_id.* not unique"),
        ({"computed_at": ["x", "y"]}, "metrics.elections: column computed_at: .*no instants"),
    ],
)
def test_a_frame_that_is_no_row_of_its_table_is_refused_before_it_is_written(
    chosen: Settings, spoil: dict[str, list[object]], says: str
) -> None:
    with transaction(chosen) as connection, pytest.raises(DataError, match=says):
        copy_rows(connection, elections, some("a", "b").assign(**spoil))
    assert rows(chosen, "SELECT * FROM metrics.elections").empty


def test_no_column_that_is_missing_infinite_or_negative_gets_through() -> None:
    hour = pd.Timestamp("2026-09-18T05:00Z")
    counts = {column.name: 0 for column in hourly_stats.columns if isinstance(column.type, sa.BigInteger)}
    good = pd.DataFrame([{"election_id": "e", "constituency_id": "c", "hour": hour, "run_id": "r", "computed_at": hour,
                          "vote_velocity": 1.0, **counts}])  # fmt: skip
    check_frame(hourly_stats, good)
    for bad, says in (
        (good.assign(votes_cast=-1), "votes_cast: .*negative"),
        (good.assign(vote_velocity=float("inf")), "vote_velocity: .*infinite"),
        (good.assign(votes_cast=1.5), "votes_cast: .*no whole numbers"),
        (good.drop(columns="votes_cast"), "votes_cast: missing"),
    ):
        with pytest.raises(DataError, match=says):
            check_frame(hourly_stats, bad)
