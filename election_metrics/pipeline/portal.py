"""The portal as a source of its own: its registry, and its counts as the second count.

Nothing here is required: without the setting PORTAL_URL no portal is asked. What cannot be read is told and takes
nothing else with it; figures of an earlier collection stay as they were published.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import pandas as pd
import sqlalchemy as sa

from election_metrics.errors import DataError, ElectionMetricsError, SettingsError, TransientError
from election_metrics.pipeline.progress import Report
from election_metrics.settings import Settings
from election_metrics.sources import portal_walk
from election_metrics.sources.portal_answers import Row, read_chart, read_results, zone_of
from election_metrics.sources.portal_client import Kept, Portal
from election_metrics.warehouse import portal as store
from election_metrics.warehouse import registry
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import portal_hours, portal_precincts, portal_results

NONE_SET = "no portal is set; set ELECTION_METRICS_PORTAL_URL, such as https://stat.vybory.gov.ru/api"
_AT_ONCE = 100
"""Contracts of a transaction."""
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_PLACE = ("constituency_id", "election_key", "election", "region_code", "region", "district_number", "district",
          "commission", "offset_hours", "kind", "status", "has_results", "starts_at", "ends_at",
          "accepted_until")  # fmt: skip
_COUNTERS = ("constituency_id", "collection_time", "registered_voters", "bulletins_issued", "votes_cast")


@dataclass
class Collected:
    """What a collection brought.

    Attributes:
        asked: contracts that the portal was asked for, or that it listed.
        changed: contracts whose figures are new or changed.
        absent: contracts that it does not have.
        answers: those that came, good or bad.
        errors: what could not be read, in words.
        requests: requests sent.
        unchanged: answers that the portal confirmed without sending them again.
    """

    asked: int = 0
    changed: set[str] = field(default_factory=set)
    absent: int = 0
    answers: int = 0
    errors: list[str] = field(default_factory=list)
    requests: int = 0
    unchanged: int = 0


def collect_registry(settings: Settings, run_id: str, now: datetime | None = None) -> Collected:
    """Walks the portal's hierarchies: stores its contracts, with their names, times, zones and counters.

    Raises:
        SettingsError: no portal is set.
        TransientError: nothing could be read; a retry may help.
    """
    moment = now or datetime.now(UTC)
    done = Collected()
    with _asking(settings, done) as portal, session_lock(settings, "portal"):
        found, done.errors, refused = portal_walk.walk(portal)
        rows = list(found.values())
        done.asked = done.answers = len(rows)
        with transaction(settings) as connection:
            listed = _only(rows, _PLACE)
            known = store.read_contracts(connection)
            lost = known[known["gone_at"].isna() & ~known["constituency_id"].isin(list(found))]
            is_new = lost["commission"].notna()  # the older hierarchy states none
            for path, reason in refused.items():
                if (is_new if path == portal_walk.FEDERAL else ~is_new).any():
                    done.errors.append(reason)  # the portal had this hierarchy before
            gone = [] if done.errors or not found else list(lost["constituency_id"])
            if store.store_contracts(connection, listed, gone, run_id, moment):
                registry.mark_names_changed(connection)
            counted = [row for row in _only(rows, _COUNTERS) if row["votes_cast"] is not None]
            done.changed = store.store_counters(connection, counted, run_id, moment)
    _refuse_nothing(done)
    return done


def collect_counts(
    settings: Settings,
    run_id: str,
    now: datetime | None = None,
    progress: Report | None = None,
    *,
    everything: bool = False,
) -> Collected:
    """Asks the portal for hourly counts of contracts that are due, and now and then for their precincts and results.

    Args:
        settings: the settings.
        run_id: the Dagster run.
        now: current time.
        progress: called with contracts done and in all.
        everything: ask for all contracts, due or not.

    Raises:
        SettingsError: no portal is set.
        TransientError: nothing could be read; a retry may help.
    """
    moment = now or datetime.now(UTC)
    done = Collected()
    with _asking(settings, done) as portal, session_lock(settings, "portal"):
        with transaction(settings) as connection:
            due = store.read_due(connection, moment, everything=everything)
            offsets = store.read_contracts(connection).set_index("constituency_id")["offset_hours"].dropna().to_dict()
        for part in _parts(portal, partial(_chart, portal, offsets), due):
            _store_charts(settings, part, run_id, moment, done)
            if progress:
                progress(done.asked, len(due))
        with transaction(settings) as connection:
            of_precincts = store.read_due_precincts(connection, moment, everything=everything)
        for part in _parts(portal, partial(portal_walk.precincts, portal), of_precincts):
            _store_lists(settings, portal_precincts, part, run_id, moment, done)
        with transaction(settings) as connection:
            of_results = store.read_due_results(connection, moment, everything=everything)
        for part in _parts(portal, partial(_result, portal), of_results):
            _store_lists(settings, portal_results, part, run_id, moment, done)
    _refuse_nothing(done)
    return done


def what_is_due(settings: Settings, now: datetime) -> tuple[int, bool]:
    """How many contracts the portal is to be asked for; and whether its registry is older than six hours."""
    with transaction(settings) as connection:
        due = store.read_due(connection, now, everything=False)
        precincts = store.read_due_precincts(connection, now, everything=False)
        results = store.read_due_results(connection, now, everything=False)
        return len({*due, *precincts, *results}), store.is_registry_due(connection, now)


def registry_of_portal(contracts: pd.DataFrame, paths: pd.DataFrame, zones: dict[str, str]) -> pd.DataFrame:
    """What the portal knows of constituencies, as a source of the registry.

    Contracts of elections (and kinds) of which nothing has landed are left out: an observatory need not watch them.

    Args:
        contracts: rows of `portal_contracts`.
        paths: constituency_id and election by the other sources; NA where these do not say.
        zones: time zone by region name.

    Returns:
        constituency_id, election, name, region_code, region, time_zone, starts_at, ends_at (of taking votes).
        `election` is the name under which the other contracts of that election landed, else the portal's.
    """
    landed = paths.set_index("constituency_id")["election"]
    group = ["election_key", "kind"]
    listed = contracts[contracts["gone_at"].isna()]
    keyed = listed.assign(kind=listed["kind"].fillna(""), election_key=listed["election_key"].fillna(""))
    known = keyed[keyed["constituency_id"].isin(landed.index)]
    watched = pd.MultiIndex.from_frame(known[group])
    keyed = keyed[pd.MultiIndex.from_frame(keyed[group]).isin(watched)]
    named = known.assign(landed=known["constituency_id"].map(landed)).dropna(subset=["landed"])
    counts = named.groupby([*group, "landed"]).size().rename("files").reset_index()
    counts = counts.sort_values(["files", "landed"], ascending=[False, True]).drop_duplicates(group)
    keyed = keyed.merge(counts[[*group, "landed"]], on=group, how="left")
    # A district that is the whole region says nothing more.
    district = keyed["district"].where(keyed["district"] != keyed["region"])
    names = district.str.cat(keyed["commission"], sep=", ").fillna(keyed["commission"]).fillna(keyed["district"])
    offsets = keyed["offset_hours"].astype(object).where(keyed["offset_hours"].notna(), None)
    moments = pd.to_datetime(keyed["starts_at"], utc=True).astype(object)
    own_zones = [
        zone_of(offset, zones.get(region), None if pd.isna(moment) else moment)
        for offset, region, moment in zip(offsets, keyed["region"], moments, strict=True)
    ]
    return pd.DataFrame(
        {
            "constituency_id": keyed["constituency_id"],
            "election": keyed["landed"].combine_first(keyed["election_key"].map(_usual_names(listed))),
            "name": names,
            "region_code": keyed["region_code"],
            "region": keyed["region"],
            "time_zone": pd.Series(own_zones, index=keyed.index, dtype=object),
            "starts_at": pd.to_datetime(keyed["starts_at"], utc=True),
            "ends_at": pd.to_datetime(keyed["accepted_until"].combine_first(keyed["ends_at"]), utc=True),
        }
    )


def _usual_names(listed: pd.DataFrame) -> "pd.Series[str]":
    """The name of each election by its key: that of most of its contracts, so that none leaves it by another name."""
    counts = listed.groupby(["election_key", "election"]).size().rename("contracts").reset_index()
    counts = counts.sort_values(["contracts", "election"], ascending=[False, True]).drop_duplicates("election_key")
    return counts.set_index("election_key")["election"]


def _asking(settings: Settings, done: Collected) -> "_Asking":
    if settings.portal_url is None:
        raise SettingsError(NONE_SET)
    number, _, span = settings.portal_rate.partition("/")
    return _Asking(settings, Portal(settings.portal_url, int(number) / _SECONDS[span]), done)


@dataclass
class _Asking:
    """A portal with the answers that it may confirm; those of this collection are stored at its end."""

    settings: Settings
    portal: Portal
    done: Collected

    def __enter__(self) -> Portal:
        with transaction(self.settings) as connection:
            kept = store.read_kept(connection)
        self.portal.kept.update({path: Kept(*one) for path, one in kept.items()})
        return self.portal

    def __exit__(self, *_: object) -> None:
        self.done.requests, self.done.unchanged = self.portal.sent, self.portal.unchanged
        new = {path: (one.etag, one.last_modified, one.text) for path, one in self.portal.new.items()}
        with transaction(self.settings) as connection:
            store.store_kept(connection, new)


def _chart(portal: Portal, offsets: Mapping[str, float], contract: str) -> tuple[str, list[Row]]:
    path = f"statistics/chart/hourly?{urlencode({'contractIds': contract})}"
    return read_chart(portal.get(path), path, contract, offsets.get(contract))


def _result(portal: Portal, contract: str) -> list[Row]:
    path = f"results/voting/{quote(contract, safe='')}"
    return read_results(portal.get(path), path)


def _parts(portal: Portal, ask: Callable[[str], Any], names: Sequence[str]) -> Iterator[list[tuple[str, Any]]]:
    answers = portal.each(ask, names)
    while part := list(islice(answers, _AT_ONCE)):
        yield part


def _good(part: list[tuple[str, Any]], done: Collected) -> dict[str, Any]:
    """The answers that are no errors; these are noted."""
    done.errors += [str(answer) for _, answer in part if isinstance(answer, ElectionMetricsError)]
    good = {name: answer for name, answer in part if not isinstance(answer, ElectionMetricsError)}
    done.answers += len(good) + sum(isinstance(answer, DataError) for _, answer in part)  # an answer, though a bad one
    return good


def _store_charts(settings: Settings, part: list[tuple[str, Any]], run_id: str, now: datetime, done: Collected) -> None:
    good = _good(part, done)
    done.asked += len(part)
    done.absent += sum(has == "no_such_contract" for has, _ in good.values())
    rows = [{"constituency_id": name, **row} for name, (_, found) in good.items() for row in found]
    with transaction(settings) as connection:
        new = store.mark_asked(connection, {name: has for name, (has, _) in good.items()}, run_id, now)
        new |= store.store_hours(connection, list(good), rows, run_id, now)
        done.changed |= new
        _tell(connection, portal_hours, new)


def _store_lists(
    settings: Settings, table: sa.Table, part: list[tuple[str, Any]], run_id: str, now: datetime, done: Collected
) -> None:
    good = _good(part, done)
    rows = [{"constituency_id": name, **row} for name, found in good.items() for row in found]
    with transaction(settings) as connection:
        new = store.store_lists(connection, table, list(good), rows, run_id, now)
        done.changed |= new
        if table is portal_results:
            _tell(connection, table, new)
        else:  # no rule rests on its precincts
            notify(connection, table, registry.by_election(connection, new))


def _tell(connection: sa.Connection, table: sa.Table, changed: set[str]) -> None:
    """Lets the rules compare what changed, and readers see it."""
    registry.touch_elections_of(connection, changed)
    notify(connection, table, registry.by_election(connection, changed))


def _only(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows]


def _refuse_nothing(done: Collected) -> None:
    """Raises if the portal gave nothing but errors."""
    if done.errors and not done.answers:
        raise TransientError(f"the portal gave nothing; {len(done.errors)} errors, the first: {done.errors[0]}")
