"""Compares every hour of a table with what landed."""

import pandas as pd

from election_metrics.lake import table_rows
from election_metrics.pipeline.table_batches import TableLanding
from election_metrics.warehouse import table_reads
from election_metrics.warehouse.database import transaction


def differing_hours(job: TableLanding) -> list[int]:
    """Hours whose rows in the table differ from what landed; rows that are only held back do not count."""
    there = job.snapshot.fingerprints(job.reading.secret)
    if there is None:
        there = _fingerprints_of_every_row(job)
        there = there.assign(settled_rows=there["rows"], settled_fingerprint=there["fingerprint"])
    both = there.merge(landed_hours(job), on="hour_number", how="outer", suffixes=("", "_landed"))
    is_all = (both["rows"] == both["rows_landed"]) & (both["fingerprint"] == both["fingerprint_landed"])
    is_settled = (both["settled_rows"] == both["rows_landed"].fillna(0)) & (
        both["settled_fingerprint"] == both["fingerprint_landed"].fillna("0")
    )
    same = is_all.fillna(False) | is_settled.fillna(False)
    return sorted(int(hour) for hour in both.loc[~same, "hour_number"])


def _fingerprints_of_every_row(job: TableLanding) -> pd.DataFrame:
    parts = []
    for batch in job.snapshot.every_row():
        table_rows.begin_rows(job.engine.local, job.reading)
        table_rows.add_rows(job.engine.local, job.reading, batch.rows)
        parts.append(table_rows.fingerprints(job.engine.local))
    if not parts:
        return pd.DataFrame({"hour_number": [], "rows": [], "fingerprint": []}).astype({"fingerprint": "str"})
    frame = pd.concat(parts).assign(fingerprint=lambda frame: frame["fingerprint"].map(int))
    sums = frame.groupby("hour_number").sum().reset_index()
    return sums.assign(fingerprint=sums["fingerprint"].map(str))


def landed_hours(job: TableLanding) -> pd.DataFrame:
    """What landed of the table, by hour: hour_number, rows, fingerprint."""
    with transaction(job.settings) as connection:
        return table_reads.landed_hours(connection, job.source)
