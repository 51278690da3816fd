"""The portal's answers, and a client of it: what it says, what it does not say, and what it must not be believed."""

import contextlib
import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from election_metrics.errors import DataError, TransientError
from election_metrics.replay.portal import Trouble, recorded, served
from election_metrics.sources.portal_answers import (
    MOSCOW,
    read_chart,
    read_commission,
    read_precincts,
    read_results,
    zone_of,
)
from election_metrics.sources.portal_client import Portal
from election_metrics.sources.portal_walk import SEARCH, precincts, walk

CHART = "statistics/chart/hourly?contractIds=C1"
COMMISSION: dict[str, Any] = {
    "data": {
        "electionName": "Выборы  депутатов", "collectionTime": "18.09.2026 22:07:24", "districtName": "Округ",
        "districtNumber": 117, "regionCode": 9, "regionDescription": "Карачаево-Черкесская Республика",
        "tikId": "t", "tikName": "Первая", "timeOffset": 8,
        "votings": [
            {"contractId": "C1", "status": "IN_PROCESS", "type": "UNION", "clientStartDateTime": "18.09.2026 08:00",
             "clientEndDateTime": "20.09.2026 20:00", "ballotAcceptanceEndDate": "20.09.2026 20:15",
             "counters": {"all": 57, "issued": 30, "voted": 29}},
        ],
    }
}  # fmt: skip


def point(label: str, votes: int, bulletins: int, **totals: int) -> dict[str, Any]:
    """A point of a chart; without totals it is a placeholder."""
    return {"dateTime": label, "metrics": {"countVote": votes, "countBlindSign": bulletins, **totals}}


