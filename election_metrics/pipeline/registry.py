"""The registry: who votes where, refreshed from the ledger and the reference; changes re-open hours."""

import csv
from datetime import UTC, datetime
from functools import cache
from importlib import resources

import pandas as pd
import sqlalchemy as sa

from election_metrics.metrics.registry import Registry, build_registry
from election_metrics.settings import Settings
from election_metrics.sources.reference import empty_reference, read_reference
from election_metrics.warehouse import ledger
from election_metrics.warehouse import registry as store
from election_metrics.warehouse.database import lock, transaction


@cache
def region_time_zones() -> dict[str, str]:
    """IANA time zone by region name, of regions that have one."""
    text = resources.files("election_metrics").joinpath("data", "region_time_zones.csv").read_text("utf-8")
    return {row["region"]: row["time_zone"] for row in csv.DictReader(text.splitlines())}


def refresh_registry(settings: Settings, run_id: str, now: datetime | None = None) -> Registry:
    """Brings `elections` and `constituencies` up to date, and re-opens hours whose registry changed.

    Raises:
        SettingsError: the reference file cannot be read.
        DataError: the reference file is wrong; its line is named.
    """
    moment = now or datetime.now(UTC)
    reference = (
        empty_reference() if settings.reference is None else read_reference(settings.reference, settings.time_zone)
    )
    with transaction(settings) as connection:
        lock(connection, "registry")
        registry = build_registry(
            store.read_places(connection),
            store.read_events(connection),
            reference,
            region_time_zones(),
            settings.time_zone,
            moment,
        )
        before = store.read_constituencies(connection)
        store.store_elections(connection, registry.elections.assign(run_id=run_id, computed_at=moment))
        stored = registry.constituencies.drop(columns="reference_voters")
        changed = _changed(before, stored)
        store.store_constituencies(connection, changed.assign(run_id=run_id, computed_at=moment))
        _reopen_changed(connection, registry)
        moved = before[before["constituency_id"].isin(changed["constituency_id"])]
        store.touch_elections(connection, set(changed["election_id"]) | set(moved["election_id"]))
        store.drop_empty_elections(connection)
    return registry


def _changed(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """The constituencies that are new or say something else than before."""
    columns = list(now.columns)
    old = before[columns].astype(object).where(before[columns].notna(), None).set_index("constituency_id")
    new = now.astype(object).where(now.notna(), None).set_index("constituency_id")
    known = old.reindex(new.index)
    known = known.astype(object).where(known.notna(), None)
    same = ((known == new) | (known.isna() & new.isna())).all(axis=1) & new.index.isin(old.index)
    return now[~same.to_numpy()]


def _reopen_changed(connection: sa.Connection, registry: Registry) -> None:
    frame = registry.constituencies
    said = frame[["election_id", "starts_at", "ends_at", "reference_voters"]].astype(object)
    rows = frame[["constituency_id", "reference_voters"]].assign(
        fingerprint=[" | ".join(map(str, values)) for values in said.itertuples(index=False)]
    )
    before = rows["constituency_id"].map(store.read_fingerprints(connection))
    differing = rows[rows["fingerprint"] != before]
    ledger.reopen_constituencies(connection, differing.loc[before.notna(), "constituency_id"])
    store.store_fingerprints(connection, differing)
