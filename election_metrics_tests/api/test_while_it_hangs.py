"""A PostgreSQL that hangs keeps nobody waiting: what is known is answered, the rest is refused with what to do."""

import time
from datetime import UTC, datetime

import pytest
import requests
import sqlalchemy as sa

from election_metrics.pipeline.last_known import Known, LastKnown, write_last_known
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.release import refuse_other_connections
from election_metrics_tests.api.conftest import Api
from election_metrics_tests.end_to_end.running import hanging, wait_for

pytestmark = pytest.mark.quiet

WITHIN = 2.5
"""Two seconds, and what a busy machine adds."""


def timed(api: Api, path: str) -> tuple[float, requests.Response]:
    begin = time.monotonic()
    answer = api.get(path)
    return time.monotonic() - begin, answer


def test_what_is_known_is_answered_and_the_rest_is_refused_in_time(api: Api) -> None:
    problem = Known(key="database", severity="error", title="PostgreSQL does not answer", detail="why: it hangs",
                    since=datetime.now(UTC))  # fmt: skip
    known = LastKnown(problems=[problem], figures={"files_landed": 7}, figures_at=datetime.now(UTC))
    write_last_known(api.settings, known)
    before = api.get("/elections").json()
    assert api.get("/status").json()["database_answers"]
    with hanging(api.settings.database_url.get_secret_value()):
        took, answer = timed(api, "/constituencies?limit=7")  # before anybody knows
        assert (answer.status_code, took < WITHIN) == (503, True), took
        assert "PostgreSQL does not answer" in answer.json()["detail"]
        for path, status in {"/elections": 200, "/constituencies": 503, "/status": 200, "/ready": 503, "/health": 200,
                             "/problems": 200}.items():  # fmt: skip
            took, answer = timed(api, path)
            assert (path, answer.status_code, took < WITHIN) == (path, status, True), took
        assert api.ask("POST", "/sign-in", {"token": "none"}).status_code == 401, "not PostgreSQL's to say"
        assert api.ask("POST", "/sign-out").status_code == 204
        assert api.get("/elections").json()["data"] == before["data"]
        said = api.get("/status").json()
        assert (said["database_answers"], said["figures"]) == (False, {"files_landed": 7})
        assert [one["title"] for one in api.get("/problems").json()["problems"]] == ["PostgreSQL does not answer"]
    wait_for("an answer", lambda: api.get("/constituencies?limit=7").status_code == 200, 20)
    assert api.get("/status").json()["database_answers"]


def test_no_connection_of_the_api_looks_like_one_of_another_release(api: Api) -> None:
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    with transaction(api.settings.model_copy(update={"database_role": None})) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(sa.text(query)).scalar_one() >= 3, "answers, changes, pulse"
        refuse_other_connections(connection)
