"""Deliveries of an election (registry, register calls, intervals, expected hours), for its findings and its summary."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.metrics.coverage import coverage
from election_metrics.warehouse import elections, registry


@dataclass(frozen=True)
class Delivered:
    """Deliveries of an election, as of one moment.

    Attributes:
        constituencies: its rows of the registry.
        events: valid calls on their registers: constituency_id, occurred_at (UTC), operation, voters.
        deliveries: the times that their files cover: constituency_id, starts_at, ends_at (UTC), by_interval.
        hours: their `coverage`: the hours of voting that should have arrived by now.
    """

    constituencies: pd.DataFrame
    events: pd.DataFrame
    deliveries: pd.DataFrame
    hours: pd.DataFrame


def read_delivered(connection: sa.Connection, election: str, events: pd.DataFrame, now: datetime) -> Delivered:
    """Deliveries of an election until `now`; `events` are those of all elections, read in one query."""
    known = registry.read_constituencies(connection)
    known = known[known["election_id"] == election].reset_index(drop=True)
    deliveries = elections.read_deliveries(connection, election)
    own = events[events["constituency_id"].isin(known["constituency_id"])]
    lost = elections.read_lost_intervals(connection, election)
    return Delivered(known, own, deliveries, coverage(known, deliveries, now, lost))
