"""No answer is older than the last commit; whoever watches hears of it."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from election_metrics.api.cache import ResponseCache
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.changes import Change
from election_metrics.api.rendering import Reply
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.publication import compute_election_summaries
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import CHANNEL, notify
from election_metrics.warehouse.tables import election_summaries
from election_metrics_tests.api.conftest import Api
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.exports import Folder

pytestmark = pytest.mark.quiet


def commit(settings: Settings, election: str, votes: int) -> None:
    """Commits a summary with this many votes, as a run does."""
    with transaction(settings) as connection:
        values = {"votes_cast": votes, "computed_at": datetime.now(UTC)}
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**values))
        notify(connection, election_summaries, [election])


def an_election(settings: Settings) -> str:
    return str(rows(settings, "SELECT election_id FROM metrics.elections ORDER BY 1")["election_id"][0])


def test_the_answer_after_a_commit_is_that_of_the_commit(api: Api) -> None:
    election = an_election(api.settings)
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    for votes in range(1, 30):
        commit(api.settings, election, votes)
        begin = time.monotonic()
        while api.data(f"/election/{election}")["votes_cast"] != votes:
            assert time.monotonic() - begin < 1, "older than a blink"
    before = api.get("/status").json()
    for _ in range(20):
        api.data(f"/election/{election}")
    after = api.get("/status").json()
    assert after["cache_hits"] - before["cache_hits"] == 20
    assert after["cache_misses"] == before["cache_misses"]


def test_a_commit_of_one_election_leaves_the_answers_of_others(api: Api) -> None:
    one, other, *_ = rows(api.settings, "SELECT election_id FROM metrics.elections ORDER BY 1")["election_id"]
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    api.data(f"/election/{other}")
    commit(api.settings, one, 7)
    wait_for("the commit", lambda: api.data(f"/election/{one}")["votes_cast"] == 7, 2)
    before = api.get("/status").json()["cache_misses"]
    api.data(f"/election/{other}")
    assert api.get("/status").json()["cache_misses"] == before


def held_back() -> tuple[threading.Event, threading.Event, Callable[[sa.Connection], Reply]]:
    """A read that says when it has begun, and waits for a word before it ends."""
    reading, go_on = threading.Event(), threading.Event()

    def slow(_: sa.Connection) -> Reply:
        reading.set()
        go_on.wait(10)
        return Reply([{"n": 1}], [])

    return reading, go_on, slow


def test_what_was_read_before_a_commit_and_stored_after_it_is_never_given(voted: Settings) -> None:
    async def scene() -> list[int]:
        answers = ResponseCache(voted)
        read_now, go_on, slow = held_back()

        def fast(_: sa.Connection) -> Reply:
            return Reply([{"n": 2}], [])

        begun = asyncio.create_task(answers.get("x", "json", DependsOn("e"), {}, slow))
        await asyncio.to_thread(read_now.wait, 10)
        answers.invalidate(Change("t", "e", None, "100"))
        go_on.set()
        old = await begun
        new = await answers.get("x", "json", DependsOn("e"), {}, fast)
        return [json.loads(answer.data)[0]["n"] for answer in (old, new)]

    assert asyncio.run(scene()) == [1, 2]


def test_what_many_ask_for_at_once_is_read_once(api: Api) -> None:
    election = an_election(api.settings)
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    before = api.get("/status").json()["cache_misses"]
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda _: api.data(f"/dashboard/detailed?election={election}"), range(60)))
    assert all(one == found[0] for one in found)
    assert api.get("/status").json()["cache_misses"] == before + 1


def test_a_lost_listener_is_told_and_what_it_missed_is_not_given(api: Api) -> None:
    election = an_election(api.settings)
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    api.data(f"/election/{election}")
    with transaction(api.settings) as connection:
        killed = connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = :said"),
            {"said": f"LISTEN {CHANNEL}"},
        ).rowcount
        assert killed == 1
    wait_for("word of it", lambda: not api.get("/status").json()["is_listening"], 3)
    commit(api.settings, election, 4711)
    wait_for("the commit", lambda: api.data(f"/election/{election}")["votes_cast"] == 4711, 5)
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 5)


def test_the_registry_and_the_quarantine_are_as_fresh(api: Api, tmp_path: Path) -> None:
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    one = rows(api.settings, "SELECT constituency_id FROM metrics.constituencies")["constituency_id"][0]
    assert api.data(f"/constituency/{one}")["name"] != "Elsewhere"
    assert api.data("/quarantine?q=rubbish") == []
    (tmp_path / "reference.csv").write_text(f"constituency_id,name\n{one},Elsewhere\n", "utf-8")
    refresh_registry(api.settings.model_copy(update={"reference": tmp_path / "reference.csv"}), "run")
    wait_for("the name", lambda: api.data(f"/constituency/{one}")["name"] == "Elsewhere", 1)
    rubbish = Folder(tmp_path / "more").put("this is no line", name="rubbish")
    land(api.settings, rubbish, "run")
    wait_for("the line", lambda: api.data("/quarantine?q=rubbish"), 1)


def events(answer: requests.Response) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
        elif event:
            yield event
            event = {}


def listen(api: Api, **headers: str) -> Iterator[dict[str, str]]:
    answer = requests.get(f"{api.address}/api/v1/live", headers=headers, stream=True, timeout=20)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events(answer)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_stream_tells_of_each_commit_and_goes_on_where_it_broke(api: Api) -> None:
    election = an_election(api.settings)
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    stream = listen(api)
    first = {json.loads(next(stream)["data"])["election_id"] for _ in api.data("/elections")}
    assert election in first
    commit(api.settings, election, 100)
    begin = time.monotonic()
    event = next(stream)
    assert time.monotonic() - begin < 1
    assert (event["event"], json.loads(event["data"])["votes_cast"]) == ("summary", 100)
    compute_election_summaries(api.settings, "other", [election])
    commit(api.settings, election, 200)
    # Until PostgreSQL has told of the second commit, the first is what there is to tell.
    next(one for one in stream if one["event"] == "summary" and json.loads(one["data"])["votes_cast"] == 200)
    again = next(listen(api, **{"Last-Event-ID": event["id"]}))
    assert json.loads(again["data"])["votes_cast"] == 200


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_stream_tells_of_a_commit_that_comes_while_it_reads(api: Api) -> None:
    election = an_election(api.settings)
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    stream = (one for one in listen(api) if one["event"] == "summary")
    for _ in api.data("/elections"):
        next(stream)
    for votes in range(300, 305):
        with transaction(api.settings) as connection:
            connection.execute(sa.text("LOCK TABLE metrics.election_summaries IN ACCESS EXCLUSIVE MODE"))
            with transaction(api.settings) as other:
                notify(other, election_summaries, [election])
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'metrics.election_summaries'::regclass"
            wait_for("the stream to read", lambda: connection.execute(sa.text(waits)).all(), 10)  # noqa: B023 called at once
            values = {"votes_cast": votes, "computed_at": datetime.now(UTC)}
            connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**values))
            notify(connection, election_summaries, [election])
        begin = time.monotonic()
        assert json.loads(next(stream)["data"])["votes_cast"] == votes
        assert time.monotonic() - begin < 3


def test_a_watcher_who_goes_away_ends_the_reading_of_no_other(voted: Settings) -> None:
    async def scene() -> list[int]:
        answers = ResponseCache(voted)
        reading, go_on, slow = held_back()
        one, other = (asyncio.create_task(answers.get("x", "json", DependsOn("e"), {}, slow)) for _ in range(2))
        await asyncio.to_thread(reading.wait, 10)
        one.cancel()
        await asyncio.sleep(0.1)
        go_on.set()
        found = json.loads((await other).data)[0]["n"]
        return [found, answers.misses]

    assert asyncio.run(scene()) == [1, 1]
