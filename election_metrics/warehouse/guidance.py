"""What a reader of a finding is told beside it: what to look at next, what the expected value is taken from, a link."""

from urllib.parse import urlencode

import sqlalchemy as sa

from election_metrics.warehouse.tables import anomalies

LOOK_AT = {
    "votes_exceed_bulletins": "missing hours and files of this constituency; then the bulletins of the hours before",
    "gap_outside_band": "whether votes arrive later, and whether other constituencies show the same hours",
    "turnout_above_register": "the calls that change the register, and the reference data",
    "spike": "the same hours elsewhere, then the files and the single transactions of the hour",
    "drop": "whether input is missing, then the same hours in other regions",
    "silence": "whether input is missing, then whether the portal shows votes in these hours",
    "outside_voting": "the voting times and the time zone of this constituency",
    "rejected_share": "the reasons of the rejections, in the transactions of the hour",
    "unknown_outcomes": "the transactions of the hour: neither FAIL nor VOTE_",
    "revotes": "the keys that voted again",
    "voter_issued_twice": "the issue calls of these voters",
    "rollback_cluster": "which transactions were withdrawn, and in which file",
    "register_change": "the calls that changed the register, and the turnout before and after",
    "synchronised_spike": "the constituencies that rose, their regions, and the minutes of the hour",
    "synchronised_drop": "the constituencies that fell: a part of the system may have stopped",
    "burst": "the constituencies and the single transactions of these minutes",
    "regular_votes": "the times of the votes of this hour, to the second",
    "equal_gaps": "the times and the keys of these votes",
    "votes_without_bulletins": "when their bulletins were issued, and whether files of the hour before are missing",
    "registrar_block": "whether that registrar replaced another, and who received these bulletins",
    "registration_block": "the call that added them, and whether they voted soon after",
    "precinct_above_register": "whether calls on this register are missing, or voters removed after their bulletin",
    "precinct_out_of_line": "the precincts of the constituency, their hours and their registers",
    "precinct_block": "the calls of that precinct in this hour: who received the bulletins, who was removed",
    "tally_differs": "whether input of this constituency is missing, then the call that published the tally",
    "votes_found_invalid": "the ballots that are named (metrics.verdicts), and how the verifier checked them",
    "differs_from_portal": "what is missing here in the hours that differ; then rejected, repeated, withdrawn votes",
    "input_missing": "which files should have arrived, and whether the source has them",
    "unreadable_input": "the file that is named, or quarantine: it has every line and why; download the file again",
    "figures_fall": "which file was replaced by a smaller one",
    "conflicting_ids": "the list of conflicts: which of the files is wrong",
    "register_below_zero": "the calls that are missing: those that added these voters",
    "time_zone_assumed": "the name of the folder that is named",
    "places_disagree": "the paths that are named: which folder is wrong",
}
"""By rule: what to look at next."""
_ITSELF = "its own total so far"
_USUAL = "the usual share of such calls"
_AT_ONCE = "the constituency's own hours, less what all have in common"
_OWN = "its hours of the day before, its last hour, and constituencies of its region that opened at the same time"
_OPENING = "the number of voters: fewer than in the first hours of any known vote, or more"
_WIDE = "its hours before, carried on as other votes went on from there, and as regions that opened earlier did"
EXPECTED_FROM = {
    "votes_exceed_bulletins": _ITSELF,
    "turnout_above_register": _ITSELF,
    "figures_fall": _ITSELF,
    "rejected_share": _USUAL,
    "unknown_outcomes": _USUAL,
    "revotes": _USUAL,
    "rollback_cluster": _USUAL,
    "synchronised_spike": _AT_ONCE,
    "synchronised_drop": _AT_ONCE,
    "gap_outside_band": "the usual gap so many hours after the opening",
    "burst": "the half hours before and after, whichever had more votes",
    "regular_votes": "voters who decide independently",
    "votes_without_bulletins": "bulletins of the half hour before: a vote follows its bulletin within minutes",
    "precinct_above_register": "the voters on the precinct's list now",
    "precinct_out_of_line": "the other precincts of the constituency, for as many voters",
    "precinct_block": "the precinct's part of the constituency's bulletins in all other hours",
    "tally_differs": "the accepted votes of the constituency",
    "differs_from_portal": "the portal's own counter: the second, independent count",
    "equal_gaps": "the longest run of equal gaps that independent votes of this hour would have",
    "registrar_block": "the longest run that this registrar's share of the hour's bulletins would give",
    "unreadable_input": "every line of its files",
    "registration_block": "additions to this register at other times of the vote",
    "spike": _OWN,
    "drop": _OWN,
    "silence": _OWN,
}
"""By rule: what the expected value is taken from, and why it fits. Rules without one expect nothing."""
_OF_PLACES_OF_ANY_SIZE = ("spike", "drop", "silence")


def link_to(election: str, constituency: str | None = None, anomaly_id: str | None = None) -> str:
    """The page's query and fragment of an election, a constituency, or a finding on it."""
    view = {"election": election, **({"constituency": constituency} if constituency else {})}
    return f"?{urlencode(view)}" + (f"#{anomaly_id}" if anomaly_id else "")


GUIDANCE = (
    sa.case(LOOK_AT, value=anomalies.c.rule).label("look_at"),
    sa.case(
        (anomalies.c.explanation.like("% the opening of %"), sa.literal(_OPENING)),
        (anomalies.c.rule.in_(_OF_PLACES_OF_ANY_SIZE) & anomalies.c.constituency_id.is_(None), sa.literal(_WIDE)),
        *((anomalies.c.rule == rule, sa.literal(source)) for rule, source in EXPECTED_FROM.items()),
    ).label("expected_from"),
)
"""Columns of a query of findings: look_at (English), expected_from (English; null where nothing is expected)."""
