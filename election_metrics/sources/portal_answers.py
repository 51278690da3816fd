"""The portal's answers as rows. What an answer does not say is None; what contradicts itself is refused.

Counts are the portal's own, as published. Times are UTC: the portal gives local wall clocks, and by `timeOffset` how
many hours these are ahead of Moscow. Hourly points are labelled with the end of their hour.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from election_metrics.errors import DataError
from election_metrics.sources.names import canonical_folder

Row = dict[str, Any]

MOSCOW = 3
"""Hours that Moscow is ahead of UTC."""
_CLOCK = "%d.%m.%Y %H:%M"
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_MOST = 10**10
_LONGEST, _LONGEST_ID = 1_000, 200
_MOST_AHEAD, _MOST_BEHIND = 14 - MOSCOW, -12 - MOSCOW
_COUNTS = ("bulletins", "votes", "bulletins_total", "votes_total")
_METRICS = ("countBlindSign", "countVote", "totalCountBlindSign", "totalCountVote")
_UNSAID = ("commission", "offset_hours", "kind", "status", "starts_at", "ends_at", "accepted_until")
"""What the older hierarchy does not state."""
_COUNTERS = {"registered_voters": "all", "bulletins_issued": "issued", "votes_cast": "voted"}
KINDS = ("SINGLE", "UNION")
"""Votes for a candidate, and for a list of a party: a voter has one of each."""


def listed(answer: Any, path: str, names: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """The list under these names of `data`; empty if it is null or not there.

    Raises:
        DataError: it is something else than a list of objects.
    """
    found = _data(answer, path)
    for name in names:
        if found is not None and not isinstance(found, Mapping):
            raise DataError(f"the portal's answer to {path} has no {name}: {str(found)[:100]}")
        found = found.get(name) if found is not None else None
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise DataError(f"the portal's answer to {path} has no list of {names[-1] if names else 'data'}")
    return found


def key(row: Mapping[str, Any], name: str, path: str) -> str:
    """An id in a row of a list.

    Raises:
        DataError: there is none.
    """
    found = row.get(name)
    text = _text(str(found)) if isinstance(found, str | int) and not isinstance(found, bool) else None
    if text is None:
        raise DataError(f"the portal's answer to {path} has a row without {name}")
    if len(str(found)) > _LONGEST_ID:
        raise DataError(f"the portal's answer to {path} has a {name} of {len(str(found))} characters")
    return text


def read_commission(answer: Any, path: str, election: str) -> list[Row]:
    """Contracts of a territorial commission (`statistics/v2/election/tik`), with their counters.

    Returns:
        Rows with constituency_id, election_key, election, region_code, region, district_number, district, commission,
        offset_hours, kind, status, has_results, starts_at, ends_at, accepted_until, collection_time, registered_voters,
        bulletins_issued, votes_cast.

    Raises:
        DataError: a contract has no id, or a counter is no count.
    """
    data = _object(answer, path)
    offset = offset_hours(data)
    return [
        {
            **_place(data, election),
            "constituency_id": key(voting, "contractId", path),
            "commission": _name(data.get("tikName")),
            "offset_hours": offset,
            "kind": voting["type"] if voting.get("type") in KINDS else None,
            "status": _text(voting.get("status")),
            "has_results": voting.get("hasResults") is True,
            "starts_at": _moment(voting.get("clientStartDateTime"), offset),
            "ends_at": _moment(voting.get("clientEndDateTime"), offset),
            "accepted_until": _moment(voting.get("ballotAcceptanceEndDate"), offset),
            **_counters(voting.get("counters"), path),
        }
        for voting in listed(answer, path, ("votings",))
    ]


def read_district(answer: Any, path: str, election: str, region: str | None) -> list[Row]:
    """Contracts of a district in the older hierarchy (`statistics/voting`), with the columns of `read_commission`.

    It states neither commission, kind, zone nor times.
    """
    place = _place(_object(answer, path), election)
    rows = []
    for voting in listed(answer, path, ("votings",)):
        counters = voting.get("counters")
        if not isinstance(counters, Mapping):
            raise DataError(f"the portal's answer to {path} has a contract without counters")
        unsaid = dict.fromkeys(_UNSAID)
        rows.append(
            {
                **place, **unsaid, "has_results": voting.get("hasResults") is True, "region": place["region"] or region,
                "constituency_id": key(counters, "contractId", path), **_counters(counters, path),
            }
        )  # fmt: skip
    return rows


def read_chart(answer: Any, path: str, contract: str, known_offset: float | None = None) -> tuple[str, list[Row]]:
    """Published hours of a contract (`statistics/chart/hourly`), without placeholders for hours to come.

    `known_offset` is that of the contract where the answer does not say it.

    Returns:
        What the portal has (`published`, `no_such_contract`, `unknown_time_zone`), and rows with label, ends_at (None
        if the zone is not known), bulletins, votes, bulletins_total, votes_total.

    Raises:
        DataError: two series, two points of an hour, a time or a count that is none.
    """
    series = [one for one in listed(answer, path) if one.get("contractId") == contract]
    if not series:
        return "no_such_contract", []
    if len(series) > 1:
        raise DataError(f"the portal's answer to {path} has the contract {len(series)} times")
    offset = offset_hours(series[0])
    offset = known_offset if offset is None else offset
    rows: dict[str, Row] = {}
    for point in listed({"data": series[0]}, path, ("points",)):
        metrics = point.get("metrics")
        if metrics is None or (
            isinstance(metrics, Mapping) and all(metrics.get(name) is None for name in _METRICS[2:])
        ):
            continue  # a placeholder for an hour to come
        if not isinstance(metrics, Mapping):
            raise DataError(f"the portal's answer to {path} has a point without counts: {str(point)[:100]}")
        clock = _clock(point.get("dateTime"))
        if clock is None:
            raise DataError(f"the portal's answer to {path} has a point without a time: {str(point)[:100]}")
        label = clock.strftime(_CLOCK)
        if label in rows:
            raise DataError(f"the portal's answer to {path} has two points for {label}")
        counts = {name: _count(metrics.get(source), path) for name, source in zip(_COUNTS, _METRICS, strict=True)}
        if None in counts.values():
            raise DataError(f"the portal's answer to {path} has a point without counts: {str(point)[:100]}")
        rows[label] = {"label": label, "ends_at": _moment(label, offset), **counts}
    return "unknown_time_zone" if offset is None else "published", list(rows.values())


def read_precincts(answer: Any, path: str) -> tuple[list[Row], int]:
    """One page of a contract's precincts (`statistics/voting/uiks/search`).

    Returns:
        Rows with precinct, registered_voters, bulletins_issued, collection_time (as the portal writes it); the number
        of precincts in all.

    Raises:
        DataError: a row has no number, or a counter is no count.
    """
    data = _object(answer, path)
    found = data.get("distributionByPrimaryUikNumbers")
    total = _count(found.get("totalCount"), path) if isinstance(found, Mapping) else None
    if total is None:
        raise DataError(f"the portal's answer to {path} has no precincts")
    rows = [
        {"precinct": key(one, "primaryUikNumber", path), "registered_voters": _count(one.get("all"), path),
         "bulletins_issued": _count(one.get("issued"), path), "collection_time": _text(data.get("collectionTime"))}
        for one in listed(answer, path, ("distributionByPrimaryUikNumbers", "results"))
    ]  # fmt: skip
    return rows, total


def read_results(answer: Any, path: str) -> list[Row]:
    """The published result of a contract (`results/voting`): position (from 1), name, votes of each option.

    Raises:
        DataError: an option without votes.
    """
    rows = [
        {"position": place, "name": _name(one.get("name")), "votes": _count(one.get("value"), path)}
        for place, one in enumerate(listed(answer, path, ("answers",)), start=1)
    ]
    if any(row["votes"] is None for row in rows):
        raise DataError(f"the portal's answer to {path} has an option without votes")
    return rows


def offset_hours(row: Mapping[str, Any]) -> float | None:
    """Hours that the place is ahead of Moscow; None if that is not said, or cannot be."""
    found = row.get("timeOffset")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if _MOST_BEHIND <= found <= _MOST_AHEAD else None  # no number (NaN) is not between them either


def zone_of(offset: float | None, region_zone: str | None, moment: datetime | None) -> str | None:
    """Time zone of a place so many hours ahead of Moscow: its region's where that agrees; None if there is none."""
    if offset is None or moment is None:
        return None
    ahead = timedelta(hours=offset + MOSCOW)
    if region_zone is not None and moment.astimezone(ZoneInfo(region_zone)).utcoffset() == ahead:
        return region_zone
    whole = ahead // timedelta(hours=1)
    # The names of POSIX count hours west of Greenwich.
    return (f"Etc/GMT{-whole:+d}" if whole else "UTC") if ahead == timedelta(hours=whole) else None


