"""The second count: what a portal publishes, collected and compared with what is counted from the transactions."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from election_metrics.errors import SettingsError, TransientError
from election_metrics.pipeline.portal import collect_counts, collect_registry, what_is_due
from election_metrics.replay.blocks import write_blocks
from election_metrics.replay.portal import StandIn, Trouble, of_replay, served
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Replay, Voting
from election_metrics.settings import Settings
from election_metrics_tests.computing import rows, update

OPENING = datetime(2026, 9, 18, 5, tzinfo=UTC)  # 08:00 in Moscow
LATER = OPENING + timedelta(days=2)
REGIONS = {
    "49 - Магаданская область": "Asia/Magadan",
    "77 - Москва": "Europe/Moscow",
    "39 - Калининградская область": "Europe/Kaliningrad",
}
ELECTION = "Выборы депутатов"


def votings(number: int = 3, hours: int = 6) -> Iterator[Bucket]:
    """Contracts in three time zones, each open for some hours from 08:00 local time on."""
    for place in range(number):
        region, zone = list(REGIONS.items())[place % 3]
        voting = Voting(f"place {place}", f"Округ {place}", ELECTION, 500, region, zone)
        offset = {"Asia/Magadan": -8, "Europe/Moscow": 0, "Europe/Kaliningrad": 1}[zone]
        for hour in range(hours):
            start = OPENING + timedelta(hours=offset + hour)
            yield Bucket(voting, start, 3600, 20 + hour + place, 15 + hour + place)


@dataclass
class World:
    """A vote in exports, and a portal that publishes it."""

    replay: Replay
    exports: Path
    portal: StandIn
    settings: Settings
    changed: dict[str, Callable[[Any], Any]]

    def collect(self, now: datetime = LATER) -> list[str]:
        """Lands, collects, computes everything downstream; returns what could not be read."""
        update(self.settings, self.exports, now)
        errors = collect_registry(self.settings, "run", now).errors
        update(self.settings, self.exports, now)
        errors += collect_counts(self.settings, "run", now).errors
        update(self.settings, self.exports, now)
        return errors

    def statuses(self) -> dict[str, int]:
        """Number of constituency hours by status of the second count."""
        found = rows(self.settings, "SELECT status, count(*) AS n FROM metrics.portal_agreement GROUP BY 1")
        return dict(zip(found["status"], found["n"].astype(int), strict=True))

    def findings(self) -> list[tuple[str, str, str]]:
        """Severity, state and words of the findings of the rule."""
        query = "SELECT severity, state, explanation FROM metrics.anomalies WHERE rule = 'differs_from_portal' ORDER BY 1, 2, 3"
        return [tuple(row) for row in rows(self.settings, query).itertuples(index=False)]


@pytest.fixture
def make_world(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes a vote with a portal; `changed` replaces answers by contract or path while it runs."""
    with ExitStack() as stack:

        def made(number: int = 3, **others: Any) -> World:
            *_, replay = write_replay(votings(number), tmp_path / "in", seed=1)
            changed: dict[str, Callable[[Any], Any]] = {}

            def answer(path: str, body: Any, now: datetime) -> Any:
                found = of_replay(replay)(path, body, now)
                parts = urlsplit(path)
                names = [parts.path, *(value for values in parse_qs(parts.query).values() for value in values)]
                for name in (path, *names):
                    if name in changed:
                        found = changed[name](found)
                return found

            portal = stack.enter_context(served(answer))
            settings = make_settings("portal", portal_url=portal.address, portal_rate="1000/second", **others)
            return World(replay, tmp_path / "in", portal, settings, changed)

        yield made


def in_chart(change: Callable[[list[Any]], Any]) -> Callable[[Any], Any]:
    """Changes the points of a chart."""

    def changed(answer: Any) -> Any:
        if isinstance(answer["data"], list):
            for series in answer["data"]:
                change(series["points"])
        return answer

    return changed


def more_votes(points: list[Any]) -> None:
    """The portal published three votes more in the third hour."""
    points[3]["metrics"]["countVote"] += 3
    for point in points[3:]:
        if "totalCountVote" in point["metrics"]:
            point["metrics"]["totalCountVote"] += 3


