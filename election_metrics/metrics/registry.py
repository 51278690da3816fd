"""Registry of elections and constituencies, with voting times and registers: from paths, transactions and references.

The order of precedence is: reference, portal, transactions, paths; but the election and the region of a constituency
are the portal's only where no path names them, because figures must not move to other names while it answers or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize

import numpy as np
import pandas as pd
from slugify import slugify
from text_unidecode import unidecode

UNKNOWN_ELECTION = "Unknown election"
_STARTS = ("startVoting", "startIssueBallots")
_ENDS = ("finishVoting",)
REGISTER_CALLS = ("addVotersList", "addToVotersList", "removeFromVotersList")


@dataclass(frozen=True)
class Registry:
    """The registry at one moment.

    Attributes:
        elections: election_id, name, starts_at, ends_at, time_zone, status.
        constituencies: constituency_id, election_id, name, region_code, region, time_zone, is_zone_assumed,
            registered_voters, starts_at, ends_at, reference_voters.
    """

    elections: pd.DataFrame
    constituencies: pd.DataFrame


def election_id(name: str) -> str:
    """A readable id derived from the name: `vybory-deputatov-1f3a9c`."""
    from hashlib import sha256

    plain = " ".join(name.split())
    # Transliterated first, because slugify would use another library if that is installed; without quotes.
    latin = unidecode(normalize("NFKD", plain.replace("'", "-"))).replace("'", "")
    return f"{slugify(latin, max_length=40, word_boundary=True)}-{sha256(plain.encode()).hexdigest()[:6]}".lstrip("-")


def build_registry(
    places: pd.DataFrame,
    events: pd.DataFrame,
    reference: pd.DataFrame,
    elections: pd.DataFrame,
    zones: dict[str, str],
    default_zone: str,
    now: datetime,
    *,
    is_zone_chosen: bool = True,
    codes: Mapping[str, str] | None = None,
    portal: pd.DataFrame | None = None,
) -> Registry:
    """Builds elections and constituencies.

    Args:
        places: names from the paths: constituency_id, election, constituency, region_code, region.
        events: valid calls: constituency_id, occurred_at, operation, voters.
        reference: constituency_id and any of name, election, region_code, region, time_zone, registered_voters,
            starts_at, ends_at; NA: no override.
        elections: overrides of elections: election_id, name, time_zone, opens_at, closes_at; their times are local
            wall clocks, for each constituency without times in the reference.
        zones: time zone by region name.
        default_zone: time zone of any other region.
        now: the time of the status.
        is_zone_chosen: whether people chose the default time zone, for constituencies without a region.
        codes: number by region name, for paths that name a region without it.
        portal: constituency_id, name, election, region_code, region, time_zone, starts_at, ends_at; NA: not said.
    """
    said = portal if portal is not None else reference.iloc[:0]
    known = places.rename(columns={"constituency": "name"}).set_index("constituency_id")
    every = known.index.union(pd.Index(reference["constituency_id"])).union(pd.Index(said["constituency_id"]))
    known = known.reindex(every).astype(object)
    given = reference.set_index("constituency_id").reindex(known.index)
    said = said.set_index("constituency_id").reindex(known.index)
    known["name"] = given["name"].combine_first(said["name"]).combine_first(known["name"])
    for column in ("election", "region_code", "region"):
        known[column] = given[column].combine_first(known[column]).combine_first(said[column])
    by_region = known["region"].map(zones)
    # A region may be named without its code: the list of known ones has it, or other paths have both.
    told = known.dropna(subset=["region", "region_code"]).groupby("region")["region_code"].min()
    for number in (codes or {}, told):
        known["region_code"] = known["region_code"].combine_first(known["region"].map(number))
    zones_known = given["time_zone"].combine_first(said["time_zone"]).combine_first(by_region)
    known["time_zone"] = zones_known.fillna(default_zone)
    known["is_zone_assumed"] = zones_known.isna() & (known["region"].notna() | (not is_zone_chosen))
    known["election"] = _one_spelling(known["election"].fillna(UNKNOWN_ELECTION))
    known["election_id"] = known["election"].map({name: election_id(name) for name in known["election"].unique()})
    counted = events.groupby("constituency_id")["voters"].sum(min_count=1).reindex(known.index)
    known["reference_voters"] = given["registered_voters"].astype("Int64")
    counted = counted.astype("Int64")
    # More voters were removed than added: the register is not known.
    known["registered_voters"] = known["reference_voters"].combine_first(counted.mask(counted < 0))
    starts = events[events["operation"].isin(_STARTS)].groupby("constituency_id")["occurred_at"].min()
    ends = events[events["operation"].isin(_ENDS)].groupby("constituency_id")["occurred_at"].max()
    whole = elections.set_index("election_id")
    for column, clock, moments in (("starts_at", "opens_at", starts), ("ends_at", "closes_at", ends)):
        clocks = _local_instants(whole[clock].reindex(known["election_id"]).set_axis(known.index), known["time_zone"])
        counted_on = _instants(moments.reindex(known.index))
        by_people = _instants(given[column]).combine_first(clocks)
        known[column] = by_people.combine_first(_instants(said[column])).combine_first(counted_on)
    # An end that is not after the start, possibly from another source, is unknown.
    known["ends_at"] = known["ends_at"].mask(known["ends_at"] <= known["starts_at"])
    constituencies = known.rename_axis("constituency_id").reset_index()
    elections_now = _elections(constituencies, whole[["name", "time_zone"]], now)
    return Registry(elections_now, constituencies.drop(columns="election"))


def _one_spelling(names: pd.Series) -> pd.Series:
    """The names; of names that differ only in "ё" or case, the most frequent one replaces the others.

    Of equally frequent ones the one with the fewest capitals, then the alphabetically first.
    """
    keys = names.str.casefold().str.replace("ё", "е")
    counts = names.groupby(names).size()
    capitals = counts.index.to_series().str.count("[A-ZА-ЯЁ]")
    order = pd.DataFrame({"files": -counts, "capitals": capitals}).rename_axis("name").reset_index()
    order = order.sort_values(["files", "capitals", "name"])
    first = order.groupby(order["name"].str.casefold().str.replace("ё", "е"))["name"].first()
    return keys.map(first)


def _instants(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, utc=True).astype("datetime64[us, UTC]")


def _local_instants(clocks: pd.Series, zones: pd.Series) -> pd.Series:
    """Local wall clocks as instants, each in its time zone; a time that a clock change skips becomes the next valid."""
    moments = pd.Series(pd.NaT, index=clocks.index, dtype="datetime64[us, UTC]")
    for zone, local in pd.to_datetime(clocks.dropna()).groupby(zones):
        instants = local.dt.tz_localize(str(zone), ambiguous=True, nonexistent="shift_forward").dt.tz_convert("UTC")
        moments[local.index] = instants.astype("datetime64[us, UTC]")
    return moments


def _elections(constituencies: pd.DataFrame, overrides: pd.DataFrame, now: datetime) -> pd.DataFrame:
    groups = constituencies.groupby("election_id")
    frame = groups.agg(name=("election", "first"), starts_at=("starts_at", "min"), ends_at=("ends_at", "max"))
    # The end is known only if the ends of all constituencies are known.
    frame["ends_at"] = frame["ends_at"].where(groups["ends_at"].count() == groups.size())
    frame["ends_at"] = frame["ends_at"].mask(frame["ends_at"] <= frame["starts_at"])
    whole = overrides.reindex(frame.index)
    frame["name"] = whole["name"].combine_first(frame["name"])
    frame["time_zone"] = whole["time_zone"].combine_first(_weightiest_zones(constituencies))
    moment = pd.Timestamp(now)
    status = pd.Series(pd.NA, index=frame.index, dtype=object)
    status = status.mask(frame["starts_at"] <= moment, "active").mask(frame["starts_at"] > moment, "scheduled")
    frame["status"] = status.mask(frame["ends_at"] <= moment, "completed")
    return frame.reset_index()


def _weightiest_zones(constituencies: pd.DataFrame) -> pd.Series:
    """The time zone of most registered voters by election_id; ties are resolved by constituencies, then by name.

    The number of contracts is not used: a region with a third of the voters may have most of the contracts.
    """
    weights = constituencies.assign(voters=constituencies["registered_voters"].astype("Int64").fillna(0))
    zones = weights.groupby(["election_id", "time_zone"]).agg(voters=("voters", "sum"), number=("voters", "size"))
    ranked = zones.reset_index().sort_values(["voters", "number", "time_zone"], ascending=[False, False, True])
    return ranked.drop_duplicates("election_id").set_index("election_id")["time_zone"]


def register_by_hour(constituencies: pd.DataFrame, events: pd.DataFrame, hours: pd.DataFrame) -> pd.Series:
    """Registered voters at the end of each row's hour; NA where not known.

    Args:
        constituencies: constituency_id, reference_voters (which applies at all times).
        events: constituency_id, occurred_at, voters.
        hours: constituency_id, hour (start, UTC); the result has the same index.
    """
    changes = events.dropna(subset=["voters"]).sort_values("occurred_at", kind="stable")
    changes = changes.assign(running=changes.groupby("constituency_id")["voters"].cumsum().astype("Float64"))
    ends = hours[["constituency_id"]].assign(
        at=(hours["hour"] + pd.Timedelta(hours=1)).astype("datetime64[us, UTC]"), row=range(len(hours))
    )
    counted = pd.merge_asof(
        ends.sort_values("at", kind="stable"),
        changes[["constituency_id", "occurred_at", "running"]].rename(columns={"occurred_at": "at"}),
        on="at",
        by="constituency_id",
        allow_exact_matches=False,
    ).sort_values("row")["running"]
    fixed = hours["constituency_id"].map(constituencies.set_index("constituency_id")["reference_voters"])
    voters = fixed.astype("Int64").array
    register = pd.Series(counted.array, index=hours.index).astype("Int64")
    register = register.mask(register < 0)
    return pd.Series(voters, index=hours.index).combine_first(register).astype("Int64")


def election_register_by_hour(constituencies: pd.DataFrame, events: pd.DataFrame, hours: pd.Series) -> pd.Series:
    """Registered voters of an election at the end of each hour; NA while a reporting constituency has no register.

    Args:
        constituencies: constituency_id, reference_voters (which holds at all times), reports_from (the first hour with
            a bulletin or vote; NA for none) of all constituencies of the election.
        events: constituency_id, occurred_at, voters.
        hours: starts of distinct hours, UTC.

    Returns:
        Voters by hour; also NA if no register is known.
    """
    events = events[events["constituency_id"].isin(constituencies["constituency_id"])]
    changes = events.dropna(subset=["voters"])
    counted = changes.assign(hour=changes["occurred_at"].dt.floor("h"))[["constituency_id", "hour"]].drop_duplicates()
    # The register of each constituency over time; it starts unknown, or with the value of the reference.
    first = constituencies[["constituency_id"]].assign(hour=pd.Timestamp(0, tz="UTC").as_unit("us"))
    steps = pd.concat([first, counted], ignore_index=True).sort_values(["constituency_id", "hour"], ignore_index=True)
    steps["voters"] = register_by_hour(constituencies, events, steps)
    reports_from = constituencies.set_index("constituency_id")["reports_from"].reindex(steps["constituency_id"])
    reports_from = reports_from.set_axis(steps.index)
    blind = steps.assign(hour=steps["hour"].where(~(steps["hour"] < reports_from), reports_from))
    blind = blind.assign(is_unknown=steps["voters"].isna() & reports_from.notna())
    blind = blind.drop_duplicates(["constituency_id", "hour"], keep="last")
    known = _sum_of_steps(steps.assign(value=steps["voters"].fillna(0)), hours)
    number_known = _sum_of_steps(steps.assign(value=steps["voters"].notna()), hours)
    unknown = _sum_of_steps(blind.assign(value=blind["is_unknown"]), hours)
    return known.astype("Int64").where((unknown == 0) & (number_known > 0))


def _sum_of_steps(steps: pd.DataFrame, hours: pd.Series) -> pd.Series:
    """The sum of the constituencies' values at each hour.

    Args:
        steps: constituency_id, hour from which the value applies, value; in order of time for each constituency.
        hours: the requested hours.
    """
    values = steps["value"].astype("int64")
    change = values - values.groupby(steps["constituency_id"]).shift(fill_value=0)
    totals = change.groupby(steps["hour"]).sum().sort_index().cumsum()
    place = totals.index.searchsorted(hours, side="right")
    return pd.Series(np.concatenate([[0], totals.to_numpy()])[place], index=pd.Index(hours))
