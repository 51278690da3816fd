"""The counts: each is declared here once, and counted by `lake/sql/hourly_counts.sql`.

Tables, lineage, queries, API, exports, comparisons and checks are derived from this list. All counts are additive over
hours, constituencies and regions.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """A count of an hour.

    Attributes:
        name: its column.
        comment: what it counts.
        unit: its unit.
        sources: columns of the lake that it is counted from.
    """

    name: str
    comment: str
    unit: str
    sources: tuple[str, ...] = ("kind", "transaction_id")


COUNTS = (
    Count(
        "transaction_count",
        "Distinct transactions that count, whatever their outcome; withdrawn ones are not included",
        "transactions",
    ),
    Count("bulletins_issued", "Bulletins issued by calls that did not fail", "bulletins", ("kind", "quantity")),
    Count("bulletins_failed", "Issue calls that failed", "transactions"),
    Count("votes_cast", "Accepted votes, the first of each voter key", "votes", ("kind", "voter_key")),
    Count("votes_rejected", "Votes that failed", "transactions"),
    Count(
        "votes_unknown", "Votes with neither a failure nor a recorded vote", "transactions"
    ),
    Count(
        "revotes", "Accepted votes of a voter key after its first", "votes", ("kind", "voter_key")
    ),
    Count("withdrawn", "Transactions withdrawn by a rollback, in their own hour", "transactions"),
    Count(
        "anomaly_count",
        "Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and"
        " votes that a table's owner flags or that are outside the voting times (15 minutes' grace for votes)",
        "transactions",
    ),
)  # fmt: skip
NAMES = tuple(count.name for count in COUNTS)
