"""The pages of docs/ that follow from the code: tables, settings, commands."""

import sys
import tempfile
from pathlib import Path

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
        "*event* stays open until a person has looked at it. Thresholds can be set for an election:",
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


PAGES = {"tables.md": tables_page, "settings.md": settings_page, "commands.md": commands_page,
         "anomaly-rules.md": rules_page}  # fmt: skip


def write_pages(folder: Path) -> None:
    """Writes every page into the folder; the tables are those of an empty warehouse of its own."""
    with tempfile.TemporaryDirectory() as home:
        chosen = read_settings(home=Path(home), database_url=None)
        migrate(chosen)
        for name, page in PAGES.items():
            (folder / name).write_text(page(chosen), encoding="utf-8")
        close_engines()


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
