"""An election's id is its name's for ever; its time zone is its own, whatever and how many its contracts are."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slugify import slugify

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


# Tables, links, thresholds and reference data of years stand on these ids: a release that makes others is none.
IDS = {
    "Выборы депутатов Государственной Думы": "vybory-deputatov-gosudarstvennoi-dumy-3844bb",
    "Выборы депутатов Законодательного Собрания Санкт‑Петербурга": "vybory-deputatov-zakonodatelnogo-sankt-2594b5",
    "Довыборы: округ №2, участок № 17": "dovybory-okrug-no2-uchastok-no-17-6c6c87",
    "«Наш выбор» — 2026 (2-й тур)": "nash-vybor-2026-2-i-tur-056845",
    "Щёлково: выборы ещё раз, съезд, объём, ЪЫЬЭЮЯ": "shchelkovo-vybory-eshche-raz-sezd-obem-765a4f",
    "Вибори Київ, Ґанок, Їжак, Євпаторія": "vibori-kiiv-ganok-izhak-evpatoriia-9901bf",
    "Выбары ў Мінску": "vybary-u-minsku-f930ba",
    "Сайлау Қазақстан әөүұіңғһ": "sailau-kazakstan-ouuingh-beb2f4",
    "Town council, ward 12": "town-council-ward-12-868af0",
    "Élections législatives à Évry, Strasse/Straße, Łódź, Øresund, Ñandú": "elections-legislatives-a-evry-strasse-03a136",
    "E\u0301lections re\u0301gionales": "elections-regionales-b73605",  # combining accents
    "\u00c9lections r\u00e9gionales": "elections-regionales-9731b6",  # the same letters composed: another name
    "И\u0306од и \u0419": "iod-i-i-fc7e37",
    "Εκλογές Αθήνα": "ekloges-athena-de4154",
    "选举 2026": "xuan-ju-2026-e89485",
    "選挙": "xuan-ju-79eff2",
    "투표": "tupyo-eb8dc8",
    "انتخابات": "ntkhbt-e696e5",
    "בחירות": "bkhyrvt-c9eb9e",
    "Election & Referendum <2026> 50% +1": "election-referendum-2026-50-1-f811a4",
    "  spaces\tand\nlines  ": "spaces-and-lines-8ff4f7",
    "2026": "2026-158a32",
    "12.09.2026": "12-09-2026-449303",
    "№": "no-a01afe",
    "!!!": "e84c53",
    "🗳️ vote": "vote-ecbb25",
    "a" * 60: "a" * 40 + "-11ee39",
    "Очень длинное название выборов, которое не помещается в сорок знаков": "ochen-dlinnoe-nazvanie-vyborov-kotoroe-v-4a3299",
    "Выборы_2026.csv": "vybory-2026-csv-628420",
    "O’Brien’s \"ward\" 'x'": "obriens-ward-x-6118ef",
    "ﬁnal ½ ²": "final-1-2-2-1e9d31",
    "Ⅳ округ": "iv-okrug-74ba8a",
    "МОСКВА москва Москва": "moskva-moskva-moskva-29bac6",
}  # fmt: skip


@pytest.mark.parametrize("name", IDS)
def test_a_name_has_the_id_that_it_has_always_had(name: str) -> None:
    assert election_id(name) == IDS[name]


def test_ids_of_elections_are_these_and_no_others() -> None:
    places = pd.DataFrame({"constituency_id": [f"c{n}" for n in range(len(IDS))], "election": list(IDS),
                           "constituency": None, "region_code": None, "region": None})  # fmt: skip
    nothing = pd.DataFrame(columns=["constituency_id", "name", "election", "region_code", "region", "time_zone",
                                    "registered_voters", "starts_at", "ends_at"])  # fmt: skip
    events = pd.DataFrame({"constituency_id": [], "occurred_at": pd.to_datetime([], utc=True), "operation": [],
                           "voters": pd.array([], "Int64")})  # fmt: skip
    whole = pd.DataFrame(columns=["election_id", "name", "time_zone", "opens_at", "closes_at"])
    built = build_registry(places, events, nothing, whole, {}, "UTC", NOW)
    assert set(built.elections["election_id"]) == set(IDS.values())
    assert set(built.constituencies["election_id"]) == set(IDS.values())


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="&")))
def test_an_id_begins_as_it_did_when_slugify_transliterated(name: str) -> None:
    plain = " ".join(name.split())
    assert election_id(name).rpartition("-")[0] == slugify(plain, max_length=40, word_boundary=True)


def test_what_else_is_installed_changes_no_id(tmp_path: Path) -> None:
    (tmp_path / "unidecode.py").write_text(
        "def unidecode(text):\n    return text.encode('ascii', 'replace').decode()\n"
    )
    code = "import sys; sys.path.insert(0, sys.argv[1]); import unidecode\n"
    code += "from election_metrics.metrics.registry import election_id; print(election_id('Щёлково'))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == election_id("Щёлково") == "shchelkovo-" + election_id("Щёлково")[-6:]


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


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["Выборы мэра", "Выборы мэра", "ВЫБОРЫ МЭРА"], "Выборы мэра"),
        (["ВЫБОРЫ МЭРА", "Выборы мэра"], "Выборы мэра"),
        (["Полёты", "Полеты", "Полёты"], "Полёты"),
        (["Полёты", "Полеты"], "Полеты"),
    ],
)
def test_of_two_spellings_the_usual_one_is_the_name(names: list[str], chosen: str) -> None:
    """One folder in capitals renames no election, and changes no id."""
    ids = [f"c{number}" for number in range(len(names))]
    places = pd.DataFrame(
        {"constituency_id": ids, "election": names, "constituency": ids, "region_code": None, "region": None}
    )
    nothing = pd.DataFrame(columns=["constituency_id", "name", "election", "region_code", "region", "time_zone",
                                    "registered_voters", "starts_at", "ends_at"])  # fmt: skip
    events = pd.DataFrame({"constituency_id": [], "occurred_at": pd.to_datetime([], utc=True), "operation": [],
                           "voters": pd.array([], "Int64")})  # fmt: skip
    whole = pd.DataFrame(columns=["election_id", "name", "time_zone", "opens_at", "closes_at"])
    for order in (places, places[::-1]):
        built = build_registry(order, events, nothing.astype({"registered_voters": "Int64"}), whole, {}, "UTC", NOW)
        assert built.elections["name"].tolist() == [chosen]
