"""The registry of rules: the name, meaning and thresholds of each."""

from collections.abc import Collection, Mapping

import pandas as pd

from election_metrics.metrics.anomalies import (
    ballots,
    inputs,
    minutes,
    places,
    precincts,
    second_count,
    series,
    synchronised,
    verdicts,
)
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.findings import no_findings
from election_metrics.metrics.anomalies.levels import (
    FEWEST_AT_OPENING,
    MOST_AT_OPENING,
    SCATTER_OF_PART,
    SCATTER_OF_WHOLE,
)
from election_metrics.metrics.anomalies.rule import CHANCE, SCATTER, Rule, Threshold

_USUAL = "usual share, in percent"


def _share(usual: float, least_count: float, least_share: float) -> dict[str, Threshold]:
    return {
        "least_count": Threshold(least_count, "an hour with fewer is not judged"),
        "least_share": Threshold(least_share, "percent of the hour's total; a smaller share is not marked"),
        "usual_share": Threshold(usual, _USUAL),
        "chance": Threshold(1e-6, CHANCE),
        "critical_share": Threshold(50, "percent from which it is critical"),
    }


_AT_ONCE = {
    "ratio": Threshold(1.5, "times the expected count"),
    "least_votes": Threshold(10, "expected plus observed votes; a constituency with fewer is not judged"),
    "least_constituencies": Threshold(5, "constituencies more than chance explains"),
    "least_share": Threshold(15, "percent of the constituencies that can be judged, beyond those of chance"),
    "chance": Threshold(1e-4, "so many are marked only if their probability is below this"),
    "scatter": Threshold(SCATTER_OF_PART, SCATTER),
}


RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "votes_exceed_bulletins", ballots.votes_exceed_bulletins, True,
            "critical; a warning while hours of the constituency are missing",
            "A constituency has more votes than bulletins, counted from its first hour.",
            "A vote needs a bulletin. In single hours votes often exceed bulletins (nationwide in 43 of 70 hours of"
            " 2026), because a vote may follow a bulletin of the hour before. Only the running totals are conclusive.",
            {"least_excess": Threshold(1, "votes more than bulletins")},
        ),
        Rule(
            "gap_outside_band", ballots.gap_outside_band, True, "critical from a gap of 50 %, else a warning",
            "The share of an hour's bulletins without a vote is larger than usual for the time since the opening.",
            "The normal gap is 5.8 % of bulletins in the opening hour, 1.6 % at noon and 0.93 % at the end. On 18"
            " September 2026, from 00:00 to 03:05 Moscow time, only 365 votes followed 5,484 bulletins.",
            {
                "first_hour_gap": Threshold(25, "percent, in the opening hour"),
                "gap": Threshold(15, "percent, in later hours"),
                "least_bulletins": Threshold(20, "an hour with fewer bulletins is not judged"),
                "chance": Threshold(1e-3, CHANCE),
                "scatter": Threshold(0.05, SCATTER),
                "critical_gap": Threshold(50, "percent from which it is critical"),
            },
        ),
        Rule(
            "turnout_above_register", ballots.turnout_above_register, True, "critical; a warning for a tiny register",
            "A constituency has more votes than registered voters.",
            "In 2024 turnouts above 100 % were published for five regions, because 211,000 voters were not loaded. A"
            " rate is never clamped; it is flagged.",
            {
                "least_excess": Threshold(1, "votes more than registered voters"),
                "least_register": Threshold(20, "registered voters; with fewer it is a warning: hospitals and ships"),
            },
        ),
        Rule(
            "spike", series.spike, False, "warning",
            "An hour has far more votes than expected, in a constituency, a region or the whole election.",
            "A constituency is compared with itself around that hour of the day before, with its previous hour, and"
            " with the constituencies of its region with the same opening: every one has an opening wave of 30 times"
            " its median. A region and the whole election are compared with what their earlier hours and the shape of"
            " other votes let expect, from the third hour on; a rise of yesterday does not explain that of today. At"
            " the opening they are compared with their number of voters.",
            {
                "ratio": Threshold(3, "times the expected count, in a constituency or region"),
                "whole_ratio": Threshold(1.8, "times the expected count, in the whole election"),
                "night_ratio": Threshold(2, "times the expected count, at least, from 20:00 to 09:00 local time"),
                "opening_share": Threshold(
                    100 * MOST_AT_OPENING,
                    f"percent of the voters in an hour at the opening, of {FEWEST_AT_OPENING:,} or more",
                ),
                "least_excess": Threshold(30, "votes more than expected"),
                "chance": Threshold(1e-6, CHANCE),
                "scatter": Threshold(SCATTER_OF_PART, SCATTER),
                "whole_scatter": Threshold(SCATTER_OF_WHOLE, f"{SCATTER}, in the whole election"),
            },
        ),
        Rule(
            "drop", series.drop, False, "warning; critical in the whole election from `critical_ratio`",
            "An hour has far fewer votes than expected, but some, in a constituency, a region or the whole election.",
            "Nights and the hours before the close are low everywhere, and what is expected is low too. Where the whole"
            " election or region fell, its constituencies are not listed one by one.",
            {
                "ratio": Threshold(3, "times less than the expected count, in a constituency or region"),
                "whole_ratio": Threshold(2, "times less than the expected count, in the whole election"),
                "night_ratio": Threshold(2, "times less, at least, from 20:00 to 09:00 local time"),
                "critical_ratio": Threshold(3, "times less, from which a drop of the whole election is critical"),
                "least_expected": Threshold(30, "expected votes; an hour with fewer is not judged"),
                "chance": Threshold(1e-6, CHANCE),
                "scatter": Threshold(SCATTER_OF_PART, SCATTER),
                "whole_scatter": Threshold(SCATTER_OF_WHOLE, f"{SCATTER}, in the whole election"),
            },
        ),
        Rule(
            "silence", series.silence, True, "warning; critical for a region and the whole election",
            "A constituency, a region or the whole election has no vote for too long to be chance, given the expected"
            " count.",
            "Small constituencies are silent for 10 to 30 hours at a stretch, and most have fewer than 100 voters;"
            " their region is not. An hour is judged where half of the voters' constituencies delivered it. Nights"
            " count only once ballots show that voting goes on at night. From the stated opening to the first ballot,"
            " the hours from 08:00 to 20:00 count.",
            {
                "least_expected": Threshold(20, "expected votes; a silence with fewer is not judged"),
                "opening_share": Threshold(0.3, "percent of the voters expected in each hour from the opening on"),
                "chance": Threshold(1e-6, CHANCE),
                "scatter": Threshold(SCATTER_OF_PART, SCATTER),
            },
        ),
        Rule(
            "outside_voting", ballots.outside_voting, False, "warning",
            "Bulletins were issued or votes were cast before the opening or after the close.",
            "Voting is open all night, so a vote at night is normal. On the last day bulletins are issued until 20:00"
            " local time, and votes are accepted until 20:15.",
            {"least_ballots": Threshold(1, "bulletins and votes of an hour")},
        ),
        Rule(
            "rejected_share", ballots.rejected_share, False, "critical from half of the votes, else a warning",
            "An unusual share of an hour's votes was rejected.",
            "Single votes are rejected for a bad proof or after the close; many at once indicate a fault of the"
            " system.",
            _share(1, 10, 5),
        ),
        Rule(
            "unknown_outcomes", ballots.unknown_outcomes, False, "critical from half of the votes, else a warning",
            "An unusual share of an hour's votes has an unknown outcome: neither a failure nor a recorded vote.",
            "Such votes are not counted as cast, so many of them make turnout look too low.",
            _share(0.1, 5, 1),
        ),
        Rule(
            "revotes", ballots.revotes, False, "critical from half of the votes, else a warning",
            "An unusual share of an hour's votes came from voter keys that had already voted.",
            "A voter's one-off key is meant for one vote; the first one counts.",
            _share(0.5, 10, 3),
        ),
        Rule(
            "voter_issued_twice", ballots.voter_issued_twice, False, "warning",
            "A bulletin was issued to a voter (known by the id in the call) who already had one in this constituency.",
            "A voter may have one bulletin; a second one makes a second vote possible.",
            {"least_voters": Threshold(1, "voters of an hour")},
        ),
        Rule(
            "rollback_cluster", ballots.rollback_cluster, False, "critical from half of them, else a warning",
            "An unusual share of an hour's transactions was withdrawn.",
            "Single rollbacks are normal; a cluster of them withdraws a part of the vote.",
            _share(0.1, 10, 5),
        ),
        Rule(
            "register_change", ballots.register_change, False, "warning",
            "Many voters were added to or removed from the register while voting was open.",
            "The register changes only slightly during the vote, and it is the denominator of the turnout.",
            {
                "least_voters": Threshold(50, "added or removed in an hour"),
                "least_share": Threshold(5, "percent of the register"),
            },
        ),
        Rule(
            "synchronised_spike", synchronised.synchronised_spike, False, "warning",
            "Many constituencies rose far above what their own hours let expect, in the same hour.",
            "If a whole region rises, none of its constituencies differs from the others. What all of them have in"
            " common in that hour is taken out first.",
            _AT_ONCE,
        ),
        Rule(
            "synchronised_drop", synchronised.synchronised_drop, False, "warning",
            "Many constituencies fell far below what their own hours let expect, in the same hour.",
            "An outage of a part of the system hits constituencies of all sizes and regions at once.",
            _AT_ONCE | {"ratio": Threshold(2, "times less than the expected count")},
        ),
        Rule(
            "burst", minutes.burst, False, "warning",
            "Within minutes there are far more votes than before and after, in the whole election, a region, or many"
            " constituencies at once.",
            "A wave of voters builds up and ebbs away; votes that are put in come at once. Minutes are compared with"
            " those 25 to 60 minutes before and after, whichever are more, so that an opening or a message to all"
            " voters is none. Null model: negative binomial around them (Farrington et al. 1996).",
            {
                "ratio": Threshold(2, "times the votes of the minutes around them"),
                "one_sided_ratio": Threshold(2.5, "times, just after the opening and before the close"),
                "least_excess": Threshold(30, "votes more than expected, in 5 minutes"),
                "least_expected": Threshold(0.5, "expected votes in 5 minutes; of many constituencies, others are"
                " not judged"),
                "least_constituencies": Threshold(5, "constituencies more than chance explains"),
                "least_share": Threshold(3, "percent of the constituencies that can be judged, beyond those of chance"),
                "chance": Threshold(1e-6, CHANCE),
                "scatter": Threshold(SCATTER_OF_PART, SCATTER),
                "whole_scatter": Threshold(SCATTER_OF_WHOLE, f"{SCATTER}, in the whole election"),
            },
        ),
        Rule(
            "regular_votes", minutes.regular_votes, False, "warning",
            "The votes of an hour in a constituency follow each other as evenly as those of a machine.",
            "Voters decide by themselves, so gaps between votes vary as much as their mean. Null model: uniform"
            " spacings; the sum of their squares has a known distribution (Greenwood 1946, Moran 1947).",
            {
                "least_gaps": Threshold(50, "gaps; an hour with fewer is not judged"),
                "most_variation": Threshold(0.5, "standard deviation of the gaps, in means; independent voters have 1"),
                "chance": Threshold(1e-6, "it is marked only if its probability is below this"),
            },
        ),
        Rule(
            "equal_gaps", minutes.equal_gaps, False, "warning",
            "Many votes in a row follow each other after the same number of seconds.",
            "A script that votes every so many seconds gives itself away. Null model: exponential gaps; a run of equal"
            " ones is as rare as a run of heads (Erdős and Rényi 1970, Schilling 1990).",
            {
                "least_gaps": Threshold(6, "equal gaps in a row"),
                "chance": Threshold(1e-6, "a run is marked only if its probability is below this"),
            },
        ),
        Rule(
            "votes_without_bulletins", minutes.votes_without_bulletins, False, "warning",
            "Many votes come within 10 minutes, while hardly any bulletin was issued in the half hour before.",
            "A voter gets a bulletin and votes within minutes. Null model: both kinds of calls in random order, so that"
            " a call is a vote with probability 1/2 (Wald and Wolfowitz 1940). In 2026, the votes of 10 minutes were"
            " never twice the bulletins of the half hour before.",
            {
                "least_votes": Threshold(20, "votes of 10 minutes; fewer are not judged"),
                "ratio": Threshold(3, "times the bulletins of the half hour before"),
                "chance": Threshold(1e-6, CHANCE),
            },
        ),
        Rule(
            "registrar_block", minutes.registrar_block, False, "info",
            "One of several registrars of a constituency issued many bulletins in a row.",
            "Registrars take turns as voters come. A block of one may be a replacement, or bulletins that nobody asked"
            " for. Null model: registrars in random order; a run is as rare as a run of heads (Schilling 1990).",
            {
                "least_bulletins": Threshold(20, "bulletins in a row"),
                "least_others": Threshold(10, "bulletins of other registrars in the hour"),
                "chance": Threshold(1e-6, "a run is marked only if its probability is below this"),
            },
        ),
        Rule(
            "registration_block", minutes.registration_block, False, "info",
            "Many voters were added to a register within 5 minutes, an hour after the opening or later.",
            "The register itself is loaded before that. Then voters apply one by one. A block may be a list that was"
            " loaded late. Null model: additions spread evenly"
            " over the time of voting; a cluster on a line (Naus 1965).",
            {
                "least_voters": Threshold(20, "voters added within 5 minutes"),
                "scatter": Threshold(SCATTER_OF_PART, SCATTER),
                "chance": Threshold(1e-6, CHANCE),
            },
        ),
        *precincts.RULES,
        Rule(
            "input_missing", inputs.input_missing, True, "warning; one critical finding if most of them lack input",
            "No file covers some hours of voting, in a constituency whose file names state their interval.",
            "The dump of one day covered 4 of 7 shards and looked like low turnout.",
            {
                "least_hours": Threshold(2, "consecutive hours; the newest one may not have arrived yet"),
                "least_constituencies": Threshold(10, "so many become one finding, if `least_share` is reached"),
                "least_share": Threshold(50, "percent of the election's constituencies"),
            },
        ),
        Rule(
            "unreadable_input", inputs.unreadable_input, True,
            "critical from half of the lines, else a warning",
            "Lines or files of a constituency, or parts of what several share, arrived and cannot be read.",
            "What cannot be read is counted nowhere, so it looks like low turnout. A file of whose lines most cannot be"
            " read does not count as delivered.",
            {
                "least_lines": Threshold(10, "lines of a constituency; fewer are told of from `least_share` on"),
                "least_share": Threshold(1, "percent of the lines, of a constituency and of the whole election"),
                "critical_share": Threshold(50, "percent of the lines, from which it is critical"),
            },
        ),
        Rule(
            "differs_from_portal", second_count.differs_from_portal, True,
            "critical where much differs, in the whole election also where most input is missing; else a warning",
            "The portal published other numbers of bulletins or votes than those counted here.",
            "The portal's own counter is the second, independent count. A difference first means missing input.",
            {
                "least_ballots": Threshold(1, "bulletins or votes of an hour, more or fewer"),
                "least_constituencies": Threshold(10, "so many become one finding on the whole election"),
                "critical_share": Threshold(10, "percent of the published ballots; fewer than 20 are never critical"),
            },
        ),
        Rule(
            "tally_differs", ballots.tally_differs, True, "critical",
            "The published tally of a constituency does not fit its accepted votes, or cannot be read.",
            "The sum of a tally over its options is the number of accepted votes; where a ballot may mark several"
            " options, it lies between the fewest and the most of them times the votes. Missing input makes it differ.",
            {"least_difference": Threshold(1, "votes outside what fits")},
        ),
        Rule(
            "votes_found_invalid", verdicts.votes_found_invalid, True,
            "critical from 1 % of the constituency's votes, else a warning",
            "A verifier found votes invalid that count here.",
            "Who checks the ballots' proofs again may find invalid ones among those that the chain accepted. They stay"
            " counted, because the figures tell what was recorded; the finding says how many, and why.",
            {
                "least_votes": Threshold(1, "votes found invalid"),
                "critical_share": Threshold(1, "percent of the constituency's votes, from which it is critical"),
            },
        ),
        Rule(
            "figures_fall", ballots.figures_fall, True, "warning",
            "A constituency has fewer transactions than before, including those that rollbacks withdrew.",
            "The total number of transactions only grows. Rollbacks do not lower it, because withdrawn transactions"
            " are included. It falls if a file is replaced by one that holds fewer, or if ids count in another"
            " constituency.",
            {"least_fall": Threshold(1, "transactions")},
        ),
        Rule(
            "conflicting_ids", ballots.conflicting_ids, False, "warning",
            "Rows with the same transaction id differ in contract, time or content.",
            "An id is unique on the chain, so one of the files is wrong: it is in another contract's folder, or was"
            " made twice. The earliest row counts (ties are resolved by contract, kind, call, quantity, sender,"
            " failure). `metrics.conflicting_transactions` lists the rows with their files.",
            {"least_ids": Threshold(1, "ids of an hour")},
        ),
        Rule(
            "register_below_zero", ballots.register_below_zero, True, "warning",
            "More voters were removed from a register than were added.",
            "The register is the sum of the calls that add and remove voters. If calls are missing, it is not known,"
            " and no turnout is shown.",
            {"least_voters": Threshold(1, "voters below zero")},
        ),
        Rule(
            "time_zone_assumed", places.time_zone_assumed, True,
            "warning where the region's name is not known, info where no region is named",
            "Constituencies are counted in the default time zone, because their region is not named, or not known.",
            "Voting times are local, and Russia has eleven time zones. A folder that was renamed shifts the local hours"
            " of its constituencies.",
            {},
        ),
        Rule(
            "places_disagree", places.places_disagree, True, "warning",
            "The files of a constituency lie in the folders of several regions or elections.",
            "A contract belongs to one constituency of one election, so some of its files are in a wrong folder. All"
            " of its rows count in one place: that of the first path, in alphabetical order, that names an election.",
            {},
        ),
    )
}  # fmt: skip


INSIDE = ("burst", "regular_votes", "equal_gaps", "votes_without_bulletins", "registrar_block")
"""Rules that need hours counted by intervals (setting INTERVALS)."""
OF_VOTES_BY_HOUR = ("spike", "drop", "silence")
"""Rules whose findings are about the votes in their hours."""


def find_anomalies(
    evidence: Evidence, overrides: Mapping[str, Mapping[str, float]], unjudged: Collection[str] = ()
) -> pd.DataFrame:
    """Evaluates the rules; returns `findings.COLUMNS` with rule and lasts.

    Args:
        evidence: the figures of one election.
        overrides: thresholds of this election that differ from the defaults, by rule and threshold name.
        unjudged: rules that are not evaluated.
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
