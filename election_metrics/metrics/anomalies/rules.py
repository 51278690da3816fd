"""The registry of rules: what each one is called, means, and from which values on it fires."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from election_metrics.metrics.anomalies import ballots, series
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.findings import no_findings


@dataclass(frozen=True)
class Threshold:
    """A value that a rule compares with; it can be set for an election."""

    default: float
    meaning: str


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: its name in `anomalies.rule`.
        find: the function: evidence and thresholds in, findings out.
        lasts: a state, that resolves itself when it is over; else an event, that a person has to look at.
        severity: which severities it gives, and when.
        meaning: what it says, in one sentence.
        why: the fact of the domain behind it.
        thresholds: by name.
    """

    name: str
    find: Callable[[Evidence, Mapping[str, float]], pd.DataFrame]
    lasts: bool
    severity: str
    meaning: str
    why: str
    thresholds: Mapping[str, Threshold]


_CHANCE = "a count is marked only if its probability is below this"
_SCATTER = "relative scatter of the count model (negative binomial), beyond a Poisson count's own"
_USUAL = "percent that are usual"


def _share(usual: float, least_count: float, least_share: float) -> dict[str, Threshold]:
    return {
        "least_count": Threshold(least_count, "fewer in an hour are not judged"),
        "least_share": Threshold(least_share, "percent of the hour's"),
        "usual_share": Threshold(usual, _USUAL),
        "chance": Threshold(1e-6, _CHANCE),
        "critical_share": Threshold(50, "percent from which it is critical"),
    }


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "votes_exceed_bulletins", ballots.votes_exceed_bulletins, True,
            "critical; a warning while hours of the constituency are missing",
            "Counted from the beginning, a constituency has more votes than bulletins.",
            "A vote needs a bulletin. In single hours votes exceed bulletins all the time (in 43 of 70 hours of"
            " 2026, nationwide), because they follow bulletins of the hour before: only the running totals tell.",
            {"least_excess": Threshold(1, "votes more than bulletins")},
        ),
        Rule(
            "gap_outside_band", ballots.gap_outside_band, True, "critical from a gap of 50 %, else a warning",
            "Of the bulletins issued in an hour, more stayed without a vote than is usual so long after the opening.",
            "The normal gap is 5.8 % of bulletins in the hour of an opening, 1.6 % at noon and 0.93 % at the end; on 18"
            " September 2026, 00:00 to 03:05 in Moscow, 365 votes followed 5,484 bulletins.",
            {
                "first_hour_gap": Threshold(25, "percent, in the opening hour"),
                "gap": Threshold(15, "percent, later"),
                "least_bulletins": Threshold(20, "an hour with fewer bulletins is not judged"),
                "chance": Threshold(1e-3, _CHANCE),
                "scatter": Threshold(0.05, _SCATTER),
                "critical_gap": Threshold(50, "percent from which it is critical"),
            },
        ),
        Rule(
            "turnout_above_register", ballots.turnout_above_register, True, "critical",
            "More votes were cast than voters are registered.",
            "In 2024 turnouts above 100 % were published in five regions, because 211,000 voters were not loaded. A"
            " rate is never clamped: it is flagged.",
            {"least_excess": Threshold(1, "votes more than registered voters")},
        ),
        Rule(
            "spike", series.spike, False, "warning",
            "Far more votes in an hour than the same constituency had the day before around that hour, in the hour"
            " before, and than the others of its region that opened when it did.",
            "Opening waves are 30 times the median and belong to every constituency: it is judged against its own"
            " opening. A standard score on tens of votes would fire all the time: the model is one of counts.",
            {
                "ratio": Threshold(3, "times the expected count"),
                "least_excess": Threshold(30, "votes more than expected"),
                "chance": Threshold(1e-6, _CHANCE),
                "scatter": Threshold(0.3, _SCATTER),
            },
        ),
        Rule(
            "drop", series.drop, False, "warning",
            "Far fewer votes in an hour than by all of those references.",
            "Nights and the hours before the close are low for everyone: the reference is low with them.",
            {
                "ratio": Threshold(3, "times less than the expected count"),
                "least_expected": Threshold(30, "where fewer votes were expected, no drop is judged"),
                "chance": Threshold(1e-6, _CHANCE),
                "scatter": Threshold(0.3, _SCATTER),
            },
        ),
        Rule(
            "silence", series.silence, True, "warning; critical for a whole region",
            "No bulletin and no vote, so long that it cannot be chance against the expected count; a region's small"
            " constituencies are judged together, in hours that four fifths of them delivered.",
            "Small constituencies are silent for 10 to 30 hours at a stretch, and most have fewer than 100 voters.",
            {
                "least_expected": Threshold(20, "votes that should have come, or nothing is said"),
                "chance": Threshold(1e-6, _CHANCE),
                "scatter": Threshold(0.3, _SCATTER),
            },
        ),
        Rule(
            "outside_voting", ballots.outside_voting, False, "warning",
            "Bulletins or votes before the opening, or after the close.",
            "Voting is open all night, so a vote at night is none. Bulletins stop at 20:00 local time on the last day;"
            " votes are taken until 20:15.",
            {"least_ballots": Threshold(1, "bulletins and votes of an hour")},
        ),
        Rule(
            "rejected_share", ballots.rejected_share, False, "critical from half of the votes, else a warning",
            "Too many votes of an hour failed.",
            "Single votes fail (a bad proof, a voting that has ended); many at once are a fault of the system.",
            _share(1, 10, 5),
        ),
        Rule(
            "unknown_outcomes", ballots.unknown_outcomes, False, "critical from half of the votes, else a warning",
            "Too many votes of an hour have neither a failure nor a recorded vote.",
            "Such votes are not counted as cast: were they many, turnout would look too low.",
            _share(0.1, 5, 1),
        ),
        Rule(
            "revotes", ballots.revotes, False, "critical from half of the votes, else a warning",
            "Too many votes of an hour came from voter keys that had voted.",
            "A voter's one-off key votes once; the first vote counts.",
            _share(0.5, 10, 3),
        ),
        Rule(
            "voter_issued_twice", ballots.voter_issued_twice, False, "warning",
            "A bulletin was issued to a voter (by the id in the call) who already had one in this constituency.",
            "One voter, one bulletin: a second one is a second vote in waiting.",
            {"least_voters": Threshold(1, "voters of an hour")},
        ),
        Rule(
            "rollback_cluster", ballots.rollback_cluster, False, "critical from half of them, else a warning",
            "Too many transactions of an hour were withdrawn.",
            "Single rollbacks happen; a cluster of them takes back a piece of the vote.",
            _share(0.1, 10, 5),
        ),
        Rule(
            "register_change", ballots.register_change, False, "warning",
            "Voters were added to or removed from the register while voting was on, and not few.",
            "The register changes during the vote, a little; it is the denominator of every rate.",
            {
                "least_voters": Threshold(50, "added or removed in an hour"),
                "least_share": Threshold(5, "percent of the register"),
            },
        ),
        Rule(
            "synchronised_spike", series.synchronised_spike, False, "warning",
            "Many constituencies rose in the same hour far above what each of them had before.",
            "Where all rise together, no one stands out of its region. Judged from a constituency's second day on.",
            {
                "ratio": Threshold(2, "times the expected count"),
                "least_votes": Threshold(10, "expected and observed votes together, or a constituency is not judged"),
                "least_constituencies": Threshold(10, "constituencies that rose"),
                "least_share": Threshold(20, "percent of those that can be judged"),
                "chance": Threshold(1e-3, _CHANCE),
                "scatter": Threshold(0.3, _SCATTER),
            },
        ),
        Rule(
            "input_missing", series.input_missing, True, "warning; one critical finding where most of them lack it",
            "Hours of voting that no file covers, of constituencies whose files say which hour they are.",
            "One day's dump covered 4 of 7 shards and looked like low turnout.",
            {
                "least_hours": Threshold(2, "hours in a row; the newest may be on its way"),
                "least_constituencies": Threshold(10, "so many or more, if they are that share, are one finding"),
                "least_share": Threshold(50, "percent of the election's constituencies"),
            },
        ),
        Rule(
            "figures_fall", ballots.figures_fall, True, "warning",
            "A constituency has fewer transactions than it once had, those included that rollbacks withdrew.",
            "Counted from the beginning, figures only grow. A rollback takes votes back by right (withdrawn ones are"
            " counted); else they fall only when a file is replaced by one that holds less.",
            {"least_fall": Threshold(1, "transactions")},
        ),
        Rule(
            "conflicting_ids", ballots.conflicting_ids, False, "warning",
            "Rows of one transaction id say different things: in two contracts, at two times, or with two contents.",
            "An id is unique on the chain, so one of the files is wrong: in another contract's folder, or made twice."
            " The earliest row counts (then by contract, kind, call, quantity, sender, failure), the others are lost;"
            " `metrics.conflicting_transactions` lists them with their files.",
            {"least_ids": Threshold(1, "ids of an hour")},
        ),
        Rule(
            "register_below_zero", ballots.register_below_zero, True, "warning",
            "By its calls alone, a register holds fewer than no voters.",
            "The register adds up calls that add and remove voters; where some are missing, it is not known, and no"
            " rate is shown.",
            {"least_voters": Threshold(1, "voters below zero")},
        ),
    )
}  # fmt: skip


def find_anomalies(
    evidence: Evidence, overrides: Mapping[str, Mapping[str, float]], unjudged: Collection[str] = ()
) -> pd.DataFrame:
    """Everything that the rules find, as `findings.COLUMNS` and rule, lasts.

    Args:
        evidence: the figures of one election.
        overrides: thresholds of this election that differ from the defaults, by rule and name.
        unjudged: rules to leave out.
    """
    found = [no_findings().assign(rule=None, lasts=None)]
    for rule in (rule for rule in RULES.values() if rule.name not in unjudged):
        thresholds = {name: threshold.default for name, threshold in rule.thresholds.items()}
        frame = rule.find(evidence, {**thresholds, **overrides.get(rule.name, {})})
        found.append(frame.assign(rule=rule.name, lasts=rule.lasts))
    every = pd.concat([frame for frame in found if len(frame)] or found[:1], ignore_index=True)
    known = evidence.constituencies.set_index("constituency_id")["region"]
    region = every["region"].fillna(every["constituency_id"].map(known)).astype(object)
    return every.assign(region=region.where(region.notna(), None))
