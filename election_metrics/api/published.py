"""The pages of a data package: the page at `/` with the API's answers in files, for any web server, or none."""

import base64
import html
import json
import posixpath
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from election_metrics.api.election_routes import MOST_FINDINGS, dashboard_detailed
from election_metrics.api.page import FILES
from election_metrics.api.pictures import election_at_a_glance
from election_metrics.api.rendering import dump
from election_metrics.pipeline.packages.descriptor import Edition, citation
from election_metrics.pipeline.packages.licences import LICENCES
from election_metrics.pipeline.packages.picture import draw
from election_metrics.pipeline.packages.recomputing import read_table
from election_metrics.pipeline.progress import Progress
from election_metrics.settings import Settings
from election_metrics.warehouse import (
    constituency_queries,
    finding_queries,
    history_queries,
    mapped_sources,
    provenance_queries,
)
from election_metrics.warehouse.as_of import known_at
from election_metrics.warehouse.rows import Hours, Page, Row

_PAGE = "page"
_COPIED = (
    "page.css", "icon.svg", "scripts/theme.js", "libraries/d3/d3.min.js", "libraries/plot/plot.umd.min.js",
)  # fmt: skip
_LICENCES = ("libraries/d3/LICENSE", "libraries/plot/LICENSE", "libraries/lit-html/LICENSE")
PICTURE = "picture.png"
_AT_ONCE = 100
_ALL = Page(1_000_000)
_IMPORTED = re.compile(r"""(from\s*|import\s*)"(\.{1,2}/[^"]+)\"""")
_OF_FILE = ("path", "member", "lines", "rejected", "seen_at", "run_id")


def write_pages(
    settings: Settings, connection: sa.Connection, edition: Edition, folder: Path, progress: Progress
) -> None:
    """Writes index.html and its files into the folder of a package.

    Args:
        settings: the settings.
        connection: in a snapshot, whose newest commit is the edition's; from now on it reads as of that.
        edition: what the package says of itself.
        folder: the folder of the package.
        progress: takes a label and a unit, and returns a function of (done, total).
    """
    page = folder / _PAGE
    (page / "places").mkdir(parents=True)
    for name in (*_COPIED, *_LICENCES):
        shutil.copyfile(str(FILES / name), page / _name_of(name))
    report = progress("Pages", "constituencies")
    election = edition.election_id
    rows = constituency_queries.search_constituencies(connection, election=election, page=_ALL).rows
    has_counters = mapped_sources.has_counters(connection, election)
    for start in range(0, len(rows), _AT_ONCE):
        report(start, len(rows))
        for number, answers in enumerate(_places(connection, rows[start : start + _AT_ONCE]), start):
            one = rows[number]["constituency_id"]
            answers["counters"] = mapped_sources.counters_of(connection, one) if has_counters else []
            _write_script(page / "places" / f"{number}.js", f"published.places[{number}]", answers)
    report(len(rows), len(rows))
    answers = {
        "about": _about(edition),
        "list": rows,
        "corrections": history_queries.corrections(connection, election, None, _ALL).rows,
        "notes": [
            note for note in provenance_queries.input_notes(connection) if note["election_id"] in (None, election)
        ],
        "places": {},
        "spread": mapped_sources.spread_hours(connection, election),
    }
    worst = finding_queries.findings(connection, election=election, state="unresolved", page=Page(MOST_FINDINGS))
    answers["series"] = _series(connection, worst.rows)
    # What follows from the clock, follows from that of the edition.
    found = dashboard_detailed(known_at(connection, edition.known_at), settings, election).data
    answers["dashboard"] = found
    answers["meta"] = {
        "as_of": found["election"]["computed_at"], "known_at": edition.moment, "run_id": found["election"]["run_id"],
        "coverage": found["election"]["coverage"], "last_transaction_at": found["election"]["last_transaction_at"],
    }  # fmt: skip
    _write_script(page / "answers.js", "globalThis.published", answers)
    glance = election_at_a_glance(found["election"], found["hours"], edition.known_at)
    (folder / PICTURE).write_bytes(draw(glance))
    (folder / "index.html").write_text(_index(edition, found["election"]), "utf-8")


