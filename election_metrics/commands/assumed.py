"""What `ingest` says of places that the folders' names do not say exactly."""

import pandas as pd
from rich.console import Console

from election_metrics.commands.markup import shown
from election_metrics.metrics.anomalies.findings import counted
from election_metrics.metrics.registry import UNKNOWN_ELECTION, election_id
from election_metrics.settings import Settings
from election_metrics.sources.names import find_region


def print_assumed(console: Console, chosen: Settings) -> None:
    """Says which regions are not known, which numbers contradict a region's name, and where no election is named."""
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.registry import read_constituencies, read_paths_of

    with transaction(chosen) as connection:
        places = read_constituencies(connection)
        assumed = places["is_zone_assumed"].astype(bool)
        nameless = places["election_id"] == election_id(UNKNOWN_ELECTION)
        contradicts = _contradicts(places)
        told = list(places.loc[assumed | nameless | contradicts, "constituency_id"])
        paths = read_paths_of(connection, told) if told else {}

    def example(group: pd.DataFrame) -> str:
        path = next((paths[name] for name in group["constituency_id"] if name in paths), None)
        return "" if path is None else f", such as {shown(path)}"

    for region, group in places[assumed].groupby(places["region"].fillna("")):
        what = f"The region {shown(region)} is not a known one" if region else "No region is named"
        console.print(
            f"{what}: {_constituencies(len(group))} counted in {group['time_zone'].iloc[0]}, the default time zone"
            f"{example(group)}. "
            + ("Correct the folder's name." if region else "Ingest from the folder above the regions, or set ")
            + ("" if region else "ELECTION_METRICS_TIME_ZONE.")
        )
    for (region, code), group in places[contradicts].groupby(["region", "region_code"]):
        right = find_region(str(region))
        console.print(
            f"The number {shown(str(code))} is not that of {shown(str(region))}, which is "
            f"{'' if right is None else right.code}: the name counts{example(group)}."
        )
    if nameless.any():
        console.print(
            f"No election is named: {_constituencies(int(nameless.sum()))} counted as {UNKNOWN_ELECTION!r}"
            f"{example(places[nameless])}. Name it in a folder above the constituency, or in the reference data."
        )


def _contradicts(places: pd.DataFrame) -> pd.Series:
    """Whether the number of a known region is another region's, or none."""
    known = {name: region.code for name in places["region"].dropna().unique() if (region := find_region(name))}
    right = places["region"].map(known).fillna("")
    return (right != "") & places["region_code"].notna() & (places["region_code"].astype(str).str.zfill(2) != right)


def _constituencies(number: int) -> str:
    return counted(number, "constituency is", "constituencies are")
