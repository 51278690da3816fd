"""Counts the figures of hours from the lake, in chunks that fit into memory."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from election_metrics.lake import hours as lake
from election_metrics.lake.engine import Engine
from election_metrics.locations import Location
from election_metrics.metrics.hourly import hourly_stats
from election_metrics.metrics.hours import hour_starts
from election_metrics.metrics.registry import register_by_hour
from election_metrics.settings import Settings
from election_metrics.warehouse import corrections, lake_manifest, stale_hours, verdicts
from election_metrics.warehouse import registry as store
from election_metrics.warehouse.database import transaction

_MOST_ROWS_AT_ONCE = 10_000_000


def chunks_of_hours(settings: Settings, first: int, last: int) -> list[tuple[int, int]]:
    """Splits the range so that no chunk has too many rows for memory."""
    with transaction(settings) as connection:
        parts = lake_manifest.parts_of_hours(connection, range(first, last + 1))
    rows = parts.groupby("hour_number")["rows"].sum() if len(parts) else pd.Series(dtype="int64")
    ranges, start, held = [], first, 0
    for number, count in rows.sort_index().items():
        hour = int(str(number))
        if held and held + count > _MOST_ROWS_AT_ONCE:
            ranges.append((start, hour - 1))
            start, held = hour, 0
        held += int(count)
    return [*ranges, (start, last)]


@dataclass(frozen=True)
class HoursInputs:
    """All inputs of the figures of some hours: versions, rows, the registry, calls on registers, ids with a verdict."""

    versions: pd.DataFrame
    hours: lake.LakeHours
    constituencies: pd.DataFrame
    events: pd.DataFrame
    verdicts: pd.DataFrame


def read_inputs(settings: Settings, first: int, last: int) -> HoursInputs:
    """All inputs of these hours' figures, as of one moment."""
    with transaction(settings, snapshot=True) as connection:
        versions = stale_hours.read_hour_versions(connection, first, last)
        parts = lake_manifest.parts_of_hours(connection, range(first, last + 1))
        conflicted = set(versions.loc[versions["is_conflicted"].astype(bool), "hour_number"])
        corrected = corrections.read_corrections(connection) if conflicted else _NO_CORRECTIONS
        constituencies = store.read_registry(connection)
        events = store.read_events(connection)
        judged = verdicts.read_ids(connection)
    is_conflicted = parts["hour_number"].isin(conflicted)
    hours = lake.LakeHours(
        clean_parts=_paths(settings, parts[~is_conflicted]),
        conflicted_parts=_paths(settings, parts[is_conflicted]),
        **corrected,
    )
    constituencies["reference_voters"] = constituencies["reference_voters"].astype("Int64")
    return HoursInputs(versions, hours, constituencies, events, judged)


_NO_CORRECTIONS = {name: pd.DataFrame() for name in ("superseded", "rollbacks", "lost_rows", "repeated_votes")}


def _paths(settings: Settings, parts: pd.DataFrame) -> list[Location]:
    return [settings.lake_path / path for path in parts["path"]]


def compute_frame(engine: Engine, inputs: HoursInputs, now: datetime) -> pd.DataFrame:
    """The rows of `hourly_stats` (without run_id and computed_at) for these inputs."""
    lake.open_hours(engine, inputs.hours)
    counts = lake.hourly_counts(engine, _voting_times(inputs.constituencies))
    counts["hour"] = hour_starts(counts.pop("hour_number"))
    counts["first_transaction_at"] = pd.to_datetime(counts.pop("first_ms"), unit="ms", utc=True)
    counts["last_transaction_at"] = pd.to_datetime(counts.pop("last_ms"), unit="ms", utc=True)
    register = register_by_hour(inputs.constituencies, inputs.events, counts)
    elections = inputs.constituencies.set_index("constituency_id")["election_id"]
    return hourly_stats(counts, elections, register, now)


def inside_frame(engine: Engine, settings: Settings) -> pd.DataFrame:
    """The rows of `inside_hours` for the hours of the last `compute_frame`; none if the setting is off."""
    return lake.inside_hours(engine) if settings.intervals else pd.DataFrame({"hour_number": pd.Series(dtype="int64")})


def _voting_times(constituencies: pd.DataFrame) -> pd.DataFrame:
    frame = constituencies[["constituency_id"]].copy()
    for column, name in (("starts_at", "starts_ms"), ("ends_at", "ends_ms")):
        instants = pd.to_datetime(constituencies[column], utc=True)
        frame[name] = ((instants - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(milliseconds=1)).astype("Int64")
    return frame
