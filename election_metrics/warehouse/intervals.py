"""Hours from inside (`ingest.inside_hours`), as the rules read them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.clock import INTERVALS
from election_metrics.metrics.anomalies.inside import InsideHours
from election_metrics.warehouse.replace import read_arrow, read_frame

_KINDS = InsideHours().rows.dtypes
_KEY = ["constituency_id", "hour_number"]
_TIMES = [name for name in _KINDS.index if name not in (*_KEY, "registrar")]
# One text of numbers for each constituency: a row for each hour would take ten times as long to read.
_NUMBERS = f"""
    SELECT constituency_id,
        string_agg(hour_number || ' ' || array_to_string(bulletins || votes, ' '), ' ') AS counts,
        string_agg(concat_ws(' ', hour_number, {", ".join(f"coalesce({name}::text, 'nan')" for name in _TIMES)}), ' ')
            FILTER (WHERE vote_gaps IS NOT NULL OR registrar IS NOT NULL) AS times
    FROM ingest.inside_hours
    WHERE hour_number < %(present)s
        AND constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = %(election)s)
    GROUP BY constituency_id ORDER BY constituency_id
"""  # noqa: S608 our own names
_REGISTRARS = sa.text(
    """
    SELECT constituency_id, hour_number, registrar FROM ingest.inside_hours
    WHERE registrar_run >= 5 AND hour_number < :present
        AND constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = :election)
    """
)


def read_inside_hours(connection: sa.Connection, election: str, present: int) -> InsideHours:
    """The hours before `present` (hours since 1970, UTC) of the constituencies of an election.

    Registrars are named where they issued five bulletins in a row or more.
    """
    texts = pa.schema([(name, pa.string()) for name in ("constituency_id", "counts", "times")])
    found = read_arrow(connection, _NUMBERS, texts, election=election, present=present).to_pandas()
    counts, places = _parsed(found["counts"], 1 + 2 * INTERVALS, "int64")
    times, timed = _parsed(found["times"], 1 + len(_TIMES), "float64")
    ids = found["constituency_id"].to_numpy(dtype=object)
    rows = pd.DataFrame({"constituency_id": ids[places], "hour_number": counts[:, 0]})
    details = pd.DataFrame(times[:, 1:], columns=_TIMES).assign(
        constituency_id=ids[timed], hour_number=times[:, 0].astype("int64")
    )
    names = read_frame(connection, _REGISTRARS, election=election, present=present)
    rows = rows.merge(details, on=_KEY, how="left").merge(names, on=_KEY, how="left")
    bulletins, votes = counts[:, 1 : 1 + INTERVALS], counts[:, 1 + INTERVALS :]
    return InsideHours(rows[list(_KINDS.index)].astype(_KINDS), bulletins, votes)


def _parsed(texts: pd.Series, columns: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of texts in rows of so many, and the place of each row's text."""
    known = texts.fillna("").tolist()
    whole = " ".join(filter(None, known))
    numbers = (np.fromstring(whole, dtype=kind, sep=" ") if whole else np.zeros(0, kind)).reshape(-1, columns)
    rows = [(text.count(" ") + 1) // columns if text else 0 for text in known]
    return numbers, np.repeat(np.arange(len(known)), rows)
