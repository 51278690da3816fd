"""The descriptor of a data package (datapackage.json, by Frictionless), its README and its citation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from election_metrics.digest import sha256_of
from election_metrics.pipeline.packages.contents import Contents, frictionless_type
from election_metrics.pipeline.packages.files import CHECKSUMS, DATA, DESCRIPTOR, SIGNATURE, SIGNER, SUMS, csv_of
from election_metrics.warehouse.release import release

LICENCES = {
    "CC-BY-4.0": ("Creative Commons Attribution 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    "CC0-1.0": ("Creative Commons Zero 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "ODC-BY-1.0": ("Open Data Commons Attribution 1.0", "https://opendatacommons.org/licenses/by/1-0/"),
    "ODbL-1.0": ("Open Data Commons Open Database License 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
    "PDDL-1.0": ("Open Data Commons Public Domain Dedication 1.0", "https://opendatacommons.org/licenses/pddl/1-0/"),
}
"""Licences for open data: title and address by their SPDX name."""


@dataclass(frozen=True)
class Edition:
    """What a package says of itself.

    Attributes:
        election_id: the election.
        name: its name.
        known_at: the package shows what was known at this time.
        licence: one of LICENCES.
        publisher: who publishes it.
        url: where it is published; None: not said.
        is_signed: whether its checksums are signed.
    """

    election_id: str
    name: str
    known_at: datetime
    licence: str
    publisher: str
    url: str | None
    is_signed: bool

    @property
    def moment(self) -> str:
        """known_at, in ISO 8601 with Z."""
        return self.known_at.isoformat().replace("+00:00", "Z")

    @property
    def title(self) -> str:
        """Its title."""
        return f"Turnout of {self.name}"


def write_descriptor(folder: Path, edition: Edition, contents: Sequence[Contents]) -> None:
    """Writes datapackage.json; the data must be there."""
    title, address = LICENCES[edition.licence]
    package: dict[str, Any] = {
        "profile": "data-package",
        "name": f"turnout-{edition.election_id}",
        "title": edition.title,
        "description": f"Turnout by hour, constituency and region, as it was known at {edition.moment}.",
        "version": edition.moment,
        "created": edition.moment,
        "licenses": [{"name": edition.licence, "title": title, "path": address}],
        "contributors": [{"title": edition.publisher, "role": "publisher"}],
        "election_id": edition.election_id,
        "known_at": edition.moment,
        "made_by": f"election-metrics {release()}",
        "resources": [_resource(folder, one) for one in contents],
    }
    if edition.url:
        package["homepage"] = edition.url
    text = json.dumps(package, ensure_ascii=False, indent=2)
    (folder / DESCRIPTOR).write_text(f"{text}\n", "utf-8")


def _resource(folder: Path, contents: Contents) -> dict[str, Any]:
    """A table: its CSV; readers of Frictionless take values of Parquet for others, so that is named beside it."""
    file = csv_of(folder, contents.name)
    return {
        "name": contents.name.replace("_", "-"),
        "path": f"{DATA}/{file.name}",
        "parquet": f"{DATA}/{contents.name}.parquet",
        "description": contents.comment,
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": file.stat().st_size,
        "hash": f"sha256:{sha256_of(file)}",
        "schema": _schema(contents),
    }


def _schema(contents: Contents) -> dict[str, Any]:
    fields = [
        {
            "name": column.name,
            **frictionless_type(column),
            "description": column.comment,
            **({"constraints": {"required": True}} if column.is_required else {}),
        }
        for column in contents.columns
    ]
    parents = [
        {"fields": list(columns), "reference": {"resource": parent.replace("_", "-"), "fields": list(columns)}}
        for columns, parent in contents.parents.items()
    ]
    keyed = {"primaryKey": list(contents.key)}
    return {"fields": fields, **keyed, **({"foreignKeys": parents} if parents else {}), "missingValues": [""]}


def write_texts(folder: Path, edition: Edition, contents: Sequence[Contents], notes: Sequence[str]) -> None:
    """Writes README.md and CITATION.cff; `notes` are sentences on what the reader must know of the figures."""
    (folder / "README.md").write_text(_readme(folder, edition, contents, notes), "utf-8")
    (folder / "CITATION.cff").write_text(_citation(edition), "utf-8")


def _plain(text: str) -> str:
    """A name of the source in a line of Markdown: no character has a meaning."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()<>#+-!|&" else one for one in " ".join(text.split()))


def _readme(folder: Path, edition: Edition, contents: Sequence[Contents], notes: Sequence[str]) -> str:
    title, address = LICENCES[edition.licence]
    signed = f"""
`{SIGNATURE}` is an Ed25519 signature of `{CHECKSUMS}`. Compare the key `{SIGNER}` with the one that the publisher
shows elsewhere, then:

```sh
openssl pkeyutl -verify -pubin -inkey {SIGNER} -rawin -in {CHECKSUMS} -sigfile {SIGNATURE}
```
""" if edition.is_signed else ""  # fmt: skip
    rows = "\n".join(
        f"| `{one.name}` | {one.comment} | {csv_of(folder, one.name).stat().st_size:,} |" for one in contents
    )
    return f"""# {_plain(edition.title)}

The figures of {edition.election_id}, as they were known at {edition.moment}. They do not change: what becomes known
later is in a later package. Open `index.html` in a browser to look at them; no server is needed.

{"".join(f"- {note}{chr(10)}" for note in notes)}
## Check it

Every file is named in `{CHECKSUMS}`:

```sh
sha256sum --check --quiet {CHECKSUMS}
```
{signed}
The totals, with DuckDB alone:

```sql
{SUMS}```

Everything (keys, sums, every rate and trend computed again from the hours), with election-metrics:

```sh
election-metrics verify .
```

With the export files at hand it counts them again from nothing: `election-metrics verify . --against EXPORTS`.

## Files

`data/` has each table as CSV and as Parquet; `datapackage.json` (Frictionless Data Package) describes every column.
Times are UTC, rates are percent, empty is not known. In the CSV files, text that a spreadsheet would take for a
formula begins with a '; Parquet has it as it is.

| table | | bytes as CSV |
|---|---|---|
{rows}

## Licence and citation

{title}: {address}

> {_plain(citation(edition))}

`CITATION.cff` says the same for programs.
"""


def citation(edition: Edition) -> str:
    """How to cite the package, in one line."""
    where = f" {edition.url}" if edition.url else ""
    what = f"{edition.title}, as known at {edition.moment}. Data set."
    return f"{edition.publisher} ({edition.known_at.year}). {what}{where}"


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
