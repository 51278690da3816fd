"""`make docs`: the pages of docs/ that follow from the code: tables, settings, commands, endpoints."""

import tempfile
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.settings import PREFIX, Settings, read_settings
from election_metrics.warehouse.database import close_engines, transaction
from election_metrics.warehouse.migrate import migrate

_DESCRIBED = """
    SELECT
        format('%s.%s', namespace.nspname, relation.relname) AS name,
        obj_description(relation.oid) AS comment,
        (
            SELECT array_agg(attribute.attname ORDER BY key.place)
            FROM pg_index AS index, unnest(index.indkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum = key.number
            WHERE index.indrelid = relation.oid AND index.indisprimary
        ) AS key,
        (
            SELECT json_agg(json_build_array(
                attname, format_type(atttypid, atttypmod), attnotnull, col_description(relation.oid, attnum)
            ) ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
        ) AS columns
    FROM pg_class AS relation
    JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    WHERE namespace.nspname IN ('metrics', 'ingest') AND relation.relkind IN ('r', 'v')
        AND relation.relname <> 'schema_version'
    ORDER BY namespace.nspname DESC, relation.relkind, relation.relname
"""


def tables_page(settings: Settings) -> str:
    """docs/tables.md: every table, view and column with its comment, as the database has them."""
    lines = [
        "# Tables",
        "",
        "Schema `metrics` is for readers: names and meaning stay, columns may be added. Schema `ingest` is the ledger,",
        "the quarantine and the corrections. Times are `timestamptz` (UTC); rates are percent; NULL means not known.",
        "Role `election_metrics_reader` may read schema `metrics` and nothing else. This page is made from the",
        "comments in the database by `make docs`.",
    ]
    with transaction(settings) as connection:
        described = connection.execute(sa.text(_DESCRIBED)).all()
    for name, comment, key, columns in described:
        keyed = f" Key: {', '.join(f'`{column}`' for column in key)}." if key else " A view."
        lines += ["", f"## {name}", "", f"{comment}.{keyed}", "", "| column | type | |", "|---|---|---|"]
        for column, kind, required, meaning in columns:
            short = kind.replace("timestamp with time zone", "timestamptz")
            lines.append(f"| `{column}` | {short}{', not null' if required else ''} | {meaning} |")
    return "\n".join(lines) + "\n"


def rules_page(_settings: Settings) -> str:
    """docs/anomaly-rules.md: every rule, from its registry."""
    lines = [
        "# Anomaly rules",
        "",
        "What each rule says, why, and from which values on it fires. A *state* resolves itself when it is over; an",
        "*event* stays open until a person has looked at it, or until the figures no longer show it, as when a file",
        "was replaced: then `system` resolves it and says why. Thresholds can be set for an election:",
        "`election-metrics anomalies threshold RULE NAME VALUE --election ID`. This page is made from",
        "`metrics/anomalies/rules.py` by `make docs`.",
    ]
    for rule in RULES.values():
        kind = "A state" if rule.lasts else "An event"
        lines += ["", f"## {rule.name}", "", f"{rule.meaning} {kind}; {rule.severity}.", "", f"Why so: {rule.why}", ""]
        lines += ["| threshold | default | |", "|---|---:|---|"]
        lines += [f"| `{name}` | {value.default:g} | {value.meaning} |" for name, value in rule.thresholds.items()]
    return "\n".join(lines) + "\n"


def settings_page(_settings: Settings) -> str:
    """docs/settings.md: every setting with its variable and default."""
    lines = ["# Settings", "", "Environment variables. This page is made from `settings.py` by `make docs`.", "",
             "| variable | default | |", "|---|---|---|"]  # fmt: skip
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def commands_page(_settings: Settings) -> str:
    """docs/commands.md: the help of every command, word for word."""
    from election_metrics.cli import main

    lines = ["# Commands", "", "This page is the commands' own `--help`, written by `make docs`."]
    context = click.Context(main, info_name="election-metrics", terminal_width=110, **main.context_settings)
    lines += ["", "```", main.get_help(context), "```"]
    for name, command in main.commands.items():
        lines += _help_of(name, command, context)
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n")) + "\n"


def _help_of(name: str, command: click.Command, parent: click.Context) -> list[str]:
    """A command's section, and those of the commands below it."""
    context = click.Context(command, info_name=name, parent=parent, max_content_width=110, terminal_width=110)
    title = context.command_path.removeprefix("election-metrics ")
    lines = ["", f"## {title}", "", "```", command.get_help(context), "```"]
    for below, inner in getattr(command, "commands", {}).items():
        lines += _help_of(below, inner, context)
    return lines


