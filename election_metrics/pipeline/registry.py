"""The registry of elections and constituencies, refreshed from the ledger and the reference data; marks hours stale."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from election_metrics.clock import hour_number
from election_metrics.metrics.registry import Registry, build_registry
from election_metrics.pipeline import publication
from election_metrics.pipeline.portal import registry_of_portal
from election_metrics.settings import Settings
from election_metrics.sources.names import find_region
from election_metrics.sources.reference import empty_reference, read_reference
from election_metrics.warehouse import chain, elections, mapped_sources, stale_hours
from election_metrics.warehouse import portal as portal_store
from election_metrics.warehouse import registry as store
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import lock, session_lock, transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import constituencies, hourly_stats


def refresh_registry(settings: Settings, run_id: str, now: datetime | None = None) -> Registry:
    """Updates elections and the registry, and marks hours whose registry changed stale.

    Readers see the change together with the figures that depend on it: at once if no hour is stale, else when those
    hours are computed. If a constituency moves to another election, its hours and everything downstream move in the
    same transaction: computing them again range by range would show parts of it in both elections.

    Raises:
        SettingsError: the reference file cannot be read.
        DataError: the reference file is invalid; the line is named.
    """
    moment = now or datetime.now(UTC)
    file = empty_reference() if settings.reference is None else read_reference(settings.reference, settings.time_zone)
    with session_lock(settings, publication.LOCK), transaction(settings) as connection:
        cause = "reference data" if store.registry_is_behind(connection) else "register"
        begin_commit(connection, run_id, [cause])
        lock(connection, "registry")
        if chain.expect_shards(connection, settings.shards):
            store.touch_constituencies(connection, {election: [] for election in store.election_ids(connection)})
        store.mark_registry(connection)  # first, so that any later override makes the registry stale
        places = store.read_places(connection)
        said = _with_overrides(mapped_sources.read_places(connection), file)
        reference = _with_overrides(said, store.read_constituency_reference(connection))
        listed = portal_store.read_contracts(connection)
        names = {*places["region"].dropna(), *reference["region"].dropna(), *listed["region"].dropna()}
        regions = {name: region for name in names if (region := find_region(name)) is not None}
        zones = {name: region.time_zone for name, region in regions.items()}
        registry = build_registry(
            places,
            store.read_events(connection),
            reference,
            store.read_election_reference(connection),
            zones,
            settings.time_zone,
            moment,
            is_zone_chosen=settings.is_zone_chosen,
            codes={name: region.code for name, region in regions.items() if region.code},
            portal=registry_of_portal(listed, _elections_of(places, reference), zones),
        )
        before = store.read_registry(connection)
        renamed = store.store_elections(connection, registry.elections.assign(run_id=run_id, computed_at=moment))
        changed = _changed(before, registry.constituencies)
        store.store_constituencies(connection, changed.assign(run_id=run_id, computed_at=moment))
        stale_hours.mark_constituencies_stale(connection, _reopened(before, changed), cause)
        moved = before[before["constituency_id"].isin(changed["constituency_id"])]
        gone = before[~before["constituency_id"].isin(registry.constituencies["constituency_id"])]
        store.drop_constituencies(connection, list(gone["constituency_id"]))
        touched = set(changed["election_id"]) | set(moved["election_id"]) | set(gone["election_id"])
        store.touch_elections(connection, touched, cause)
        store.touch_constituencies(connection, {election: [] for election in renamed - touched})
        moved_between = elections.give_hours_to_own_election(connection, list(changed["constituency_id"]))
        if moved_between:
            notify(connection, hourly_stats, dict.fromkeys(moved_between))
            publication.publish(connection, run_id, moment, sorted(moved_between))
        if not stale_hours.hours_wait(connection):
            publication.publish(connection, run_id, moment)
        notify(connection, constituencies, touched | renamed)
        store.drop_empty_elections(connection)
    return registry


def registry_is_behind(settings: Settings) -> bool:
    """Whether reference data changed after the registry was refreshed."""
    with transaction(settings) as connection:
        return store.registry_is_behind(connection)


def _elections_of(places: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """constituency_id and election of the constituencies that landed or are referred to."""
    both = pd.concat([reference[["constituency_id", "election"]], places[["constituency_id", "election"]]])
    return both.groupby("constituency_id", as_index=False)["election"].first()


def _with_overrides(file: pd.DataFrame, overrides: pd.DataFrame) -> pd.DataFrame:
    """A reference with overrides applied, field by field."""
    first, second = (frame.set_index("constituency_id") for frame in (overrides, file))
    ids = first.index.union(second.index)
    first, second = first.reindex(ids), second.reindex(ids)
    return pd.DataFrame({name: first[name].combine_first(second[name]) for name in second.columns}).reset_index()


def _changed(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """The constituencies that are new or changed."""
    columns = list(now.columns)
    old = before[columns].astype(object).where(before[columns].notna(), None).set_index("constituency_id")
    new = now.astype(object).where(now.notna(), None).set_index("constituency_id")
    known = old.reindex(new.index)
    known = known.astype(object).where(known.notna(), None)
    same = ((known == new) | (known.isna() & new.isna())).all(axis=1) & new.index.isin(old.index)
    return now[~same.to_numpy()]


def _reopened(before: pd.DataFrame, now: pd.DataFrame) -> list[tuple[str, int, int]]:
    """The hours that a change of the registry affects: (constituency_id, first hour, last hour), since 1970.

    A new end of voting affects only the hours from the earlier end on: while voting ends region by region, earlier
    hours must not be computed again for every region.
    """
    both = before.merge(now, on="constituency_id", suffixes=("_before", ""))
    reopened = []
    for row in both.itertuples():
        everything = row.election_id != row.election_id_before or not _same(
            row.reference_voters, row.reference_voters_before
        )
        starts = [] if _same(row.starts_at, row.starts_at_before) else [row.starts_at, row.starts_at_before]
        ends = [] if _same(row.ends_at, row.ends_at_before) else [row.ends_at, row.ends_at_before]
        if everything or (starts and ends):
            reopened.append((str(row.constituency_id), 0, _LAST_HOUR))
        elif starts:
            last = max((_hour(moment, _LAST_HOUR) for moment in starts), default=_LAST_HOUR)
            reopened.append((str(row.constituency_id), 0, last))
        elif ends:
            reopened.append((str(row.constituency_id), min(_hour(moment, _LAST_HOUR) for moment in ends), _LAST_HOUR))
    return reopened


_LAST_HOUR = 10_000_000


def _same(one: Any, other: Any) -> bool:
    if pd.isna(one) or pd.isna(other):
        return bool(pd.isna(one) and pd.isna(other))
    return bool(one == other)


def _hour(moment: object, unknown: int) -> int:
    return unknown if pd.isna(moment) else hour_number(pd.Timestamp(str(moment)))
