"""Several APIs may share a Redis: what one read the other need not, and a commit ends it for both."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from redis import Redis

from election_metrics.api.tokens import create_token
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import election_summaries
from election_metrics_tests.api.conftest import Api, serve
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.redis_server import redis_server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with redis_server(tmp_path, 6390) as url, Redis.from_url(url) as client:
        yield client


def url_of(redis: Redis) -> str:
    return f"redis://127.0.0.1:{redis.get_connection_kwargs()['port']}/0"


@pytest.fixture
def pair(voted: Settings, redis: Redis) -> Iterator[tuple[Api, Api]]:
    shared = read_settings(cache_url=url_of(redis))
    for one in serve(shared):
        for other in serve(shared):
            for api in (one, other):
                wait_for("the listener", lambda api=api: api.get("/status").json()["is_listening"], 10)
            yield one, other


def commit(settings: Settings, election: str, votes: int) -> None:
    with transaction(settings) as connection:
        values = {"votes_cast": votes, "computed_at": datetime.now(UTC)}
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**values))
        notify(connection, election_summaries, {election: []})


def counts(api: Api) -> tuple[int, int]:
    status = api.get("/status").json()
    return status["cache_hits"], status["cache_misses"]


@pytest.mark.quiet  # it counts reads within moments of a commit
def test_what_one_read_the_other_gives_and_never_after_a_commit(pair: tuple[Api, Api]) -> None:
    one, other = pair
    election = one.data("/elections")[0]["election_id"]
    path = f"/election/{election}"
    for votes in range(1, 6):
        commit(one.settings, election, votes)
        wait_for("the commit", lambda votes=votes: one.data(path)["votes_cast"] == votes, 2)
        wait_for("it there", lambda votes=votes: other.data(path)["votes_cast"] == votes, 2)
        hits, misses = counts(other)
        given = other.get(path)
        assert given.json() == one.get(path).json()
        assert counts(other) == (hits + 1, misses)
    csv = one.get(f"{path}/constituencies.csv")
    hits, misses = counts(other)
    assert other.get(f"{path}/constituencies.csv").content == csv.content
    assert counts(other) == (hits + 1, misses), "the other had read it"


def test_nothing_in_redis_is_code(pair: tuple[Api, Api], redis: Redis) -> None:
    one, _ = pair
    one.data("/elections")
    kept = [redis.get(key) for key in redis.keys("election-metrics:*")]
    assert kept
    assert all(value.startswith(b"Stored:[") for value in kept), "JSON and text, no pickle"


def test_without_redis_answers_are_read_from_the_database(pair: tuple[Api, Api], redis: Redis) -> None:
    one, _ = pair
    election = one.data("/elections")[0]["election_id"]
    redis.shutdown()
    commit(one.settings, election, 4711)
    wait_for("the commit", lambda: one.data(f"/election/{election}")["votes_cast"] == 4711, 5)


def test_rates_and_sessions_hold_at_all_of_them_together(chosen: Settings, redis: Redis) -> None:
    shared = read_settings(cache_url=url_of(redis), api_reads="token", api_read_rate="6/hour")
    token = create_token(shared, "newsroom", ["read"], "test")
    with contextmanager(serve)(shared) as one, contextmanager(serve)(shared) as other:
        browser = requests.Session()
        assert browser.post(f"{one.address}/api/v1/sign-in", json={"token": token}, timeout=5).status_code == 204
        session = browser.cookies["election_metrics_session"]
        assert other.get("/elections", cookie=f"election_metrics_session={session}").status_code == 200
        kept = {key: redis.get(key) for key in redis.keys("election-metrics-session:*")}
        assert list(kept.values()) == [b'Session:["' + hashlib.sha256(token.encode()).hexdigest().encode() + b'"]']
        assert session.encode() not in b"".join(kept)
        assert browser.post(f"{other.address}/api/v1/sign-out", timeout=5).status_code == 204
        assert one.get("/elections", cookie=f"election_metrics_session={session}").status_code == 401

        answers = [api.get("/health").status_code for api in (one, other) * 4]
        assert answers == [200] * 5 + [429] * 3, "one was asked for just now"
        redis.shutdown()
        apart = [api.get("/health").status_code for api in (one, other) * 4]
        assert apart == [200] * 8, "while it is away each counts for itself"
        refused = browser.post(f"{one.address}/api/v1/sign-in", json={"token": token}, timeout=5)
        assert refused.status_code == 503
        assert "sessions are kept in Redis, which cannot be reached" in refused.json()["detail"]
