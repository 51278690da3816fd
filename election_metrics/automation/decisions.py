"""What the sensors and the schedule decide, as pure functions of what they see."""

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
    """Ask for a run of the hours first..last (UTC, inclusive)."""

    first: datetime
    last: datetime
    reason: str


@dataclass(frozen=True)
class ElectionsPlan:
    """Ask for a run of what follows from hours, and of no hour."""

    reason: str


@dataclass(frozen=True)
class RegistryPlan:
    """Ask for a run of the registry and of what follows from hours; hours that it re-opens are asked for next."""

    reason: str


@dataclass(frozen=True)
class Skip:
    """Ask for nothing, and say why."""

    reason: str


@dataclass(frozen=True)
class Attempt:
    """A finished run that tried the same work and failed."""

    run_id: str
    ended_at: datetime


def fingerprint(items: Iterable[object]) -> str:
    """A short name of a state: equal states have equal names."""
    return hashlib.sha256("\n".join(sorted(map(str, items))).encode()).hexdigest()[:16]


def wait_after_failures(failed: Sequence[Attempt], now: datetime) -> Skip | None:
    """Waits longer after each failure at the same work: 5 s, 10 s, 20 s … 10 minutes; never gives up."""
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
    """Asks for a run that lands what is new in a source and computes the hours it seems to touch.

    Args:
        news: what is new; empty where nothing is.
        nothing: what to say then.
        hours: the hours that it seems to touch; what the guess misses is asked for by `changed_hours_sensor`.
        now: the clock.
        most_hours: a run covers no more hours.
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
    """Asks for the newest changed hours, as few contiguous ranges."""
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
    """Asks first for the registry, if people changed reference data: hours are counted by it; then for hours; then
    for elections.
    """  # noqa: D205
    if registry_is_behind:
        return [RegistryPlan("people changed reference data")]
    return [*ask_for_hours(changed, most_hours)] or [ask_for_elections(behind)]


def ask_for_elections(behind: Sequence[str]) -> ElectionsPlan | Skip:
    """Asks for the tables of elections whose hours somebody computed alone, as a backfill in the UI does."""
    if not behind:
        return Skip("every hour is computed from all that landed, and every election from its hours")
    return ElectionsPlan(f"{len(behind)} election(s) behind their hours, such as {behind[0]}")


def ask_for_quiet_hours(first: datetime | None, now: datetime, known: Set[datetime], most_hours: int) -> list[RunPlan]:
    """Asks for hours that are over and that nobody computed, because nothing landed in them: they are known as empty.

    Args:
        first: the first hour that there is a partition of and transactions since; None: there are none.
        now: the clock.
        known: hours that were computed, or are asked for elsewhere.
        most_hours: a run covers no more hours.
    """
    if first is None:
        return []
    present = hour_of(now)
    over = (first + timedelta(hours=number) for number in range(int((present - first) / timedelta(hours=1))))
    asks = ask_for_hours([hour for hour in over if hour not in known], most_hours)
    return [RunPlan(ask.first, ask.last, f"nothing landed in {in_words(ask.first, ask.last)}") for ask in asks]


def ask_for_reconciliation(closed: Sequence[str], behind: int) -> ElectionsPlan | Skip:
    """Asks for the final count of elections whose voting is over, once nothing is behind any more."""
    if not closed:
        return Skip("every election whose voting is over was reconciled since its figures changed last")
    if behind:
        return Skip(f"{behind} hour(s) are behind; the final count of {closed[0]} waits for them")
    return ElectionsPlan(f"voting is over: {', '.join(closed[:3])}")


def ask_for_active(elections: Sequence[tuple[str, datetime | None, datetime | None]], now: datetime) -> RunPlan | Skip:
    """Asks for the hour in progress and the one before, while an election is within its voting times.

    Args:
        elections: (name, starts_at, ends_at) of each; None where not known.
        now: the clock. Votes are taken 15 minutes after the end, so that long it counts as voting.
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
