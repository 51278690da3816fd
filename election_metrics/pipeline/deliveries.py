"""What came of an election: read once, for its findings and for its summary."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.metrics.coverage import coverage
from election_metrics.warehouse import elections, registry


@dataclass(frozen=True)
class Delivered:
    """What came of an election, as of one moment.

    Attributes:
        constituencies: its rows of the registry.
        deliveries: constituency_id, starts_at, ends_at (UTC), by_interval: what their files cover.
        hours: `coverage` of them: the hours of voting that should be here by now.
    """

    constituencies: pd.DataFrame
    deliveries: pd.DataFrame
    hours: pd.DataFrame


def read_delivered(connection: sa.Connection, election: str, now: datetime) -> Delivered:
    """What came of an election until now."""
    known = registry.read_constituencies(connection)
    known = known[known["election_id"] == election].reset_index(drop=True)
    deliveries = elections.read_deliveries(connection, election)
    return Delivered(known, deliveries, coverage(known, deliveries, now))