def chart(*points: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A chart of contract C1."""
    return {"data": [{"contractId": "C1", "timeOffset": 0, "points": list(points), **others}]}


def test_a_commission_gives_its_contracts_with_times_in_utc() -> None:
    (row,) = read_commission(COMMISSION, "tik", "e1")
    assert row["election"] == "Выборы депутатов"
    assert (row["region_code"], row["district_number"], row["kind"]) == ("09", "117", "UNION")
    assert row["starts_at"] == datetime(2026, 9, 17, 21, tzinfo=UTC)
    assert row["accepted_until"] == datetime(2026, 9, 20, 9, 15, tzinfo=UTC)
    assert (row["registered_voters"], row["bulletins_issued"], row["votes_cast"]) == (57, 30, 29)


@pytest.mark.parametrize("offset", [None, "8", True, float("nan"), 40, [8], 10**400, float("inf")])
def test_an_offset_that_is_none_leaves_times_unknown(offset: object) -> None:
    answer = copy.deepcopy(COMMISSION)
    answer["data"]["timeOffset"] = offset
    (row,) = read_commission(answer, "tik", "e1")
    assert (row["offset_hours"], row["starts_at"], row["accepted_until"]) == (None, None, None)


@pytest.mark.parametrize("clock", ["01.01.0001 00:00", "31.12.9999 23:59", "01.01.1500 08:00", "\ud800", 5, None])
def test_a_time_that_is_none_is_not_known(clock: object) -> None:
    answer = copy.deepcopy(COMMISSION)
    answer["data"]["votings"][0] |= {"clientStartDateTime": clock, "status": "a\ud800\x00b"}
    (row,) = read_commission(answer, "tik", "e1")
    assert (row["starts_at"], row["status"]) == (None, "a?b")


def test_ids_have_a_length() -> None:
    answer = copy.deepcopy(COMMISSION)
    answer["data"]["votings"][0]["contractId"] = "C" * 9_000
    with pytest.raises(DataError, match="a contractId of 9000 characters"):
        read_commission(answer, "tik", "e1")


def test_points_are_hours_by_their_end_and_placeholders_are_none() -> None:
    answer = chart(
        point("18.09.2026 08:00", 0, 0, totalCountVote=0, totalCountBlindSign=0),
        point("18.09.2026 09:00", 8, 9, totalCountVote=8, totalCountBlindSign=9),
        point("18.09.2026 10:00", 0, 0),
    )
    has, rows = read_chart(answer, CHART, "C1")
    assert has == "published"
    assert [(row["label"], row["votes"], row["bulletins_total"]) for row in rows] == [
        ("18.09.2026 08:00", 0, 0), ("18.09.2026 09:00", 8, 9),
    ]  # fmt: skip
    assert rows[1]["ends_at"] == datetime(2026, 9, 18, 6, tzinfo=UTC)


def test_what_the_portal_does_not_have_is_told_apart() -> None:
    published = point("18.09.2026 09:00", 1, 1, totalCountVote=1, totalCountBlindSign=1)
    assert read_chart({"data": []}, CHART, "C1") == ("no_such_contract", [])
    assert read_chart(chart(published, contractId="C2"), CHART, "C1")[0] == "no_such_contract"
    has, (row,) = read_chart(chart(published, timeOffset=None), CHART, "C1")
    assert (has, row["ends_at"]) == ("unknown_time_zone", None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "has no data"),
        ({"data": "x"}, "has no list"),
        ({"data": [1]}, "has no list"),
        ({"data": chart()["data"] * 2}, "has the contract 2 times"),
        (chart(*[point("18.09.2026 09:00", 1, 1, totalCountVote=1, totalCountBlindSign=1)] * 2), "two points for 18.09"),
        (chart(point("noon", 1, 1, totalCountVote=1, totalCountBlindSign=1)), "a point without a time"),
        (chart(point("18.09.2026 09:00", 8, 9, totalCountVote=8)), "a point without counts"),
        (chart({"dateTime": "18.09.2026 09:00", "metrics": "broken"}), "a point without counts"),
        (chart(*[point(label, 1, 1, totalCountVote=1, totalCountBlindSign=1) for label in
                 ("18.09.2026 09:00", "18.9.2026 9:0")]), "two points for 18.09.2026 09:00"),
        (chart(point("01.01.1600 08:00", 1, 1, totalCountVote=1, totalCountBlindSign=1)), "a point without a time"),
        (chart(point("18.09.2026 09:00", 2**53 - 1, 1, totalCountVote=1, totalCountBlindSign=1)), "for a count"),
        (chart(point("18.09.2026 09:00", -1, 1, totalCountVote=1, totalCountBlindSign=1)), "'-1' for a count"),
        (chart(point("18.09.2026 09:00", 1, True, totalCountVote=1, totalCountBlindSign=1)), "'True' for a count"),
        (chart(point("18.09.2026 09:00", 1, 1, totalCountVote="many", totalCountBlindSign=1)), "'many' for a count"),  # type: ignore[arg-type]
        (chart(point("18.09.2026 09:00", 2**70, 1, totalCountVote=1, totalCountBlindSign=1)), "for a count"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_the_path(answer: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        read_chart(answer, CHART, "C1")
    assert CHART in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["data", "votings", "points", "contractId", "metrics", "timeOffset", "counters",
                                       "results", "distributionByPrimaryUikNumbers", "totalCount"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(answer=_JSON)
def test_whatever_a_portal_answers_is_read_or_refused(answer: Any) -> None:
    readers: list[Callable[[], object]] = [
        lambda: read_chart(answer, CHART, "C1"),
        lambda: read_commission(answer, "tik", "e"),
        lambda: read_precincts(answer, SEARCH),
    ]
    for read in readers:
        with contextlib.suppress(DataError):
            read()


def test_the_zone_of_a_region_is_kept_where_it_agrees() -> None:
    noon = datetime(2026, 9, 18, 12, tzinfo=UTC)
    assert zone_of(8.0, "Asia/Magadan", noon) == "Asia/Magadan"
    assert zone_of(8.0, "Europe/Moscow", noon) == "Etc/GMT-11"
    assert zone_of(float(-MOSCOW), None, noon) == "UTC"
    assert zone_of(-8.0, None, noon) == "Etc/GMT+5"
    assert zone_of(2.5, "Asia/Kolkata", noon) == "Asia/Kolkata"
    assert zone_of(2.5, "Europe/Moscow", noon) is None
    assert zone_of(None, "Asia/Magadan", noon) is None


def answers() -> dict[str, Any]:
    """Both hierarchies, with two contracts of a commission and one of the older kind."""
    of_commission = copy.deepcopy(COMMISSION)
    own = of_commission["data"]["votings"]
    own.append({**copy.deepcopy(own[0]), "contractId": "C2", "type": "SINGLE"})
    base = "statistics/v2/election"
    return {
        "elections?level=FEDERAL": {"data": {"elections": [{"electionId": "e1", "regions": []}]}},
        f"{base}/e1": {"data": {"regions": [{"code": 9}, {"code": 10}]}},
        f"{base}/region?electionId=e1&regionCode=9": {"data": {"districts": [{"id": "d1"}]}},
        f"{base}/region?electionId=e1&regionCode=10": {"data": {"districts": []}},
        f"{base}/district?electionId=e1&districtId=d1": {"data": {"tiks": [{"tikId": "t"}]}},
        f"{base}/tik?electionId=e1&districtId=d1&tikId=t": of_commission,
        "voting/regions": {"data": {"regions": [{"code": 61, "description": "Ростовская область"}]}},
        "elections/region/61/elections": {"data": {"elections": [{"elections": [{"electionId": "e2"}]}]}},
        "elections/districts?regionCode=61&electionId=e2": {"data": [{"id": "d2"}]},
        "statistics/voting?electionId=e2&districtId=d2": {
            "data": {"regionCode": 61, "electionName": "Выборы", "districtName": "Округ", "votings": [
                {"counters": {"contractId": "C3", "all": 103, "issued": 53, "voted": 49}}
            ]}
        },
    }  # fmt: skip


def test_a_result_has_options_in_order() -> None:
    answer = {"data": {"answers": [{"name": "Б", "value": 2}, {"name": None, "value": 0}]}}
    assert read_results(answer, "results/voting/C1") == [
        {"position": 1, "name": "Б", "votes": 2}, {"position": 2, "name": None, "votes": 0},
    ]  # fmt: skip
    with pytest.raises(DataError, match="an option without votes"):
        read_results({"data": {"answers": [{"name": "А"}]}}, "results/voting/C1")


def client(address: str) -> Portal:
    """A client that does not wait."""
    return Portal(address, 10_000, pause=lambda _: None)


def test_both_hierarchies_are_walked() -> None:
    with served(recorded(answers())) as portal:
        found, errors, _ = walk(client(portal.address))
    assert errors == []
    assert {name: (row["kind"], row["region"]) for name, row in found.items()} == {
        "C1": ("UNION", "Карачаево-Черкесская Республика"), "C2": ("SINGLE", "Карачаево-Черкесская Республика"),
        "C3": (None, "Ростовская область"),
    }  # fmt: skip


@pytest.mark.parametrize("root", ["elections?level=FEDERAL", "voting/regions"])
def test_a_portal_may_have_one_hierarchy_only(root: str) -> None:
    some = answers()
    del some[root]
    with served(recorded(some)) as portal:
        found, errors, _ = walk(client(portal.address))
    assert errors == []
    assert set(found) in ({"C1", "C2"}, {"C3"})


def test_a_part_that_cannot_be_read_takes_nothing_else_with_it() -> None:
    some = answers()
    del some["statistics/v2/election/region?electionId=e1&regionCode=10"]
    some["statistics/voting?electionId=e2&districtId=d2"]["data"]["votings"].append({"counters": None})
    with served(recorded(some)) as portal:
        found, errors, _ = walk(client(portal.address))
    assert set(found) == {"C1", "C2"}
    assert ["HTTP 404" in errors[0], "a contract without counters" in errors[1]] == [True, True]


def test_a_portal_without_any_answer_is_told() -> None:
    with served(recorded({})) as portal:
        found, errors, _ = walk(client(portal.address))
    assert found == {}
    assert len(errors) == 2


def test_a_contract_in_two_places_counts_once_and_is_told() -> None:
    some = answers()
    second = copy.deepcopy(some["statistics/v2/election/tik?electionId=e1&districtId=d1&tikId=t"])
    second["data"]["tikName"] = "Вторая"
    some["statistics/v2/election/district?electionId=e1&districtId=d1"]["data"]["tiks"].append({"tikId": "u"})
    some["statistics/v2/election/tik?electionId=e1&districtId=d1&tikId=u"] = second
    with served(recorded(some)) as portal:
        found, errors, _ = walk(client(portal.address))
    assert found["C1"]["commission"] == "Первая"
    assert len(errors) == 2
    assert "lists contract C1 in two places" in errors[0]


def of_precincts(number: int) -> dict[str, Any]:
    """An answer with all precincts of a contract."""
    rows = [{"primaryUikNumber": one, "all": 10, "issued": one} for one in range(number)]
    return {"data": {"distributionByPrimaryUikNumbers": {"results": rows, "totalCount": number}}}


@pytest.mark.parametrize("number", [0, 1, 100, 101, 250])
def test_every_page_of_precincts_is_read(number: int) -> None:
    with served(recorded({SEARCH: of_precincts(number)})) as portal:
        found = precincts(client(portal.address), "C1")
    assert [row["precinct"] for row in found] == [str(one) for one in range(number)]


def test_pages_that_do_not_add_up_are_refused() -> None:
    short, twice = of_precincts(150), of_precincts(150)
    short["data"]["distributionByPrimaryUikNumbers"]["results"].pop()
    twice["data"]["distributionByPrimaryUikNumbers"]["results"][120]["primaryUikNumber"] = 3
    for answer, reason in ((short, "hold 149 of 150"), (twice, "name a precinct of C1 twice")):
        with served(recorded({SEARCH: answer})) as portal, pytest.raises(DataError, match=reason):
            precincts(client(portal.address), "C1")
    moving = served(recorded({SEARCH: of_precincts(150)}), trouble=Trouble(moving_pages=9))
    with moving as portal, pytest.raises(DataError, match="changed from 150 to 151"):
        precincts(client(portal.address), "C1")
    with served(recorded({SEARCH: of_precincts(150)}), trouble=Trouble(moving_pages=2)) as portal:
        assert len(precincts(client(portal.address), "C1")) == 150


def test_a_busy_portal_is_asked_again_and_one_that_stays_busy_is_told() -> None:
    with served(recorded({"x": {"data": 1}}), trouble=Trouble(busy_every=2, cut_every=3)) as portal:
        for _ in range(6):
            assert client(portal.address).get("x") == {"data": 1}
        portal.trouble = Trouble(busy_every=1)
        asked = len(portal.requests)
        with pytest.raises(TransientError, match="does not answer x: HTTP 503"):
            client(portal.address).get("x")
        assert len(portal.requests) - asked == 4
    with pytest.raises(TransientError, match="does not answer x"):
        client("http://127.0.0.1:9/api").get("x")


def test_an_answer_with_a_tag_is_confirmed_not_sent_again() -> None:
    with served(recorded({"x": {"data": 1}})) as portal:
        first = client(portal.address)
        first.get("x")
        second = client(portal.address)
        second.kept.update(first.new)
        assert second.get("x") == {"data": 1}
        assert (second.unchanged, second.new) == (1, {})


def test_a_portal_that_keeps_failing_is_given_up() -> None:
    with served(recorded({}), trouble=Trouble(busy_every=1)) as portal:
        own = client(portal.address)
        failed = dict(own.each(own.get, [str(number) for number in range(200)]))
    assert all(isinstance(error, TransientError) for error in failed.values())
    assert "was not asked for" in str(failed["199"])
    assert len(portal.requests) < 100


def test_what_nobody_thought_of_is_an_error_of_its_own() -> None:
    def broken(name: str) -> int:
        return 1 // 0 if name == "b" else 1

    found = dict(client("http://127.0.0.1:9/api").each(broken, ["a", "b", "c"]))
    assert (found["a"], found["c"]) == (1, 1)
    assert isinstance(found["b"], DataError)


def test_requests_are_spread_over_time() -> None:
    waited: list[float] = []
    with served(recorded({"x": {"data": 1}})) as portal:
        slow = Portal(portal.address, 0.5, pause=waited.append)
        for _ in range(3):
            slow.get("x")
    assert [round(seconds) for seconds in waited] == [2, 4]
