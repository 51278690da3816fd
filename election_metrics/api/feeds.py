"""Atom feeds: findings, and turnout on the hour."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from election_metrics.api.arguments import ElectionFilter
from election_metrics.api.etags import tagged
from election_metrics.api.not_found import check_election
from election_metrics.api.rendering import iso
from election_metrics.warehouse import election_queries, finding_queries
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.guidance import link_to
from election_metrics.warehouse.rows import Row

router = APIRouter(prefix="/api/v1/feeds", include_in_schema=False)
_ATOM = "http://www.w3.org/2005/Atom"
_MOST = 50
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Entry:
    """An entry of a feed: its id stays the same, its time changes with its text."""

    name: str
    title: str
    text: str
    changed_at: datetime
    link: str


@router.get("/findings.atom")
def findings(request: Request, election: ElectionFilter = None) -> Response:
    """The newest findings of all elections, or of one."""
    with transaction(request.app.state.settings) as connection:
        if election is not None:
            check_election(connection, election)
        rows = finding_queries.newest_findings(connection, election, _MOST)
    return _answer(request, "Findings", f"findings/{election or 'all'}", [_finding(row) for row in rows])


@router.get("/turnout.atom")
def turnout(request: Request, election: Annotated[str, Query(max_length=200)]) -> Response:
    """Turnout of an election at the end of each of its newest hours."""
    with transaction(request.app.state.settings) as connection:
        check_election(connection, election)
        rows = election_queries.newest_hours(connection, election, datetime.now(UTC), _MOST)
    name = rows[0]["name"] if rows else election
    return _answer(request, f"Turnout of {name}", f"turnout/{election}", [_hour(row) for row in rows])


def _finding(row: Row) -> _Entry:
    place = row["constituency"] or row["constituency_id"] or row["region"] or "the whole election"
    state = "" if row["state"] == "open" else f" ({row['state']})"
    return _Entry(
        f"finding/{row['anomaly_id']}",
        f"{row['severity'].capitalize()}: {row['rule'].replace('_', ' ')}, {place}{state}",
        f"{row['election'] or row['election_id']}, {row['window_start']:%Y-%m-%d %H:%M} to "
        f"{row['window_end']:%Y-%m-%d %H:%M} UTC: {row['explanation']}. Look at {row['look_at']}.",
        row["changed_at"],
        link_to(row["election_id"], row["constituency_id"], row["anomaly_id"]),
    )


def _hour(row: Row) -> _Entry:
    start = row["hour"].astimezone(ZoneInfo(row["time_zone"]))
    span = f"{start:%Y-%m-%d %H:%M} to {start + timedelta(hours=1):%H:%M} ({row['time_zone']})"
    rate = row["running_participation_rate"]
    so_far = f"{row['running_votes']:,} votes so far" if rate is None else f"turnout {rate:.2f} % so far"
    return _Entry(
        f"turnout/{row['election_id']}/{iso(row['hour'])}",
        f"{span}: {so_far}",
        f"{row['votes_cast']:,} votes and {row['bulletins_issued']:,} bulletins in this hour; {row['running_votes']:,} "
        f"votes and {row['running_bulletins']:,} bulletins so far.",
        row["computed_at"],
        link_to(row["election_id"]),
    )


def _answer(request: Request, title: str, name: str, entries: Sequence[_Entry]) -> Response:
    """The feed, or 304 if the client has it."""
    base = str(request.base_url)
    feed = ElementTree.Element("feed", xmlns=_ATOM)
    changed = max((entry.changed_at for entry in entries), default=_BEGINNING)
    _add(feed, id=f"urn:election-metrics:{name}", title=title, updated=iso(changed), generator="election-metrics")
    ElementTree.SubElement(feed, "link", rel="self", href=_clean(str(request.url)))
    ElementTree.SubElement(feed, "link", rel="alternate", href=base)
    author = ElementTree.SubElement(feed, "author")
    _add(author, name=request.url.hostname or "election-metrics")
    for entry in entries:
        made = ElementTree.SubElement(feed, "entry")
        _add(made, id=f"urn:election-metrics:{entry.name}", title=entry.title, updated=iso(entry.changed_at),
             summary=entry.text)  # fmt: skip
        ElementTree.SubElement(made, "link", rel="alternate", href=_clean(base + entry.link))
    body = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return tagged(request, body, "application/atom+xml")


def _add(parent: ElementTree.Element, **texts: str) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    """Text without the characters that XML cannot have."""
    return _NOT_IN_XML.sub("\ufffd", text)
