"""Roles and privileges in the databases, ensured by every `migrate`, also after a restore or manual changes.

Roles belong to the cluster, privileges to a database. Only what is missing is changed; what the login may not change
is reported in one sentence.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

READER = "election_metrics_reader"
API = "election_metrics_api"
ROLES = (READER, API)

_CONNECTIONS = {READER: 20, API: 40}
_TIMEOUTS = {READER: {"statement_timeout": "5min", "idle_in_transaction_session_timeout": "1min"}, API: {}}
_PUBLIC = ("metrics", "history", "as_of")
"""Schemas that both roles read."""
_OF_THE_LEDGER = (
    "transaction_files", "rejected_transactions", "lake_parts", "hour_versions", "election_versions",
    "registry_version", "constituency_registry", "audit_log", "table_contents", "table_constituencies", "table_reads",
    "judged_rows",
)  # fmt: skip
_WRITTEN_BY_PEOPLE = ("constituency_reference", "election_reference", "anomaly_thresholds")
_STATE = ("state", "state_by", "state_at", "state_note")
_AUDIT = ("who", "action", "target", "before", "after")


@dataclass(frozen=True)
class _Step:
    """A statement, and what it fixes, for the sentence on what is left."""

    statement: str
    purpose: str


def ensure_roles(connection: sa.Connection) -> list[str]:
    """Ensures roles, limits and privileges in the warehouse.

    Args:
        connection: to the warehouse, in a transaction; after the migrations.

    Returns:
        What this login may not change, each in a few words; empty for a superuser.
    """
    # Grants come last: until a privilege is revoked from PUBLIC, it looks as if it was granted.
    everything = (_roles_to_make, _limits_to_set, _doors_to_close, _rights_to_give)
    for steps in everything:
        for step in list(steps(connection)):
            _try(connection, step)
    return sorted({step.purpose for steps in everything for step in steps(connection)})


def close_database(connection: sa.Connection) -> list[str]:
    """Revokes access of PUBLIC to a database that is not for readers: Dagster's.

    Args:
        connection: to that database, in a transaction.

    Returns:
        What this login may not change, each in a few words.
    """
    if not _existing(connection):
        return []  # another server, without these roles
    for step in list(_doors_to_close(connection, for_readers=False)):
        _try(connection, step)
    return sorted({step.purpose for step in _doors_to_close(connection, for_readers=False)})


def close_databases_of_server(connection: sa.Connection) -> None:
    """Revokes CONNECT to every other database from PUBLIC, on the embedded server."""
    names = connection.execute(
        sa.text(
            "SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1') "
            "AND has_database_privilege('public', oid, 'CONNECT')"
        )
    ).scalars()
    for name in list(names):
        _try(connection, _Step(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC", ""))


def logins_of(connection: sa.Connection) -> dict[str, list[str]]:
    """Logins that are members of the roles, by role; on another server they must be created again."""
    return {role: list(_members(connection, role)) for role in _existing(connection)}


def shortfall(login: str, left: list[str]) -> str:
    """One sentence on everything that a login could not change."""
    return (
        f"The login {login!r} is no superuser: {'; '.join(left)}. docs/security.md has the statements for a superuser, "
        "under What each role may."
    )


def _try(connection: sa.Connection, step: _Step) -> None:
    """Runs a statement that may be forbidden, or may be running in a concurrent migration."""
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(step.statement.replace("%", "%%"))
    except DBAPIError:
        savepoint.rollback()
    else:
        savepoint.commit()


def _existing(connection: sa.Connection) -> list[str]:
    query = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles) ORDER BY rolname")
    return list(connection.execute(query, {"roles": list(ROLES)}).scalars())


def _members(connection: sa.Connection, role: str) -> Iterator[str]:
    """Logins with the privileges of a role, without the database's owner: limits on it would stop the pipeline."""
    yield from connection.execute(
        sa.text(
            """
            SELECT login.rolname
            FROM pg_roles AS login, pg_database AS ours
            WHERE ours.datname = current_database() AND login.rolcanlogin AND NOT login.rolsuper
                AND login.rolname <> :role AND pg_has_role(login.oid, CAST(:role AS name), 'MEMBER')
                AND login.rolname NOT IN (CURRENT_USER, SESSION_USER)
                AND NOT pg_has_role(login.oid, ours.datdba, 'MEMBER')
            ORDER BY login.rolname
            """
        ),
        {"role": role},
    ).scalars()


