"""Decisions of the sensors and schedules, as pure functions of the state they read."""

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from election_metrics.clock import GRACE, hour_of
from election_metrics.pipeline.run_tags import in_words

_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=10)


@dataclass(frozen=True)
class RunPlan:
    """Request a run of the hours first..last (UTC, inclusive)."""

    first: datetime
    last: datetime
    reason: str


@dataclass(frozen=True)
class ElectionsPlan:
    """Request a run of the assets downstream of hours, without any hour."""

    reason: str


@dataclass(frozen=True)
class RegistryPlan:
    """Request a run of the registry and the assets downstream of hours; hours it marks stale are requested next."""

    reason: str


@dataclass(frozen=True)
class Skip:
    """Request nothing, for this reason."""

    reason: str


@dataclass(frozen=True)
class Attempt:
    """A finished run that tried the same work and failed."""

    run_id: str
    ended_at: datetime


def fingerprint(items: Iterable[object]) -> str:
    """A short hash of a state: equal states have equal fingerprints."""
    return hashlib.sha256("\n".join(sorted(map(str, items))).encode()).hexdigest()[:16]


def wait_after_failures(failed: Sequence[Attempt], now: datetime) -> Skip | None:
    """Exponential backoff after failures of the same work: 5 s, 10 s, 20 s … 10 minutes; it never gives up."""
    if not failed:
        return None
    last = max(failed, key=lambda attempt: attempt.ended_at)
    wait = min(_FIRST_WAIT * 2 ** min(len(failed) - 1, 20), _LONGEST_WAIT)
    if now >= last.ended_at + wait:
        return None
    next_try = last.ended_at + wait
    return Skip(
        f"run {last.run_id[:8]} failed at this work (failures: {len(failed)}); next try {next_try:%H:%M:%S} UTC"
    )


def ask_for_new(news: str, nothing: str, hours: Sequence[datetime], now: datetime, most_hours: int) -> RunPlan | Skip:
    """Requests a run that lands new input of a source and computes the hours it probably touches.

    Args:
        news: what is new; empty if nothing is.
        nothing: the skip reason in that case.
        hours: the hours it probably touches; hours missed here are requested by `changed_hours_sensor`.
        now: current time.
        most_hours: the most hours of a run.
    """
    if not news:
        return Skip(nothing)
    if not hours:
        hour = hour_of(now)
        return RunPlan(hour, hour, news)
    last = max(hours)
    first = max(min(hours), last - timedelta(hours=most_hours - 1))
    return RunPlan(first, last, f"{news}, {in_words(first, last)}")


def ask_for_hours(changed: Sequence[datetime], most_hours: int, most_ranges: int = 4) -> list[RunPlan]:
    """Requests the newest changed hours, in as few contiguous ranges as possible."""
    if not changed:
        return []
    ranges: list[list[datetime]] = []
    for hour in sorted(set(changed), reverse=True):
        if ranges and ranges[-1][-1] - hour == timedelta(hours=1) and len(ranges[-1]) < most_hours:
            ranges[-1].append(hour)
        else:
            ranges.append([hour])
    return [
        RunPlan(group[-1], group[0], f"{len(group)} changed hour(s), {in_words(group[-1], group[0])}")
        for group in ranges[:most_ranges]
    ]


def ask_for_what_changed(
    changed: Sequence[datetime], behind: Sequence[str], registry_is_behind: bool, most_hours: int
) -> "list[RunPlan | RegistryPlan | ElectionsPlan | Skip]":
    """Requests the registry first, if reference data changed (hours are counted by it); then hours; then elections."""
    if registry_is_behind:
        return [RegistryPlan("reference data changed, or the folders that name elections and regions")]
    return [*ask_for_hours(changed, most_hours)] or [ask_for_elections(behind)]


def ask_for_elections(behind: Sequence[str]) -> ElectionsPlan | Skip:
    """Requests the tables of elections whose hours were computed alone, as a backfill of one asset in the UI does."""
    if not behind:
        return Skip("every hour is computed from all that landed, and every election from its hours")
    return ElectionsPlan(f"{len(behind)} election(s) behind their hours, such as {behind[0]}")


def ask_for_quiet_hours(first: datetime | None, now: datetime, known: Set[datetime], most_hours: int) -> list[RunPlan]:
    """Requests past hours that were never computed because nothing landed in them, so that they are recorded as empty.

    Args:
        first: the first hour with a partition and with transactions; None if there are no transactions.
        now: current time.
        known: hours that were computed, or are requested elsewhere.
        most_hours: the most hours of a run.
    """
    if first is None:
        return []
    present = hour_of(now)
    over = (first + timedelta(hours=number) for number in range(int((present - first) / timedelta(hours=1))))
    asks = ask_for_hours([hour for hour in over if hour not in known], most_hours)
    return [RunPlan(ask.first, ask.last, f"nothing landed in {in_words(ask.first, ask.last)}") for ask in asks]


def ask_for_reconciliation(closed: Sequence[str], behind: int) -> ElectionsPlan | Skip:
    """Requests the final count of elections whose voting is over, once no hour is behind."""
    if not closed:
        return Skip("every election whose voting is over was reconciled since its figures changed last")
    if behind:
        return Skip(f"{behind} hour(s) are behind; the final count of {closed[0]} waits for them")
    return ElectionsPlan(f"voting is over: {', '.join(closed[:3])}")


def ask_for_active(elections: Sequence[tuple[str, datetime | None, datetime | None]], now: datetime) -> RunPlan | Skip:
    """Requests the current hour and the one before, while an election is within its voting times.

    Args:
        elections: (name, starts_at, ends_at) of each; None if unknown.
        now: current time. Votes are accepted until 15 minutes after the end, so those minutes count as voting.
    """
    if not elections:
        return Skip("no election is known yet")
    reasons = []
    for name, starts_at, ends_at in elections:
        if starts_at is None:
            reasons.append(f"{name}: voting times are not known")
        elif now < starts_at:
            reasons.append(f"{name}: voting starts at {starts_at:%Y-%m-%d %H:%M} UTC")
        elif ends_at is not None and now > ends_at + GRACE:
            reasons.append(f"{name}: voting ended at {ends_at:%Y-%m-%d %H:%M} UTC")
        else:
            hour = hour_of(now)
            return RunPlan(hour - timedelta(hours=1), hour, f"{name} is voting")
    return Skip("; ".join(reasons[:10]))
