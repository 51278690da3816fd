"""Prints the second count: what the portal published beside what is counted here."""

from typing import Any

import pandas as pd
from rich.console import Console

from election_metrics.commands.markup import shown
from election_metrics.pipeline.portal import NONE_SET
from election_metrics.sanitize import one_line, visible
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.portal import read_agreement, read_contracts, read_state

_SHOWN = 20
_WORDS = {
    "agrees": "agrees", "differs": "differs", "not_collected": "not collected since", "taken_back": "taken back",
    "not_published": "not published yet", "not_settled": "not settled yet", "not_an_hour": "other spans than hours",
    "no_such_contract": "the portal has no such contract", "unknown_time_zone": "time zone not known",
}  # fmt: skip


def print_agreement(console: Console, chosen: Settings) -> None:
    """Prints the second count by election, and the constituencies that differ."""
    with transaction(chosen) as connection:
        found = read_agreement(connection, ["election", "constituency"])
        listed = len(read_contracts(connection))
    elections = found[found["level"] == "election"]
    if elections.empty:
        console.print(f"There is no second count yet. {_how_to_begin(chosen, listed)}")
        return
    for row in elections.itertuples():
        console.print(f"[bold]{shown(row.election)}[/bold]: {_WORDS[row.status]}")
        console.print(
            f"  {row.hours_agreeing} constituency hour(s) agree, {row.hours_differing} differ, "
            f"{row.hours_not_compared} cannot be compared, or not yet"
        )
        console.print(
            f"  votes     {row.counted_votes} here, {row.published_votes} there; bulletins {row.counted_bulletins} and "
            f"{row.published_bulletins}"
        )
        if row.constituencies_not_there:
            console.print(f"  the portal does not have {row.constituencies_not_there} of the constituencies")
        if not pd.isna(row.compared_until):
            console.print(f"  compared until {row.compared_until:%Y-%m-%d %H:%M} UTC")
        own = found[(found["level"] == "constituency") & (found["election_id"] == row.election_id)]
        for place in own[own["status"] == "differs"].head(_SHOWN).itertuples():
            name = "" if pd.isna(place.constituency) else f"{one_line(str(place.constituency))}, "
            console.print(
                f"  differs: {name}{visible(str(place.constituency_id))}, {place.hours_differing} hour(s) from "
                f"{place.differs_from:%Y-%m-%d %H:%M} UTC: {place.counted_votes} votes and {place.counted_bulletins} "
                f"bulletins here, {place.published_votes} and {place.published_bulletins} there"
                + (" (but its totals differ)" if _is_equal(place) else ""),
                markup=False,
            )
        if (hidden := int(row.constituencies_differing) - _SHOWN) > 0:
            console.print(f"  and {hidden} more: election-metrics export portal_agreement_summary")
    console.print("A match proves agreement, not completeness; a difference first means missing input here.")


def print_state(console: Console, chosen: Settings) -> None:
    """Prints one line on the second count for `status`; nothing if no portal was ever asked."""
    with transaction(chosen) as connection:
        state = read_state(connection)
        elections = read_agreement(connection, ["election"]) if state["contracts"] else pd.DataFrame()
    if not state["contracts"]:
        if chosen.portal_url is not None:
            console.print(f"Portal      {shown(chosen.portal_url)}, not asked yet")
        return
    differing = 0 if elections.empty else int(elections["hours_differing"].sum())
    agreeing = 0 if elections.empty else int(elections["hours_agreeing"].sum())
    console.print(
        f"Portal      asked at {state['asked_at']:%Y-%m-%d %H:%M:%S} UTC for {state['contracts']} constituencies; "
        f"{agreeing} constituency hour(s) agree, {differing} differ"
        + (f"; {state['absent']} are not there" if state["absent"] else "")
        + (": election-metrics portal show" if differing or state["absent"] else "")
    )


def _is_equal(place: Any) -> bool:
    """Whether the hours are equal, so that only the running totals differ."""
    same = place.counted_votes == place.published_votes and place.counted_bulletins == place.published_bulletins
    return bool(same)


def _how_to_begin(chosen: Settings, listed: int) -> str:
    if chosen.portal_url is None:
        return f"{NONE_SET[0].upper()}{NONE_SET[1:]}"
    if listed:
        return (
            f"The portal lists {listed} contract(s), but there is no ballot to compare: no file of theirs has landed. "
            "Type: election-metrics ingest FOLDER, then: election-metrics portal collect"
        )
    return "Type: election-metrics portal collect"
