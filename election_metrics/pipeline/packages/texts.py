"""The texts of a data package for people: README as Markdown and as a page, and the citation."""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt

from election_metrics.pipeline.packages.contents import Contents
from election_metrics.pipeline.packages.descriptor import Edition, citation
from election_metrics.pipeline.packages.files import CHECKSUMS, DATA, SIGNATURE, SIGNER, SUMS
from election_metrics.pipeline.packages.licences import LICENCES

README, README_PAGE, CITATION = "README.md", "README.html", "CITATION.cff"
_CORRECTIONS = (
    "The list of corrections is not complete: it lacks figures that stood for less than an hour, and some first ones."
)
_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{title}</title>
    <link rel="icon" href="page/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="page/page.css">
  </head>
  <body><main><p><a href="index.html">← The figures</a></p>
{body}</main></body>
</html>
"""


def write_texts(folder: Path, edition: Edition, contents: Sequence[Contents], notes: Sequence[str]) -> None:
    """Writes the README in both forms, and the citation; `notes` say what the reader must know of the figures."""
    text = _readme(edition, contents, notes)
    (folder / README).write_text(text, "utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    (folder / README_PAGE).write_text(_PAGE.format(title=html.escape(edition.title), body=body), "utf-8")
    (folder / CITATION).write_text(_citation(edition), "utf-8")


def _plain(text: str) -> str:
    """A name of the source in a line of Markdown: no character has a meaning."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()<>#+-!|&~:/@." else one for one in " ".join(text.split()))


def _readme(edition: Edition, contents: Sequence[Contents], notes: Sequence[str]) -> str:
    title, address = LICENCES[edition.licence]
    signed = f"""
`{SIGNATURE}` is an Ed25519 signature of `{CHECKSUMS}`. Compare the key `{SIGNER}` with the one that the publisher
shows elsewhere, then:

```sh
openssl pkeyutl -verify -pubin -inkey {SIGNER} -rawin -in {CHECKSUMS} -sigfile {SIGNATURE}
```
""" if edition.is_signed else """
The package is not signed: compare the SHA-256 of `SHA256SUMS` with the one that the publisher shows elsewhere
(`sha256sum SHA256SUMS`). Whoever changes the package can write new sums.
"""  # fmt: skip
    files = [(one, f"{DATA}/{one.name}") for one in contents]
    rows = "\n".join(f"| [{one.name}]({file}.csv), [Parquet]({file}.parquet) | {one.comment} |" for one, file in files)
    notes = [*notes, _CORRECTIONS]
    return f"""# {_plain(edition.title)}

The figures of {edition.election_id}, as they were known at {edition.moment}. They do not change: what becomes known
later is in a later edition. [index.html](index.html) shows them; no server is needed.

{"".join(f"- {note}{chr(10)}" for note in notes)}

## Check it

In this folder, type the following. It prints nothing if every file is as it was written; files that somebody added
are not noticed.

```sh
sha256sum --check --quiet {CHECKSUMS}
```
{signed}
The totals, with DuckDB alone: type `duckdb` in this folder, then the following. Each row must say true twice.

```sql
{SUMS}```

Everything (keys, sums, every rate and trend computed again from the hours), with election-metrics:

```sh
election-metrics verify .
```

With the export files at hand it counts them again from nothing: `election-metrics verify . --against EXPORTS`.

## Files

Each table is there as CSV and as Parquet; [datapackage.json](datapackage.json) (Frictionless Data Package) describes
every column. Times are UTC, rates are percent, empty is not known. In the CSV files, text that a spreadsheet would
take for a formula begins with a '; Parquet has it as it is. `constituency_metrics` has the same ballots in five
periods (hour, day, week, month, election): choose one before adding up.

| table | |
|---|---|
{rows}

## Licence and citation

{title}: <{address}>

> {_plain(citation(edition))}

[{CITATION}]({CITATION}) says the same for programs.
"""


def _citation(edition: Edition) -> str:
    said = {
        "cff-version": "1.2.0",
        "message": "If you use these figures, please cite them as below.",
        "type": "dataset",
        "title": edition.title,
        "version": edition.moment,
        "date-released": f"{edition.known_at:%Y-%m-%d}",
        "license": edition.licence,
        **({"url": edition.url} if edition.url else {}),
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in said.items()]
    return "\n".join([*lines, "authors:", f"  - name: {json.dumps(edition.publisher, ensure_ascii=False)}"]) + "\n"