def _roles_to_make(connection: sa.Connection) -> Iterator[_Step]:
    there = _existing(connection)
    for role in ROLES:
        if role not in there:
            yield _Step(f"CREATE ROLE {role} NOLOGIN", f"role {role} is missing")
    if API in there:
        may = "'SET'" if _server(connection) >= 160_000 else "'MEMBER'"
        if not connection.execute(sa.text(f"SELECT pg_has_role(CURRENT_USER, '{API}', {may})")).scalar():
            yield _Step(f"GRANT {API} TO CURRENT_USER", f"it may not take on role {API}")


def _limits_to_set(connection: sa.Connection) -> Iterator[_Step]:
    """Limits apply to the login that connects, not to its roles, so each login gets them.

    A limit that is set already stays.
    """
    for role in _existing(connection):
        for name in (role, *_members(connection, role)):
            limit, settings = connection.execute(
                sa.text("SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = :name"), {"name": name}
            ).one()
            quoted, purpose = _quoted(connection, name), f"{name} has no limits"
            if limit == -1:
                yield _Step(f"ALTER ROLE {quoted} CONNECTION LIMIT {_CONNECTIONS[role]}", purpose)
            there = {entry.partition("=")[0] for entry in settings or ()}
            for setting, value in _TIMEOUTS[role].items():
                if setting not in there:
                    yield _Step(f"ALTER ROLE {quoted} SET {setting} = '{value}'", purpose)


def _rights_to_give(connection: sa.Connection) -> Iterator[_Step]:
    purpose = "a role lacks rights"
    for role in _existing(connection):
        for schema in (*_PUBLIC, "ingest") if role == API else _PUBLIC:
            if not _has(connection, "schema", role, schema, "USAGE"):
                yield _Step(f"GRANT USAGE ON SCHEMA {schema} TO {role}", purpose)
        for relation in [name for schema in _PUBLIC for name in _relations(connection, schema)]:
            if not _has(connection, "table", role, relation, "SELECT"):
                yield _Step(f"GRANT SELECT ON {relation} TO {role}", purpose)
        for schema in _PUBLIC:
            if not _reads_what_comes(connection, role, schema):
                yield _Step(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}", purpose)
        if not _has(connection, "database", role, _database(connection), "CONNECT"):
            yield _Step(f"GRANT CONNECT ON DATABASE {_quoted(connection, _database(connection))} TO {role}", purpose)
    if API in _existing(connection):
        yield from (_Step(statement, purpose) for statement in _rights_of_the_api(connection))


def _rights_of_the_api(connection: sa.Connection) -> Iterator[str]:
    """The API reads the ledger, writes overrides, takes the pipeline's locks, and adds to the audit log."""
    for relation in _relations(connection, "ingest", _OF_THE_LEDGER):
        if not _has(connection, "table", API, relation, "SELECT"):
            yield f"GRANT SELECT ON {relation} TO {API}"
    for relation in _relations(connection, "metrics", _WRITTEN_BY_PEOPLE):
        for right in ("INSERT", "UPDATE", "DELETE"):
            if not _has(connection, "table", API, relation, right):
                yield f"GRANT {right} ON {relation} TO {API}"
    columns = (("metrics", "anomalies", "UPDATE", _STATE), ("ingest", "audit_log", "INSERT", _AUDIT))
    for schema, table, right, names in columns:
        for relation in _relations(connection, schema, (table,)):
            lacking = [name for name in names if not _has_column(connection, relation, name, right)]
            if lacking:
                yield f"GRANT {right} ({', '.join(lacking)}) ON {relation} TO {API}"
    for function in _functions(connection, "^pg_advisory_", API, has=False):
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {API}"


