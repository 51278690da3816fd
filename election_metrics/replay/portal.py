"""A stand-in for the portal: it answers as the portal does, from a replay or from recorded answers.

It can misbehave as servers do: slow, busy, half an answer, totals that change between pages.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from election_metrics.replay.votings import Replay, Voting

_MOSCOW = ZoneInfo("Europe/Moscow")
_CLOCK = "%d.%m.%Y %H:%M"
_HOUR = timedelta(hours=1)
SEARCH = "statistics/voting/uiks/search"
Answer = Callable[[str, Mapping[str, Any] | None, datetime], Any]
"""From path, body of a POST and time to an answer; None: there is none (404)."""


@dataclass
class Trouble:
    """How a stand-in misbehaves.

    Attributes:
        seconds: time until an answer.
        busy_every: every so many requests is answered 503; 0: none.
        cut_every: every so many answers ends half way; 0: none.
        moving_pages: how often the number of precincts changes between two pages.
    """

    seconds: float = 0.0
    busy_every: int = 0
    cut_every: int = 0
    moving_pages: int = 0


@dataclass
class StandIn:
    """A running stand-in.

    Attributes:
        address: its base URL.
        requests: paths that it was asked for.
        trouble: how it misbehaves; may be changed while it runs.
    """

    address: str
    requests: list[str] = field(default_factory=list)
    trouble: Trouble = field(default_factory=Trouble)
    _lock: Lock = field(default_factory=Lock)

    def count(self, path: str) -> int:
        """Notes a request; returns its number."""
        with self._lock:
            self.requests.append(path)
            return len(self.requests)


def recorded(answers: Mapping[str, Any]) -> Answer:
    """Answers by path, as they were recorded; that to a POST is given whatever its body, page by page."""

    def answer(path: str, body: Mapping[str, Any] | None, now: datetime) -> Any:  # noqa: ARG001 as of then
        found = answers.get(path)
        return found if body is None or found is None else _page(found, body)

    return answer


def of_replay(replay: Replay, published_after: timedelta = timedelta(minutes=1)) -> Answer:
    """What the portal publishes while this replay happens: at each moment the hours that are over."""
    votings = dict(replay.votings)
    groups: dict[tuple[str, str], list[str]] = {}
    for contract, voting in votings.items():
        groups.setdefault((voting.election, voting.region), []).append(contract)

    def answer(path: str, body: Mapping[str, Any] | None, now: datetime) -> Any:
        if body is not None:
            return _page(_precincts(replay, str(body.get("contractId"))), body) if path == SEARCH else None
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "statistics/chart/hourly":
            contract = asked.get("contractIds", "")
            series = [_chart(replay, contract, now - published_after)] if contract in votings else []
            return {"data": series}
        return _level(replay, groups, parts.path, asked, now - published_after)

    return answer


@contextmanager
def served(answer: Answer, port: int = 0, trouble: Trouble | None = None) -> Iterator[StandIn]:
    """Serves a stand-in on this machine, until the end of the block.

    Args:
        answer: what it answers.
        port: its port; 0: a free one.
        trouble: how it misbehaves.
    """
    own = StandIn("", trouble=trouble or Trouble())
    handler = type("Handler", (_Handler,), {"own": own, "answer": staticmethod(answer)})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    own.address = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    own: StandIn
    answer: Answer

    def do_GET(self) -> None:  # the name that http.server asks for
        self._reply(None)

    def do_POST(self) -> None:  # the name that http.server asks for
        self._reply(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0))))

    def _reply(self, body: Mapping[str, Any] | None) -> None:
        path = self.path.removeprefix("/api/")
        number, trouble = self.own.count(path), self.own.trouble
        time.sleep(trouble.seconds)
        if trouble.busy_every and number % trouble.busy_every == 0:
            return self._send(503, b"{}", {"Retry-After": "0"})
        found = self.answer(path, body, datetime.now(UTC))
        if found is None:
            return self._send(404, b'{"error": "not found"}', {})
        if body is not None and trouble.moving_pages > 0 and body.get("page"):
            trouble.moving_pages -= 1
            found["data"]["distributionByPrimaryUikNumbers"]["totalCount"] += 1
        content = json.dumps(found, ensure_ascii=False).encode()
        etag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            return self._send(304, b"", {"ETag": etag})
        is_cut = bool(trouble.cut_every) and number % trouble.cut_every == 0
        return self._send(200, content, {"ETag": etag}, is_cut=is_cut)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str], *, is_cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if is_cut else content)
        self.close_connection = self.close_connection or is_cut

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _level(
    replay: Replay,
    groups: Mapping[tuple[str, str], list[str]],
    path: str,
    asked: Mapping[str, str],
    now: datetime,
) -> Any:
    """A level of the hierarchy: elections, regions, one district a region, one commission a contract."""
    elections = sorted({election for election, _ in groups})
    if path == "elections" and asked.get("level") == "FEDERAL":
        return {"data": {"level": "FEDERAL", "elections": [
            {"electionId": _id(name), "electionName": name, "regions": []} for name in elections
        ]}}  # fmt: skip
    by_id = {_id(name): name for name in elections}
    name = by_id.get(asked.get("electionId") or path.removeprefix("statistics/v2/election/"))
    if name is None or not path.startswith("statistics/v2/election/"):
        return None
    collected = now.astimezone(_MOSCOW).strftime("%d.%m.%Y %H:%M:%S")
    data: dict[str, Any] = {"electionName": name, "collectionTime": collected}
    regions = sorted(region for election, region in groups if election == name)
    if path.endswith(_id(name)):
        return {"data": {**data, "regions": [_region(region) for region in regions]}}
    if path.endswith("/region"):
        region = next((one for one in regions if str(_region(one)["code"]) == asked.get("regionCode")), None)
        return region and {"data": {**data, "districts": [
            {"id": _id(name + region), "number": 1, "name": region.split(" - ")[-1]}
        ]}}  # fmt: skip
    region = next((one for one in regions if _id(name + one) == asked.get("districtId")), None)
    if region is None:
        return None
    own = _region(region)
    data |= {"regionCode": own["code"], "regionDescription": own["description"], "districtNumber": 1,
             "districtName": own["description"]}  # fmt: skip
    contracts = groups[name, region]
    if path.endswith("/district"):
        return {"data": {**data, "tiks": [
            {"tikId": contract, "tikName": replay.votings[contract].name} for contract in contracts
        ]}}  # fmt: skip
    contract = asked.get("tikId", "")
    return _commission(replay, contract, data, now) if path.endswith("/tik") and contract in contracts else None


def _commission(replay: Replay, contract: str, data: Mapping[str, Any], now: datetime) -> Any:
    voting = replay.votings[contract]
    starts, ends, zone = _times(replay, contract)
    hours = [counts for end, counts in _hours(replay, contract) if end <= now]
    counters = {"all": voting.registered_voters or 0, "issued": sum(one[0] for one in hours),
                "voted": sum(one[1] for one in hours)}  # fmt: skip
    return {
        "data": {
            **data, "tikId": contract, "tikName": voting.name, "timeOffset": _offset(voting, starts),
            "votings": [{
                "contractId": contract, "status": "IN_PROCESS", "type": "SINGLE", "hasResults": False,
                "clientStartDateTime": starts.astimezone(zone).strftime(_CLOCK),
                "clientEndDateTime": ends.astimezone(zone).strftime(_CLOCK),
                "ballotAcceptanceEndDate": ends.astimezone(zone).strftime(_CLOCK), "counters": counters,
            }],
        }
    }  # fmt: skip


def _chart(replay: Replay, contract: str, now: datetime) -> Any:
    """A point for each hour, labelled with its end; placeholders without totals for hours to come."""
    voting = replay.votings[contract]
    starts, ends, zone = _times(replay, contract)
    known = dict(_hours(replay, contract))
    points, totals = [], [0, 0]
    end = starts.replace(minute=0, second=0, microsecond=0)
    while end < ends + _HOUR:
        counts = known.get(end, (0, 0))
        metrics = {"countVote": counts[1], "countBlindSign": counts[0]}
        if end <= now:
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            metrics |= {"totalCountVote": totals[1], "totalCountBlindSign": totals[0]}
        else:
            metrics = dict.fromkeys(metrics, 0)
        points.append({"dateTime": end.astimezone(zone).strftime(_CLOCK), "metrics": metrics})
        end += _HOUR
    return {
        "contractId": contract, "plannedStartDateTime": points[0]["dateTime"], "timeOffset": _offset(voting, starts),
        "plannedEndDateTime": ends.astimezone(zone).strftime(_CLOCK), "points": points,
    }  # fmt: skip


def _precincts(replay: Replay, contract: str) -> Any:
    """The precincts, over which the register is spread."""
    if contract not in replay.votings:
        return {"data": {"distributionByPrimaryUikNumbers": {"results": [], "totalCount": 0}}}
    parts = replay.votings[contract].precincts
    rows = [{"primaryUikNumber": number, "all": part, "issued": None} for number, part in parts.items()]
    return {"data": {"distributionByPrimaryUikNumbers": {"results": rows, "totalCount": len(rows)}}}


def _page(found: Any, body: Mapping[str, Any]) -> Any:
    """The page of a list of precincts that a body asks for."""
    whole = found["data"]["distributionByPrimaryUikNumbers"]
    size = int(body.get("pageSize") or 10)
    first = int(body.get("page") or 0) * size
    part = {**whole, "results": whole["results"][first : first + size]}
    return {"data": {**found["data"], "distributionByPrimaryUikNumbers": part}}


def _hours(replay: Replay, contract: str) -> list[tuple[datetime, tuple[int, int]]]:
    """(end, (bulletins, votes)) of each hour with transactions."""
    return [
        (datetime.fromisoformat(label) + _HOUR, (counts["bulletins_issued"], counts["votes_cast"]))
        for label, counts in replay.hours[contract].items()
    ]


def _times(replay: Replay, contract: str) -> tuple[datetime, datetime, ZoneInfo]:
    zone = ZoneInfo(replay.votings[contract].time_zone)
    return replay.starts[contract].astimezone(UTC), replay.ends[contract].astimezone(UTC), zone


def _offset(voting: Voting, moment: datetime) -> int:
    """Hours ahead of Moscow."""
    offsets = (moment.astimezone(zone).utcoffset() for zone in (ZoneInfo(voting.time_zone), _MOSCOW))
    local, moscow = (offset or timedelta() for offset in offsets)
    return int((local - moscow) / _HOUR)


def _region(region: str) -> dict[str, Any]:
    code, _, name = region.rpartition(" - ")
    return {"code": int(code) if code.isdigit() else 0, "description": name}


def _id(name: str) -> str:
    return blake2b(name.encode(), digest_size=16).hexdigest()
