"""The time zone of an election is its own, whatever its contracts are called and how many there are."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from election_metrics.metrics.registry import build_registry, election_id, election_register_by_hour

NOW = datetime(2026, 9, 18, tzinfo=UTC)
ZONES = {"Kamchatka": "Asia/Kamchatka", "Moscow": "Europe/Moscow", "Perm": "Asia/Yekaterinburg"}
DUMA = election_id("Duma")


def zone_of(*places: tuple[str, int | None], said: str | None = None) -> str:
    """Time zone of an election with these constituencies (region, registered voters), of which people said this."""
    ids = [f"c{number}" for number in range(len(places))]
    known = pd.DataFrame({"constituency_id": ids, "election": "Duma", "constituency": ids, "region_code": None,
                          "region": [region for region, _ in places]})  # fmt: skip
    reference = pd.DataFrame({"constituency_id": ids, "registered_voters": [voters for _, voters in places]})
    for column in ("name", "election", "region_code", "region", "time_zone", "starts_at", "ends_at"):
        reference[column] = None
    events = pd.DataFrame({"constituency_id": [], "occurred_at": pd.to_datetime([], utc=True), "operation": [],
                           "voters": pd.array([], "Int64")})  # fmt: skip
    whole = pd.DataFrame([{"election_id": DUMA, "name": None, "time_zone": said, "opens_at": None, "closes_at": None}])
    built = build_registry(known, events, reference.astype({"registered_voters": "Int64"}), whole, ZONES, "UTC", NOW)
    return str(built.elections.set_index("election_id")["time_zone"][DUMA])


@pytest.mark.parametrize(
    ("places", "zone"),
    [
        ([("Kamchatka", 10), ("Moscow", 11)], "Europe/Moscow"),  # as many contracts: the alphabet does not decide
        ([("Kamchatka", 10), ("Kamchatka", 10), ("Moscow", 21)], "Europe/Moscow"),  # fewer contracts, more voters
        ([("Kamchatka", 11), ("Moscow", 10)], "Asia/Kamchatka"),
        ([("Kamchatka", None), ("Moscow", None), ("Moscow", None)], "Europe/Moscow"),  # no register: contracts
        ([("Kamchatka", None), ("Kamchatka", None), ("Moscow", 1)], "Europe/Moscow"),  # not known weighs nothing
        ([("Kamchatka", 20), ("Moscow", 10), ("Moscow", 10)], "Europe/Moscow"),  # equal voters: contracts
        ([("Perm", 10), ("Moscow", 10), ("Kamchatka", 10)], "Asia/Kamchatka"),  # all equal: by name, always the same
    ],
)
def test_it_is_that_of_most_registered_voters(places: list[tuple[str, int | None]], zone: str) -> None:
    assert zone_of(*places) == zone
    assert zone_of(*reversed(places)) == zone


def test_what_people_say_wins() -> None:
    assert zone_of(("Moscow", 1_000), said="Asia/Kamchatka") == "Asia/Kamchatka"


HOURS = [pd.Timestamp(f"2026-09-18T{hour:02}:00", tz="UTC").as_unit("us") for hour in range(12)]
_PLACE = st.tuples(st.none() | st.integers(0, 99), st.none() | st.integers(0, 11))
_CHANGE = st.tuples(st.integers(0, 3), st.integers(0, 11 * 60 + 59), st.integers(-30, 60))


@given(st.lists(_PLACE, max_size=4), st.lists(_CHANGE, max_size=8))
def test_the_register_of_an_election_by_hour_is_what_a_plain_count_finds(
    places: list[tuple[int | None, int | None]], changes: list[tuple[int, int, int]]
) -> None:
    expected: list[int | None] = []
    for hour in range(12):
        known, hidden = [], False
        for number, (said, reports_from) in enumerate(places):
            until = [voters for of, minute, voters in changes if of == number and minute < (hour + 1) * 60]
            register = said if said is not None else sum(until) if until and sum(until) >= 0 else None
            known += [] if register is None else [register]
            hidden |= register is None and reports_from is not None and reports_from <= hour
        expected.append(sum(known) if known and not hidden else None)
    members = pd.DataFrame(
        {"constituency_id": pd.Series([str(number) for number in range(len(places))], dtype="str"),
         "reference_voters": pd.array([said for said, _ in places], "Int64"),
         "reports_from": pd.Series([pd.NaT if hour is None else HOURS[hour] for _, hour in places],
                                   dtype="datetime64[us, UTC]")}
    )  # fmt: skip
    moments = [HOURS[0] + pd.Timedelta(minutes=minute) for _, minute, _ in changes]
    events = pd.DataFrame(
        {"constituency_id": pd.Series([str(number) for number, _, _ in changes], dtype="str"),
         "occurred_at": pd.Series(moments, dtype="datetime64[us, UTC]"),
         "voters": pd.array([voters for _, _, voters in changes], "Int64")}
    )  # fmt: skip
    found = election_register_by_hour(members, events, pd.Series(HOURS))
    assert [None if pd.isna(value) else int(value) for value in found] == expected