def _doors_to_close(connection: sa.Connection, *, for_readers: bool = True) -> Iterator[_Step]:
    """Default privileges of every role that must be revoked: taking our locks, filling the disk, connecting."""
    database = _database(connection)
    name = _quoted(connection, database)
    rights = {"TEMPORARY": "every role may make temporary tables"}
    if not for_readers:
        rights["CONNECT"] = f"every role may connect to {database}"
    for right, purpose in rights.items():
        if _has(connection, "database", "public", database, right):
            yield _Step(f"GRANT {right} ON DATABASE {name} TO CURRENT_USER", purpose)
            yield _Step(f"REVOKE {right} ON DATABASE {name} FROM PUBLIC", purpose)
    if _has(connection, "schema", "public", "public", "CREATE"):
        yield _Step("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "every role may make tables in schema public")
    purpose = "every role may take our locks and make large objects"
    pattern = "^(pg_(try_)?advisory_.*|lo_creat|lo_create|lo_from_bytea|lo_put)$"
    for function in _functions(connection, pattern, "public", has=True):
        yield _Step(f"GRANT EXECUTE ON FUNCTION {function} TO CURRENT_USER", purpose)
        yield _Step(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC", purpose)


def _functions(connection: sa.Connection, pattern: str, role: str, *, has: bool) -> list[str]:
    """PostgreSQL's own functions that a role may call, or may not."""
    query = sa.text(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace "
        "AND proname ~ :pattern AND has_function_privilege(CAST(:role AS name), oid, 'EXECUTE') = :has ORDER BY 1"
    )
    return list(connection.execute(query, {"pattern": pattern, "role": role, "has": has}).scalars())


def _relations(connection: sa.Connection, schema: str, names: tuple[str, ...] | None = None) -> list[str]:
    """Tables and views of a schema that are there, as SQL names them."""
    query = sa.text(
        "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace "
        "WHERE nspname = :schema AND relkind IN ('r', 'v', 'm', 'p') "
        "AND (CAST(:names AS text[]) IS NULL OR relname = ANY(CAST(:names AS text[]))) ORDER BY 1"
    )
    return list(
        connection.execute(query, {"schema": schema, "names": None if names is None else list(names)}).scalars()
    )


def _has(connection: sa.Connection, kind: str, role: str, name: str, right: str) -> bool:
    query = sa.text(f"SELECT has_{kind}_privilege(CAST(:role AS name), :name, :right)")
    return bool(connection.execute(query, {"role": role, "name": name, "right": right}).scalar())


def _has_column(connection: sa.Connection, relation: str, column: str, right: str) -> bool:
    query = sa.text(f"SELECT has_column_privilege('{API}', :relation, :column, :right)")
    return bool(connection.execute(query, {"relation": relation, "column": column, "right": right}).scalar())


def _reads_what_comes(connection: sa.Connection, role: str, schema: str) -> bool:
    """Whether this role may read tables that the login creates in a schema from now on."""
    query = sa.text(
        "SELECT EXISTS (SELECT 1 FROM pg_default_acl, aclexplode(defaclacl) AS given "
        "WHERE defaclrole = CAST(CURRENT_USER AS regrole) AND defaclnamespace = CAST(:schema AS regnamespace) "
        "AND defaclobjtype = 'r' AND given.grantee = CAST(:role AS regrole) AND given.privilege_type = 'SELECT')"
    )
    return bool(connection.execute(query, {"role": role, "schema": schema}).scalar())


def _database(connection: sa.Connection) -> str:
    return str(connection.execute(sa.text("SELECT current_database()")).scalar_one())


def _server(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text("SELECT current_setting('server_version_num')")).scalar_one())


def _quoted(connection: sa.Connection, name: str) -> str:
    return str(connection.execute(sa.text("SELECT quote_ident(:name)"), {"name": name}).scalar_one())
