"""`make docs`: the generated pages of docs/: tables, settings, commands, endpoints, anomaly rules."""

import tempfile
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.settings import PREFIX, Settings, read_settings
from election_metrics.warehouse.database import close_engines, transaction
from election_metrics.warehouse.guidance import LOOK_AT
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
        "Schema `metrics` is a public contract: names and meanings are stable, columns may be added. Schema `ingest`",
        "holds the ledger, the quarantine and the corrections. Times are `timestamptz` (UTC), rates are percent, NULL",
        "means not known. Role `election_metrics_reader` may read schema `metrics` and nothing else. `make docs`",
        "generates this page from the comments in the database; the [glossary](glossary.md) explains the words.",
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
        "What each rule means, the reason for it, and the thresholds from which it fires. A *state* is resolved",
        "automatically when it is over. An *event* stays open until a person resolves it, or until the figures no",
        "longer show it (for example because a file was replaced); then `system` resolves it and records the reason.",
        "To set a threshold for one election: `election-metrics anomalies threshold RULE NAME VALUE --election ID`.",
        "`make docs` generates this page from `metrics/anomalies/rules.py`.",
    ]
    for rule in RULES.values():
        kind = "A state" if rule.lasts else "An event"
        lines += ["", f"## {rule.name}", "", f"{rule.meaning} {kind}; {rule.severity}.", "", f"Reason: {rule.why}", ""]
        lines += [f"Look at {LOOK_AT[rule.name]}.", ""]
        if bound := rule.bound_in_words({}):
            lines += [bound, ""]
        lines += ["| threshold | default | |", "|---|---:|---|"]
        lines += [f"| `{name}` | {value.default:g} | {value.meaning} |" for name, value in rule.thresholds.items()]
    return "\n".join(lines) + "\n"


def settings_page(_settings: Settings) -> str:
    """docs/settings.md: every setting with its variable and default."""
    lines = ["# Settings", "",
             "All settings are environment variables. `make docs` generates this page from `settings.py`.", "",
             "| variable | default | |", "|---|---|---|"]  # fmt: skip
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def commands_page(_settings: Settings) -> str:
    """docs/commands.md: the help of every command, word for word."""
    from election_metrics.cli import main

    lines = ["# Commands", "", "The `--help` of every command. `make docs` generates this page."]
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


_API = """`up` and `demo` serve the API at http://127.0.0.1:8000 (`ELECTION_METRICS_API_PORT`). Try it out at
http://127.0.0.1:8000/docs; http://127.0.0.1:8000 is the [page](page.md).

```
curl http://127.0.0.1:8000/api/v1/elections
curl http://127.0.0.1:8000/api/v1/elections.csv
curl -N http://127.0.0.1:8000/api/v1/live
```

An answer is `{"meta": …, "data": …}`. `meta` has `as_of` (when the newest of its figures was computed), `run_id` and
`run_url` (the run in the Dagster UI that computed it), `coverage` and `last_transaction_at`. A CSV has the same in
its headers X-As-Of, X-Run-Id and X-Coverage. Lists are paged: pass `next` of one page as `cursor` for the following
page. Errors are problem details (RFC 9457). A parameter that an endpoint does not have is refused by name (422). A
body may have at most 64 KiB (413). `/api/v1/openapi.json` describes each field in the words of
[tables.md](tables.md); a typed client can be generated from it.

**No answer is older than the last commit.** Answers are cached in memory (or in a Redis that several APIs share,
`ELECTION_METRICS_CACHE_URL`). A commit in PostgreSQL invalidates the answers that depend on what it changed: a
constituency, an election, or everything. While the API receives no notices of commits, answers are cached for 2
seconds, and `/api/v1/status` shows `"is_listening": false`. `/api/v1/status` and `/metrics` (Prometheus) have the hit
rate. Every answer has an ETag and, one second later, Last-Modified; with `If-None-Match` or `If-Modified-Since`, an
unchanged answer is not sent again.

**`/api/v1/live`** is a stream of server-sent events `summary`: each election as in `/elections`, first at once, then
whenever its figures change. After a break, a browser continues where it was (`Last-Event-ID`). A heartbeat, the event
`alive`, is sent every 10 seconds.

**Feeds** (Atom): `/api/v1/feeds/findings.atom`, of all elections or of `?election=…`, has the newest 50 findings;
`/api/v1/feeds/turnout.atom?election=…` the turnout at the end of each of the newest 50 hours.

**Other sites** may do nothing unless settings name them: those in `ELECTION_METRICS_API_ORIGINS` may read the API in a
browser (CORS; without cookies, with a token where reading needs one), those in `ELECTION_METRICS_EMBED_ORIGINS` may
show `/embed?election=…&chart=by-hour` in a frame.

## Access

On this machine, reading needs no token. On any other address (`ELECTION_METRICS_API_HOST`), reading needs a token,
unless `ELECTION_METRICS_API_READS=open`. Changing anything always needs a token with scope `operate`.

```
election-metrics token create newsroom --scope read
election-metrics token create anna --scope operate
curl -H "Authorization: Bearer em_…" -X POST http://127.0.0.1:8000/api/v1/refresh
election-metrics token revoke newsroom
```

A token is shown once and stored as a hash (`HOME/tokens.json`). Put TLS in front of any address other than loopback
([deploy.md](deploy.md)).

On the page, a token starts a browser session: a cookie with a random id, stored here as a hash, which no script can
see and which only reads. The session ends with `sign-out`, with its token, after
`ELECTION_METRICS_API_SESSION_HOURS`, and, unless APIs share a Redis, with the API's process. When access ends, open
live streams end within 15 seconds.

Requests are limited by token or address (`ELECTION_METRICS_API_READ_RATE`, `_API_WRITE_RATE`; 429), live streams by
address (`_API_STREAMS_PER_ADDRESS`; 429) and in total (`_API_STREAMS`; 503). APIs that share a Redis count together.
A path or method that does not exist is answered with 404 or 405, also without a token; OPTIONS lists the methods. A
client that takes more than 10 seconds to send the headers of a request, or 20 for its body, is answered with 408.

Every change is in `ingest.audit_log` and `/api/v1/audit`: who, what, when, before and after. Triggers in the database
write it, so a change made in psql is recorded too. The API's connections have role `election_metrics_api`, which
reads schema `metrics` and the ledger, and writes reference data, thresholds, states of findings and the audit log."""


def api_page(settings: Settings) -> str:
    """docs/api.md: every endpoint with its parameters, from the OpenAPI."""
    from election_metrics.api.app import create_app

    lines = ["# The HTTP API", "", "`make docs` generates this page from the endpoints.", "", *_API.split("\n")]
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
