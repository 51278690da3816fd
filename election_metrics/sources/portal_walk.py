"""The contracts that the portal lists, by both of its hierarchies, and the precincts of each."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode

from election_metrics.errors import DataError, ElectionMetricsError
from election_metrics.sources.portal_answers import Row, key, listed, read_commission, read_district, read_precincts
from election_metrics.sources.portal_client import Portal

FEDERAL, REGIONAL = "elections?level=FEDERAL", "voting/regions"
_PAGE = 100
_MOST_PAGES = 1_000
_ATTEMPTS = 3
SEARCH = "statistics/voting/uiks/search"
_IDENTITY = ("election_key", "region_code", "district", "commission", "kind")


def walk(portal: Portal) -> tuple[dict[str, Row], list[str], dict[str, str]]:
    """Every contract that the portal lists.

    Returns:
        Rows of `read_commission` by contract; what could not be read, in words; and why, of a hierarchy (its path) that
        the portal refuses while it has the other one. A part that cannot be read takes nothing else with it.
    """
    refused: dict[str, str] = {}
    found: dict[str, Row] = {}
    errors: list[str] = []
    roots = dict(portal.each(portal.get, [FEDERAL, REGIONAL]))
    for path, other in ((FEDERAL, REGIONAL), (REGIONAL, FEDERAL)):
        if isinstance(roots[path], DataError) and not isinstance(roots[other], ElectionMetricsError):
            refused[path] = str(roots[path])  # a portal may have one of them only
            roots[path] = {"data": None}
    for rows in (_federal(portal, roots[FEDERAL], errors), _regional(portal, roots[REGIONAL], errors)):
        for row in rows:
            known = found.get(row["constituency_id"])
            if known is None:
                found[row["constituency_id"]] = row
            elif row["commission"] is not None and any(known[name] != row[name] for name in _IDENTITY):
                errors.append(f"the portal lists contract {row['constituency_id']} in two places; the first one counts")
    return found, errors, refused


def _federal(portal: Portal, root: Any, errors: list[str]) -> Iterator[Row]:
    """Elections, regions, districts, commissions, contracts.

    The list of elections may name fewer regions than there are; those in an election's statistics are complete.
    """
    elections = _keyed(root, FEDERAL, {}, errors, ("elections",), ("electionId",))
    at = [(f"statistics/v2/election/{one['electionId']}", one) for one in elections]
    regions = _below(portal, at, errors, ("regions",), ("code",))
    at = [(_path("statistics/v2/election/region", one, electionId="electionId", regionCode="code"), one)
          for one in regions]  # fmt: skip
    districts = _below(portal, at, errors, ("districts",), ("id",))
    at = [(_path("statistics/v2/election/district", one, electionId="electionId", districtId="id"), one)
          for one in districts]  # fmt: skip
    commissions = _below(portal, at, errors, ("tiks",), ("tikId",))
    names = {"electionId": "electionId", "districtId": "id", "tikId": "tikId"}
    leaves = {_path("statistics/v2/election/tik", one, **names): one["electionId"] for one in commissions}
    for path, answer in portal.each(portal.get, list(leaves)):
        yield from _rows(answer, errors, partial(read_commission, path=path, election=leaves[path]))


def _regional(portal: Portal, root: Any, errors: list[str]) -> Iterator[Row]:
    """Regions, elections, districts, contracts: the older hierarchy."""
    regions = _keyed(root, REGIONAL, {}, errors, ("regions",), ("code",), keep=("description",))
    above = {f"elections/region/{one['code']}/elections": one for one in regions}
    elections = []
    for path, answer in portal.each(portal.get, list(above)):
        for level in _rows(answer, errors, partial(listed, path=path, names=("elections",))):
            elections += _keyed({"data": level}, path, above[path], errors, ("elections",), ("electionId",))
    at = [(_path("elections/districts", one, regionCode="code", electionId="electionId"), one) for one in elections]
    districts = _below(portal, at, errors, (), ("id",))
    leaves = {_path("statistics/voting", one, electionId="electionId", districtId="id"): one for one in districts}
    for path, answer in portal.each(portal.get, list(leaves)):
        one = leaves[path]
        yield from _rows(
            answer, errors, partial(read_district, path=path, election=one["electionId"], region=one["description"])
        )


def _below(
    portal: Portal, asked: list[tuple[str, Row]], errors: list[str], names: tuple[str, ...], keys: tuple[str, ...]
) -> list[Row]:
    """The rows of the lists under `names` in the answers to paths, each with the keys of the row above it."""
    above = dict(asked)
    found = []
    for path, answer in portal.each(portal.get, list(above)):
        found += _keyed(answer, path, above[path], errors, names, keys)
    return found


def _keyed(
    answer: Any,
    path: str,
    above: Row,
    errors: list[str],
    names: tuple[str, ...],
    keys: tuple[str, ...],
    keep: tuple[str, ...] = (),
) -> list[Row]:
    """The rows of a list in an answer, with their keys and those of the row above."""
    found = []
    for row in _rows(answer, errors, partial(listed, path=path, names=names)):
        try:
            own = {name: key(row, name, path) for name in keys}
        except DataError as error:
            errors.append(str(error))
            continue
        found.append({**above, **own, **{name: row.get(name) for name in keep}})
    return found


def _path(path: str, row: dict[str, Any], **names: str) -> str:
    return f"{path}?{urlencode({name: row[source] for name, source in names.items()})}"


def _rows(answer: Any, errors: list[str], read: Callable[[Any], list[Any]]) -> list[Any]:
    """What `read` finds in an answer; an error is noted."""
    try:
        if isinstance(answer, ElectionMetricsError):
            raise answer
        return read(answer)
    except ElectionMetricsError as error:
        errors.append(str(error))
        return []


def precincts(portal: Portal, contract: str) -> list[Row]:
    """All precincts of a contract, each with the time of collection, as the portal writes it.

    Raises:
        DataError: the pages do not add up, several times.
        TransientError: as `Portal.get`.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _pages(portal, contract)
        except DataError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def _pages(portal: Portal, contract: str) -> list[Row]:
    rows: dict[str, Row] = {}
    total: int | None = None
    for page in range(_MOST_PAGES):
        order = [{"field": "primaryUikNumber", "sortDirection": "ASC"}]
        body = {"contractId": contract, "primaryUikNumbers": None, "page": page, "pageSize": _PAGE, "orderBy": order}
        found, of = read_precincts(portal.post(SEARCH, body), SEARCH)
        if total not in (None, of):
            raise DataError(f"the portal's number of precincts of {contract} changed from {total} to {of} while read")
        total = of
        if any(row["precinct"] in rows for row in found):
            raise DataError(f"the portal's pages name a precinct of {contract} twice")
        rows |= {row["precinct"]: row for row in found}
        if len(rows) == total:
            return list(rows.values())
        if not found or len(rows) > total:
            break
    raise DataError(f"the portal's pages hold {len(rows)} of {total} precincts of {contract}")