def test_both_counts_agree_in_every_hour_and_every_zone(make_world: Callable[..., World]) -> None:
    world = make_world()
    update(world.settings, world.exports, LATER)
    assert world.statuses() == {}
    assert world.collect() == []
    assert world.statuses() == {"agrees": 18}
    assert world.findings() == []
    whole = rows(world.settings, "SELECT * FROM metrics.portal_agreement_summary WHERE level = 'election'")
    (row,) = whole.itertuples()
    assert (row.status, row.counted_votes, row.published_votes) == ("agrees", 333, 333)
    assert row.compared_until == OPENING + timedelta(hours=7)


def test_the_portal_names_places_and_zones_but_no_figure_moves_to_another_election(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    for contract in world.replay.votings:
        world.changed[contract] = _renamed
    world.collect()
    found = rows(
        world.settings, "SELECT name, region, time_zone, starts_at, ends_at FROM metrics.constituencies ORDER BY 1"
    )
    assert list(found["name"]) == [
        "Комиссия", "Комиссия", "Северный округ, Комиссия",
    ]  # fmt: skip
    assert sorted(found["time_zone"]) == ["Asia/Magadan", "Europe/Kaliningrad", "Europe/Moscow"]
    assert list(rows(world.settings, "SELECT name FROM metrics.elections")["name"]) == [ELECTION]
    assert sorted(found["starts_at"]) == [OPENING + timedelta(hours=hours) for hours in (-8, 0, 1)]


def _renamed(answer: Any) -> Any:
    if isinstance(answer["data"], dict) and "tikName" in answer["data"]:
        answer["data"] |= {"tikName": "Комиссия", "electionName": "Выборы под другим названием"}
        if answer["data"]["regionCode"] == 49:
            answer["data"]["districtName"] = "Северный округ"
    return answer


def test_a_difference_is_found_and_its_versions_stay_when_the_portal_corrects_itself(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    first, *_ = world.replay.votings
    world.changed[first] = in_chart(more_votes)
    world.collect()
    assert world.statuses() == {"agrees": 17, "differs": 1}
    assert world.findings() == [
        ("warning", "open", "counted here are 17 votes and 22 bulletins, the portal published 20 and 22, in 1 hour")
    ]
    world.changed.clear()
    collect_counts(world.settings, "run", LATER + timedelta(hours=1), everything=True)
    update(world.settings, world.exports, LATER + timedelta(hours=1))
    assert world.statuses() == {"agrees": 18}
    assert [state for _, state, _ in world.findings()] == ["resolved"]
    versions = rows(
        world.settings,
        f"SELECT votes, superseded_at FROM metrics.portal_hours WHERE constituency_id = '{first}' AND label = ("
        f"SELECT min(label) FROM metrics.portal_hours WHERE constituency_id = '{first}' AND superseded_at IS NOT NULL) "
        "ORDER BY collected_at",
    )
    assert list(versions["votes"]) == [20, 17]
    assert versions["superseded_at"].notna().tolist() == [True, False]


def test_what_never_landed_is_listed_by_the_portal_and_told_as_missing_first(make_world: Callable[..., World]) -> None:
    world = make_world()
    first, *_ = world.replay.votings
    for folder in world.exports.rglob(first):
        shutil.rmtree(folder)
    world.collect()
    assert world.statuses() == {"agrees": 12, "differs": 6}
    ((severity, _, text),) = world.findings()
    assert severity == "warning"
    assert text.startswith("6 of 6 hours that differ did not arrive here: counted here are 0 votes")
    missing = rows(world.settings, "SELECT constituency_id, sum(hours) AS hours FROM metrics.missing_input GROUP BY 1")
    assert [tuple(row) for row in missing.itertuples(index=False)] == [(first, 6)]


def test_elections_of_which_nothing_landed_are_not_taken_from_the_portal(make_world: Callable[..., World]) -> None:
    world = make_world()
    shutil.rmtree(world.exports)
    world.exports.mkdir()
    world.collect()
    assert rows(world.settings, "SELECT constituency_id FROM metrics.constituencies").empty
    assert len(rows(world.settings, "SELECT constituency_id FROM metrics.portal_contracts")) == 3


def test_three_of_seven_shards_left_out_raise_an_alarm_that_names_them(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    world = make_world(number=21, shards=7)
    blocks = tmp_path / "blocks"
    blocks.mkdir()
    for _ in write_blocks(world.exports, blocks, "folder", seconds=300):
        pass
    world.exports = blocks
    gone = sorted(path for path in blocks.rglob("shard-*") if path.is_dir())[2:5]
    lost = tmp_path / "lost"
    for folder in gone:
        shutil.move(folder, lost / folder.name)
    update(world.settings, blocks, LATER)
    world.collect()
    named = ", ".join(folder.name.removeprefix("shard-") for folder in gone)
    severity, state, text = next(one for one in world.findings() if "constituencies" in one[2])
    assert (severity, state) == ("critical", "open")
    assert "did not arrive here" in text
    assert f"no block of shard {named} has landed" in text
    for folder in gone:
        shutil.move(lost / folder.name, folder)
    update(world.settings, blocks, LATER)
    assert set(world.statuses()) == {"agrees"}
    assert {state for _, state, _ in world.findings()} == {"resolved"}


def without_totals(points: list[Any]) -> None:
    """The portal has not published the last hours: zeros that are placeholders."""
    for point in points[4:]:
        point["metrics"] = {"countVote": 0, "countBlindSign": 0}


def half_past(points: list[Any]) -> None:
    """Points that end at half past."""
    for point in points:
        point["dateTime"] = point["dateTime"][:-2] + "30"


def without_zone(answer: Any) -> Any:
    """The portal says neither in the chart nor in the registry where the contract is."""
    parts = answer["data"] if isinstance(answer["data"], list) else [answer["data"]]
    for part in parts:
        part["timeOffset"] = None
    return answer


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        (in_chart(without_totals), {"agrees": 15, "not_published": 3}),
        (in_chart(half_past), {"agrees": 12, "not_an_hour": 6, "not_published": 6}),
        (lambda answer: {"data": []} if isinstance(answer["data"], list) else answer,
         {"agrees": 12, "no_such_contract": 6}),
        (without_zone, {"agrees": 12, "unknown_time_zone": 12}),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_no_difference(
    make_world: Callable[..., World], change: Callable[[Any], Any], statuses: dict[str, int]
) -> None:
    world = make_world()
    world.changed[next(iter(world.replay.votings))] = change
    world.collect()
    assert world.statuses() == statuses
    assert world.findings() == []


def test_a_count_seen_before_it_settled_is_no_difference_yet(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.changed[next(iter(world.replay.votings))] = in_chart(more_votes)
    update(world.settings, world.exports, LATER)
    soon = OPENING + timedelta(hours=-8 + 3, minutes=3)
    collect_registry(world.settings, "run", soon)
    collect_counts(world.settings, "run", soon)
    assert world.statuses()["not_settled"] == 1
    collect_counts(world.settings, "run", soon + timedelta(minutes=3))
    assert world.statuses()["differs"] == 1


def test_a_busy_portal_that_breaks_off_is_read_whole_in_the_end(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.portal.trouble = Trouble(busy_every=3, cut_every=4, seconds=0.01)
    world.collect()
    attempts = 0
    while world.statuses() != {"agrees": 18} and attempts < 8:  # what was not read is due again
        attempts += 1
        world.collect(LATER + timedelta(hours=attempts))
    assert world.statuses() == {"agrees": 18}


def test_a_portal_that_is_away_takes_nothing_with_it(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.collect()
    before = rows(world.settings, "SELECT * FROM metrics.portal_hours ORDER BY constituency_id, label")
    world.portal.trouble = Trouble(busy_every=1)
    with pytest.raises(TransientError, match=r"the portal gave nothing.*HTTP 503"):
        collect_registry(world.settings, "run", LATER)
    with pytest.raises(TransientError, match="the portal gave nothing"):
        collect_counts(world.settings, "run", LATER, everything=True)
    update(world.settings, world.exports, LATER)
    after = rows(world.settings, "SELECT * FROM metrics.portal_hours ORDER BY constituency_id, label")
    assert after.equals(before)
    assert world.statuses() == {"agrees": 18}


def test_what_is_known_is_asked_for_once_an_hour_and_confirmed_without_being_sent(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.collect(OPENING + timedelta(minutes=10))
    assert what_is_due(world.settings, OPENING + timedelta(minutes=55)) == (0, False)
    assert what_is_due(world.settings, OPENING + timedelta(minutes=64)) == (0, False)
    # One is over for more than two hours.
    assert what_is_due(world.settings, OPENING + timedelta(minutes=65)) == (2, False)
    done = collect_counts(world.settings, "run", OPENING + timedelta(minutes=65))
    assert (done.asked, done.unchanged, done.changed) == (2, 2, set())


def test_precincts_are_read_through_pages_that_move(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.portal.trouble = Trouble(moving_pages=1)
    assert world.collect() == []
    found = rows(
        world.settings, "SELECT precinct, sum(registered_voters) AS voters FROM metrics.portal_precincts GROUP BY 1"
    )
    assert sorted(map(tuple, found.itertuples(index=False))) == [("101", 750), ("102", 498), ("103", 252)]


def test_without_a_portal_the_error_says_what_to_set(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match="ELECTION_METRICS_PORTAL_URL"):
        collect_registry(make_settings("none"), "run")


def test_two_ballots_of_a_voter_are_told_apart(make_world: Callable[..., World]) -> None:
    """The second of three contracts is a vote for lists of parties, of the same voters."""
    world = make_world()
    other = sorted(world.replay.votings)[1]

    def of_parties(answer: Any) -> Any:
        if isinstance(answer["data"], dict) and "tikName" in answer["data"]:
            answer["data"]["votings"][0]["type"] = "UNION"
        return answer

    world.changed[other] = of_parties
    world.collect()
    found = rows(
        world.settings, "SELECT kind, constituencies, registered_voters FROM metrics.election_kinds ORDER BY 1"
    )
    assert [tuple(row) for row in found.itertuples(index=False)] == [("SINGLE", 2, 1000), ("UNION", 1, 500)]


def test_what_the_portal_takes_back_is_current_no_more(make_world: Callable[..., World]) -> None:
    """Points that vanish, a contract without an answer, and one that is listed no more."""
    world = make_world()
    world.collect()
    one, two, three = sorted(world.replay.votings)
    world.changed[one] = in_chart(lambda points: points.pop(3))
    world.changed[two] = lambda answer: {"data": []} if isinstance(answer["data"], list) else answer
    after = LATER + timedelta(hours=1)
    collect_counts(world.settings, "run", after, everything=True)
    assert world.statuses() == {"agrees": 11, "taken_back": 7}
    gone = rows(world.settings, "SELECT published_votes FROM metrics.portal_agreement WHERE status <> 'agrees'")
    assert gone["published_votes"].isna().all()
    update(world.settings, world.exports, after)
    assert [
        "1 of these hours were published before, and are not any more" in text for _, _, text in world.findings()
    ] == ["6 of these hours" not in text for _, _, text in world.findings()]
    unlisted = next(name for name, voting in world.replay.votings.items() if "Москва" in voting.region)

    def without(answer: Any) -> Any:
        answer["data"]["tiks"] = [tik for tik in answer["data"]["tiks"] if tik["tikId"] != unlisted]
        return answer

    world.changed["statistics/v2/election/district"] = without
    collect_registry(world.settings, "run", after)
    listed = rows(world.settings, "SELECT constituency_id FROM metrics.portal_contracts WHERE gone_at IS NULL")
    assert set(listed["constituency_id"]) == {one, two, three} - {unlisted}
    del world.changed["statistics/v2/election/district"]
    collect_registry(world.settings, "run", after)
    assert rows(world.settings, "SELECT 1 FROM metrics.portal_contracts WHERE gone_at IS NOT NULL").empty


def test_ballots_outside_the_published_hours_show_in_the_totals(make_world: Callable[..., World]) -> None:
    """The portal leaves out an hour; in another contract it has more votes in total than in its hours."""
    world = make_world()
    one, two, _ = sorted(world.replay.votings)

    def lost_hour(points: list[Any]) -> None:
        votes = points.pop(3)["metrics"]["countVote"]
        for point in points[3:]:
            if "totalCountVote" in point["metrics"]:
                point["metrics"]["totalCountVote"] -= votes

    def more_in_total(points: list[Any]) -> None:
        for point in points:
            if "totalCountVote" in point["metrics"]:
                point["metrics"]["totalCountVote"] += 1000

    world.changed |= {one: in_chart(lost_hour), two: in_chart(more_in_total)}
    world.collect()
    assert world.statuses() == {"agrees": 16, "differs": 2, "not_published": 1}  # one of them before the opening
    found = rows(
        world.settings,
        "SELECT constituency_id, votes_difference FROM metrics.portal_agreement WHERE status = 'differs'",
    )
    differences = dict(zip(found["constituency_id"], found["votes_difference"], strict=True))
    assert differences[two] == -1000
    assert differences[one] > 10


def test_half_hours_that_add_up_are_no_difference(make_world: Callable[..., World]) -> None:
    world = make_world()

    def in_halves(points: list[Any]) -> None:
        whole = points[:]
        for place, point in enumerate(whole[1:], start=1):
            metrics = point["metrics"]
            if "totalCountVote" not in metrics:
                continue
            first = {"countVote": metrics["countVote"], "countBlindSign": metrics["countBlindSign"],
                     "totalCountVote": metrics["totalCountVote"], "totalCountBlindSign": metrics["totalCountBlindSign"]}  # fmt: skip
            day, clock = whole[place - 1]["dateTime"].split()
            points.append({"dateTime": f"{day} {clock[:3]}30", "metrics": first})
            point["metrics"] = {**first, "countVote": 0, "countBlindSign": 0}

    world.changed[sorted(world.replay.votings)[0]] = in_chart(in_halves)
    world.collect()
    assert world.statuses() == {"agrees": 18, "not_an_hour": 6}
    assert world.findings() == []


def test_a_poorer_list_replaces_nothing(make_world: Callable[..., World]) -> None:
    """The newer hierarchy is refused; the older one, which says less, still answers."""
    world = make_world()
    first, *_ = world.replay.votings
    for folder in world.exports.rglob(first):
        shutil.rmtree(folder)
    world.collect()
    before = rows(world.settings, "SELECT * FROM metrics.portal_contracts ORDER BY constituency_id")
    missing = rows(world.settings, "SELECT sum(hours) AS hours FROM metrics.missing_input")["hours"][0]
    assert missing == 6
    older = {
        "voting/regions": {"data": {"regions": [{"code": 77, "description": "Москва"}]}},
        "elections/region/77/elections": {"data": {"elections": [{"elections": [{"electionId": "e"}]}]}},
        "elections/districts": {"data": [{"id": "d"}]},
        "statistics/voting": {"data": {"regionCode": 77, "electionName": "Другие", "districtName": "Окр", "votings": [
            {"counters": {"contractId": name, "all": 1, "issued": 1, "voted": 1}} for name in world.replay.votings
        ]}},
    }  # fmt: skip
    world.changed |= {name: lambda _, said=said: said for name, said in older.items()}
    world.changed["elections"] = lambda _: None
    world.collect(LATER + timedelta(hours=7))
    after = rows(world.settings, "SELECT * FROM metrics.portal_contracts ORDER BY constituency_id")
    assert after.drop(columns="seen_at").equals(before.drop(columns="seen_at"))
    assert rows(world.settings, "SELECT sum(hours) AS hours FROM metrics.missing_input")["hours"][0] == missing


def test_one_commission_with_another_name_leaves_no_election(make_world: Callable[..., World]) -> None:
    """Dumps have no names: the portal's election is the one of most of its contracts."""
    world = make_world()
    blocks = world.exports.parent / "blocks"
    blocks.mkdir()
    for _ in write_blocks(world.exports, blocks, "file", seconds=300):
        pass
    world.exports = blocks

    def renamed(answer: Any) -> Any:
        if isinstance(answer["data"], dict) and "tikName" in answer["data"]:
            answer["data"]["electionName"] = "Выборы (уточнено)"
        return answer

    world.changed[next(iter(world.replay.votings))] = renamed
    world.collect()
    assert list(rows(world.settings, "SELECT name FROM metrics.elections")["name"]) == [ELECTION]


def test_a_zone_that_was_stated_once_stays(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.collect()
    before = rows(world.settings, "SELECT * FROM metrics.constituencies ORDER BY constituency_id")

    def unsaid(answer: Any) -> Any:
        if isinstance(answer["data"], dict) and "tikName" in answer["data"]:
            answer["data"]["timeOffset"] = None
        return answer

    for contract in world.replay.votings:
        world.changed[contract] = unsaid
    world.collect(LATER + timedelta(hours=1))
    after = rows(world.settings, "SELECT * FROM metrics.constituencies ORDER BY constituency_id")
    columns = ["time_zone", "starts_at", "ends_at"]
    assert after[columns].equals(before[columns])


def test_precincts_that_cannot_be_read_fail_no_collection(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.changed["statistics/voting/uiks/search"] = lambda _: None
    world.collect()
    assert len(collect_counts(world.settings, "run", LATER, everything=True).errors) == 3
    assert world.statuses() == {"agrees": 18}


def test_one_answer_that_contradicts_itself_fails_no_collection(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.changed[sorted(world.replay.votings)[0]] = in_chart(lambda points: points.append(dict(points[2])))
    assert len(world.collect()) == 1
    again = collect_counts(world.settings, "run", LATER + timedelta(hours=1))  # it alone is due
    assert (again.asked, len(again.errors)) == (1, 1)
    assert world.statuses() == {"agrees": 12}