def code_differences(folder: Path, edition: Edition) -> Iterator[str]:
    """Files of the page that differ from those that this release writes: what they show can be trusted no more."""
    for name in (*_COPIED, *_LICENCES):
        file = folder / _PAGE / _name_of(name)
        if not file.is_file() or file.read_bytes() != (FILES / name).read_bytes():
            yield f"{_PAGE}/{file.name} is not the file of this release"
    whole = read_table(folder, "election_summaries").astype(object).iloc[0]
    election = whole.where(whole.notna(), None).to_dict()
    if (folder / "index.html").read_text("utf-8") != _index(edition, election):
        yield "index.html is not what this release writes for these figures"


def _name_of(name: str) -> str:
    """The name of a copied file of the page: of licences, with their library's."""
    path = Path(name)
    return f"LICENSE-{path.parent.name}" if path.name == "LICENSE" else path.name


def _about(edition: Edition) -> dict[str, str]:
    return {
        "election_id": edition.election_id, "known_at": edition.moment, "publisher": edition.publisher,
        "licence": edition.licence, "licence_url": LICENCES[edition.licence][1], "citation": citation(edition),
    }  # fmt: skip


def _places(connection: sa.Connection, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """For each constituency, the answers that the page asks for when it is opened."""
    ids = [row["constituency_id"] for row in rows]
    named = {row["constituency_id"]: row for row in constituency_queries.constituencies_named(connection, ids)}
    missing = constituency_queries.missing_of_constituencies(connection, ids)
    findings = finding_queries.unresolved_of_constituencies(connection, ids)
    hours = constituency_queries.hourly_of_constituencies(connection, ids)
    for one in ids:
        files = provenance_queries.sources_of(connection, one, Hours())
        yield {
            "place": named[one] | {"missing": missing[one], "findings": findings[one]},
            "hours": hours[one],
            "days": constituency_queries.periods_of_constituency(connection, one, "day", Hours()),
            "files": [{**{name: file[name] for name in _OF_FILE}, "path": Path(file["path"]).name} for file in files],
            "series": _series(connection, findings[one]),
        }


def _series(connection: sa.Connection, findings: Sequence[Row]) -> dict[str, list[Row]]:
    """The pictures of findings, by anomaly_id."""
    return {one["anomaly_id"]: finding_queries.series_around(connection, one) for one in findings}


def _write_script(path: Path, name: str, answers: dict[str, Any]) -> None:
    path.write_bytes(name.encode() + b" = " + dump(answers) + b";\n")


def _index(edition: Edition, election: Row) -> str:
    rate = election["participation_rate"]
    turnout = f"{election['votes_cast']:,} votes" if rate is None else f"Turnout {rate:.2f} %"
    said = {
        "title": html.escape(edition.title),
        "description": html.escape(f"{turnout}, as known at {edition.known_at:%Y-%m-%d %H:%M} UTC."),
        "picture": html.escape(f"{edition.url.rstrip('/')}/{PICTURE}" if edition.url else PICTURE),
        "modules": json.dumps({"imports": _modules()}),
    }
    text = (FILES / "published.html").read_text("utf-8")
    return re.sub(r"\{(title|description|picture|modules)\}", lambda name: said[name[1]], text)


def _modules() -> dict[str, str]:
    """Every module of the page as a data URL, by name: a page that is opened from a disk may import no file.

    On a published page, `published.js` takes the place of `api.js`.
    """
    found: dict[str, str] = {}
    wanted = ["scripts/main.js"]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        file = "scripts/published.js" if name == "scripts/api.js" else name
        text = (FILES / file).read_text("utf-8")
        base = posixpath.dirname(name)

        def resolved(match: re.Match[str], base: str = base) -> str:
            target = posixpath.normpath(posixpath.join(base, match[2]))
            wanted.append(target)
            return f'{match[1]}"{target}"'

        text = re.sub(r"\n//# sourceMappingURL=.*", "", _IMPORTED.sub(resolved, text))
        found[name] = f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"
    return dict(sorted(found.items()))