_API = """`up` and `demo` serve it at http://127.0.0.1:8000 (`ELECTION_METRICS_API_PORT`); http://127.0.0.1:8000/docs
has it to try out, and http://127.0.0.1:8000 is the [page](page.md).

```
curl http://127.0.0.1:8000/api/v1/elections
curl http://127.0.0.1:8000/api/v1/elections.csv
curl -N http://127.0.0.1:8000/api/v1/live
```

An answer is `{"meta": …, "data": …}`. `meta` has `as_of` (when the newest of its figures was computed), `run_id` and
`run_url` (the run in the Dagster UI that did it), `coverage` and `last_transaction_at`; the headers X-As-Of, X-Run-Id
and X-Coverage say the same of a CSV. A page has `next`: pass it as `cursor`. Errors are problem details (RFC 9457).
A parameter that an endpoint does not have is refused by its name (422). A body may have 64 KiB (413).
What each field means is in `/api/v1/openapi.json`, in the words of [tables.md](tables.md); a typed client can be made
of it.

**No answer is older than the last commit.** Answers are kept in memory (or in a Redis that several APIs share,
`ELECTION_METRICS_CACHE_URL`) until PostgreSQL tells of a commit of what they rest on: a constituency, an election,
everything. While it cannot tell, they are kept for 2 seconds, and `/api/v1/status` says `"is_listening": false`.
`/api/v1/status` and `/metrics` (Prometheus) have the hit rate. Every answer has an ETag and, a second later,
Last-Modified: `If-None-Match` or `If-Modified-Since` saves sending it again.

**`/api/v1/live`** is a stream of server-sent events `summary`: each election as `/elections` shows it, at once, then
whenever its figures change. After a break a browser goes on by itself where it was (`Last-Event-ID`). An event
`alive` comes every 10 seconds.

## Who may what

On this machine anybody may read. On any other address (`ELECTION_METRICS_API_HOST`) reading needs a token, unless
`ELECTION_METRICS_API_READS=open`; changing anything needs one with scope `operate` everywhere.

```
election-metrics token create newsroom --scope read
election-metrics token create anna --scope operate
curl -H "Authorization: Bearer em_…" -X POST http://127.0.0.1:8000/api/v1/refresh
election-metrics token revoke newsroom
```

A token is shown once and kept as a hash (`HOME/tokens.json`). Put TLS in front of any address but this machine's own
([deploy.md](deploy.md)).

On the page, a token begins a session of the browser: a cookie with a random id, kept here as a hash, which no script
sees and which only reads. It ends by `sign-out`, with its token, after `ELECTION_METRICS_API_SESSION_HOURS`, and, where
APIs share no Redis, with the API's process. A live stream ends with what let it in, within 15 seconds.

Rates are limited by token or address (`ELECTION_METRICS_API_READ_RATE`, `_API_WRITE_RATE`; 429), live streams by
address (`_API_STREAMS_PER_ADDRESS`; 429) and in all (`_API_STREAMS`; 503). APIs that share a Redis count rates as one.
A path or method that there is not is 404 or 405 to everybody; OPTIONS says what there is. Whoever takes more than 10
seconds for the headers of a request, or 20 for its body, is answered 408.

Every change is in `ingest.audit_log` and `/api/v1/audit`: who, what, when, before and after; triggers in the database
write it, so a change by psql is there too. The API's connections have role `election_metrics_api`, which reads schema
`metrics` and the ledger, and writes reference data, thresholds, states of findings and the audit."""


def api_page(settings: Settings) -> str:
    """docs/api.md: every endpoint with its parameters, from the OpenAPI."""
    from election_metrics.api.app import create_app

    lines = ["# The HTTP API", "", "This page is made from the endpoints by `make docs`.", "", *_API.split("\n")]
    for path, ways in create_app(settings).openapi()["paths"].items():
        for method, way in ways.items():
            lines += ["", f"## {method.upper()} {path}", "", way["description"]]
            asked = [one for one in way.get("parameters", []) if one["in"] == "query"]
            if asked:
                lines += ["", "| parameter | |", "|---|---|"]
                lines += [f"| `{one['name']}` | {_described(one)} |" for one in asked]
    return "\n".join(lines) + "\n"


def _described(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    kinds = [schema, *schema.get("anyOf", [])]
    values = next((", ".join(f"`{value}`" for value in kind["enum"]) for kind in kinds if "enum" in kind), "")
    default = schema.get("default")
    said = [
        parameter.get("description", ""),
        f"one of {values}" if values else "",
        "required" if parameter.get("required") else "",
        f"default `{str(default).lower() if isinstance(default, bool) else default}`" if default is not None else "",
    ]
    return "; ".join(part for part in said if part)


PAGES = {"api.md": api_page, "tables.md": tables_page, "settings.md": settings_page, "commands.md": commands_page,
         "anomaly-rules.md": rules_page}  # fmt: skip


def write_pages() -> None:
    """Writes every page; the tables are those of an empty warehouse of its own."""
    with tempfile.TemporaryDirectory() as home:
        chosen = read_settings(home=Path(home), database_url=None)
        migrate(chosen)
        for name, page in PAGES.items():
            (Path(__file__).parent / name).write_text(page(chosen), encoding="utf-8")
        close_engines()


if __name__ == "__main__":
    write_pages()
