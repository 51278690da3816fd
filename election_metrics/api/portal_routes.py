"""Read endpoints of what others say beside what is counted here: the portal's counts, tallies, verdicts."""

import sqlalchemy as sa

from election_metrics.api.arguments import ConstituencyId, ElectionId
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import Answer
from election_metrics.api.not_found import check_constituency, check_election
from election_metrics.api.portal_models import Agreement, AgreementHour, ElectionKind, Tally, Verdicts
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import agreement_queries, tallies, verdicts

router = new_router()
_MOST = 100


@get(router, "/election/{election_id}/portal-agreement", Answer[list[Agreement]], "elections", has_history=False)
def election_portal_agreement(connection: sa.Connection, election_id: ElectionId) -> Reply:
    """Where both counts of an election agree and differ: whole, by region, and the constituencies that differ most.

    A match proves agreement, not completeness. A difference first means that input is missing here. Empty: no portal
    was asked.
    """
    check_election(connection, election_id)
    found = agreement_queries.agreement(connection, election_id, _MOST)
    return Reply(found, found)


@get(router, "/election/{election_id}/kinds", Answer[list[ElectionKind]], "elections", has_history=False)
def election_kinds(connection: sa.Connection, election_id: ElectionId) -> Reply:
    """An election by kind of ballot, as the portal lists them.

    A voter has a ballot of each kind: the register of one kind is of voters, of all kinds together it is of ballots.
    """
    check_election(connection, election_id)
    found = agreement_queries.kinds(connection, election_id)
    return Reply(found, found)


@get(router, "/constituency/{constituency_id}/tally", Answer[list[Tally]], "constituencies", has_history=False)
def constituency_tally(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """The tally that the contract published when voting was over, with the check of each question."""
    check_constituency(connection, constituency_id)
    found = tallies.tally_of(connection, constituency_id)
    return Reply(found, found)


@get(router, "/election/{election_id}/verdicts", Answer[list[Verdicts]], "elections", has_history=False)
def election_verdicts(connection: sa.Connection, election_id: ElectionId) -> Reply:
    """What verifiers found invalid of an election's ballots, and ids in their lists that are not known here."""
    check_election(connection, election_id)
    found = verdicts.verdicts_of_election(connection, election_id)
    return Reply(found, found)


@get(router, "/constituency/{constituency_id}/verdicts", Answer[list[Verdicts]], "constituencies", has_history=False)
def constituency_verdicts(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """What verifiers found invalid of a constituency's ballots."""
    check_constituency(connection, constituency_id)
    found = verdicts.verdicts_of_constituency(connection, constituency_id)
    return Reply(found, found)


@get(
    router, "/constituency/{constituency_id}/portal-agreement", Answer[list[AgreementHour]], "constituencies",
    has_history=False,
)  # fmt: skip
def constituency_portal_agreement(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """Both counts of a constituency by hour, with a status for each. Empty: the portal was not asked for it."""
    check_constituency(connection, constituency_id)
    found = agreement_queries.agreement_hours(connection, constituency_id)
    return Reply(found, found)
