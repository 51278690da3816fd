"""What a data package says of itself, and its descriptor (datapackage.json, by Frictionless)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from election_metrics.digest import sha256_of
from election_metrics.pipeline.packages.contents import Contents, frictionless_type
from election_metrics.pipeline.packages.files import DATA, DESCRIPTOR, SIGNATURE, csv_of
from election_metrics.pipeline.packages.licences import LICENCES
from election_metrics.warehouse.release import APPLICATION, release

_TITLE = "Turnout of "


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
        first_hour: earlier hours were not counted.
    """

    election_id: str
    name: str
    known_at: datetime
    licence: str
    publisher: str
    url: str | None
    is_signed: bool
    first_hour: datetime

    @property
    def moment(self) -> str:
        """known_at, in ISO 8601 with Z."""
        return self.known_at.isoformat().replace("+00:00", "Z")

    @property
    def title(self) -> str:
        """Its title."""
        return f"{_TITLE}{self.name}"


def read_edition(folder: Path) -> tuple[Edition, str]:
    """What a package says of itself, and what made it."""
    said = json.loads((folder / DESCRIPTOR).read_text("utf-8"))
    edition = Edition(
        said["election_id"],
        said["title"].removeprefix(_TITLE),
        datetime.fromisoformat(said["known_at"]),
        said["licenses"][0]["name"],
        said["contributors"][0]["title"],
        said.get("homepage"),
        (folder / SIGNATURE).is_file(),
        datetime.fromisoformat(said["first_hour"]),
    )
    return edition, said["made_by"]


def made_by() -> str:
    """This program and its release, for the descriptor."""
    return f"{APPLICATION} {release()}"


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
        "first_hour": edition.first_hour.isoformat(),
        "made_by": made_by(),
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


def citation(edition: Edition) -> str:
    """How to cite the package, in one line."""
    where = f" {edition.url}" if edition.url else ""
    what = f"{edition.title}, as known at {edition.moment}. Data set."
    return f"{edition.publisher} ({edition.known_at.year}). {what}{where}"
