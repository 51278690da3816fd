"""The pages of docs/ that follow from the code: tables, settings, commands."""

import sys
from pathlib import Path

import click

from election_metrics.settings import PREFIX, Settings
from election_metrics.warehouse.tables import metadata


def tables_page() -> str:
    """docs/tables.md: every table and column with its comment."""
    lines = [
        "# Tables",
        "",
        "Schema `metrics` is for readers: names and meaning stay, columns may be added. Schema `ingest` is the ledger,",
        "the quarantine and the corrections. Times are `timestamptz` (UTC); rates are percent; NULL means not known.",
        "This page is made from the comments in the database by `make docs`.",
    ]
    for table in sorted(metadata.tables.values(), key=lambda table: (table.schema != "metrics", table.name)):
        key = ", ".join(f"`{column.name}`" for column in table.primary_key)
        lines += [
            "",
            f"## {table.fullname}",
            "",
            f"{table.comment}. Key: {key}.",
            "",
            "| column | type | |",
            "|---|---|---|",
        ]
        for column in table.columns:
            kind = str(column.type).lower().replace("datetime", "timestamptz")
            lines.append(f"| `{column.name}` | {kind}{'' if column.nullable else ', not null'} | {column.comment} |")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """docs/settings.md: every setting with its variable and default."""
    lines = ["# Settings", "", "Environment variables. This page is made from `settings.py` by `make docs`.", "",
             "| variable | default | |", "|---|---|---|"]  # fmt: skip
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """docs/commands.md: the help of every command, word for word."""
    from election_metrics.cli import main

    lines = ["# Commands", "", "This page is the commands' own `--help`, written by `make docs`."]
    context = click.Context(main, info_name="election-metrics", max_content_width=110, terminal_width=110)
    lines += ["", "```", main.get_help(context), "```"]
    for name, command in main.commands.items():
        inner = click.Context(command, info_name=name, parent=context, max_content_width=110, terminal_width=110)
        lines += ["", f"## {name}", "", "```", command.get_help(inner), "```"]
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n")) + "\n"


PAGES = {"tables.md": tables_page, "settings.md": settings_page, "commands.md": commands_page}


def write_pages(folder: Path) -> None:
    """Writes every page into the folder."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