def _data(answer: Any, path: str) -> Any:
    if not isinstance(answer, Mapping) or "data" not in answer:
        raise DataError(f"the portal's answer to {path} has no data: {str(answer)[:100]}")
    return answer["data"] if answer["data"] is not None else {}


def _object(answer: Any, path: str) -> Mapping[str, Any]:
    data = _data(answer, path)
    if not isinstance(data, Mapping):
        raise DataError(f"the portal's answer to {path} has no object as data: {str(data)[:100]}")
    return data


def _place(data: Mapping[str, Any], election: str) -> Row:
    code = data.get("regionCode")
    return {
        "election_key": election,
        "election": _name(data.get("electionName")),
        "region_code": f"{code:02d}" if isinstance(code, int) and not isinstance(code, bool) else _text(code),
        "region": _name(data.get("regionDescription")),
        "district_number": _text(str(data["districtNumber"])) if data.get("districtNumber") is not None else None,
        "district": _name(data.get("districtName")),
        "collection_time": _text(data.get("collectionTime")),
    }


def _counters(found: object, path: str) -> Row:
    counters = found if isinstance(found, Mapping) else {}
    return {name: _count(counters.get(source), path) for name, source in _COUNTERS.items()}


def _count(found: object, path: str) -> int | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _MOST:
        raise DataError(f"the portal's answer to {path} has {str(found)[:50]!r} for a count")
    return found


def _text(found: object) -> str | None:
    if not isinstance(found, str):
        return None
    # Half of a pair of surrogates is no text.
    return found.encode("utf-8", "replace").decode().replace("\0", "").strip()[:_LONGEST] or None


def _name(found: object) -> str | None:
    text = _text(found)
    return canonical_folder(text) if text else None


def _clock(found: object) -> datetime | None:
    try:
        clock = datetime.strptime(str(found), _CLOCK)  # noqa: DTZ007 a wall clock; its zone is in another field
    except ValueError:
        return None
    return clock if _FIRST_YEAR <= clock.year <= _LAST_YEAR else None


def _moment(found: object, offset: float | None) -> datetime | None:
    """A local wall clock as a moment in UTC."""
    clock = _clock(found)
    if clock is None or offset is None:
        return None
    return (clock - timedelta(hours=offset + MOSCOW)).replace(tzinfo=ZoneInfo("UTC"))
