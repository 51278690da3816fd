"""What is written through the API is what the tables hold, and what cannot be right is refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from election_metrics.api.refresh import hours_to_refresh
from election_metrics.api.tokens import create_token
from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.registry import refresh_registry, registry_is_behind
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import CHANNEL
from election_metrics_tests.api.conftest import Api
from election_metrics_tests.computing import NOW, rows
from election_metrics_tests.end_to_end.running import wait_for

NEW = "BsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"


def test_reference_data_is_created_changed_and_deleted_and_the_registry_follows(
    api: Api, operator: dict[str, str]
) -> None:
    path = f"/reference/constituencies/{NEW}"
    said = {"name": "Округ №99", "registered_voters": 12, "starts_at": "2026-09-18T08:00+12:00"}
    assert api.ask("PUT", path, said, **operator).status_code == 204
    (stored,) = api.data("/reference/constituencies")
    assert (stored["name"], stored["registered_voters"], stored["region"]) == ("Округ №99", 12, None)
    assert (stored["starts_at"], stored["set_by"]) == ("2026-09-17T20:00:00Z", "anna")
    assert registry_is_behind(api.settings)
    refresh_registry(api.settings, "run", NOW)
    wait_for("the registry", lambda: api.get(f"/constituency/{NEW}").status_code == 200, 2)
    assert api.data(f"/constituency/{NEW}")["registered_voters"] == 12
    assert api.ask("PUT", path, {"name": "Other"}, **operator).status_code == 204
    (stored,) = api.data("/reference/constituencies")
    assert (stored["name"], stored["registered_voters"]) == ("Other", None), "what is not said again is taken back"
    assert api.ask("DELETE", path, **operator).status_code == 204
    assert api.data("/reference/constituencies") == []
    assert api.ask("DELETE", path, **operator).status_code == 404


def test_who_writes_reads_it_in_the_next_answer_whatever_postgresql_tells(api: Api, operator: dict[str, str]) -> None:
    path = f"/reference/constituencies/{NEW}"
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    with transaction(api.settings) as connection:
        connection.execute(
            sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN {CHANNEL}'")
        )
    wait_for("word of it", lambda: not api.get("/status").json()["is_listening"], 3)
    for number in range(5):
        assert api.ask("PUT", path, {"registered_voters": number}, **operator).status_code == 204
        (stored,) = api.data("/reference/constituencies")
        assert stored["registered_voters"] == number


def test_an_elections_name_and_times_are_said_in_local_wall_clocks(api: Api, operator: dict[str, str]) -> None:
    election = api.data("/elections")[0]["election_id"]
    said = {
        "name": "The vote",
        "time_zone": "Asia/Omsk",
        "opens_at": "2026-09-18T08:00",
        "closes_at": "2026-09-20T20:00",
    }
    assert api.ask("PUT", f"/reference/elections/{election}", said, **operator).status_code == 204
    (stored,) = api.data("/reference/elections")
    assert (stored["opens_at"], stored["closes_at"]) == ("2026-09-18T08:00:00", "2026-09-20T20:00:00")
    refresh_registry(api.settings, "run", NOW)
    wait_for("the name", lambda: "The vote" in [one["name"] for one in api.data("/elections")], 2)
    assert api.data(f"/election/{election}")["time_zone"] == "Asia/Omsk"
    assert "Asia/Omsk" not in [place["time_zone"] for place in api.data(f"/election/{election}/constituencies")]
    assert api.ask("PUT", "/reference/elections/nowhere", said, **operator).status_code == 404
    assert api.ask("DELETE", f"/reference/elections/{election}", **operator).status_code == 204


def test_thresholds_and_states_are_set_and_taken_back(api: Api, operator: dict[str, str]) -> None:
    election = api.data("/elections")[0]["election_id"]
    path = f"/thresholds/{election}/spike/ratio"
    assert api.ask("PUT", path, {"value": 4.5}, **operator).status_code == 204
    (stored,) = api.data("/thresholds")
    assert (stored["value"], stored["set_by"]) == (4.5, "anna")
    (spike,) = [rule for rule in api.data(f"/rules?election={election}") if rule["name"] == "spike"]
    (ratio,) = [one for one in spike["thresholds"] if one["name"] == "ratio"]
    assert (ratio["value"], ratio["default"]) == (4.5, 3)
    assert api.ask("DELETE", path, **operator).status_code == 204
    assert api.data("/thresholds") == []
    finding = api.data("/anomalies")[0]["anomaly_id"]
    for state in ("acknowledged", "resolved", "open"):
        assert api.ask("PUT", f"/anomalies/{finding}/state", {"state": state}, **operator).status_code == 204
        wait_for(state, lambda wanted=state: api.data(f"/anomalies/{finding}")["state"] == wanted, 1)
    (stored,) = rows(api.settings, f"SELECT state_by FROM metrics.anomalies WHERE anomaly_id = '{finding}'")["state_by"]
    assert stored == "anna"


@pytest.mark.parametrize(
    ("path", "said", "status", "says"),
    [
        (f"/reference/constituencies/{NEW}", {"registered_voters": -1}, 422, "registered_voters"),
        (f"/reference/constituencies/{NEW}", {"time_zone": "Mars/Olympus"}, 422, "IANA time zone"),
        (f"/reference/constituencies/{NEW}", {"time_zone": "localtime"}, 422, "IANA time zone"),
        (f"/reference/constituencies/{NEW}", {"starts_at": "0001-01-01T00:00:00+23:59"}, 422, "between 2000 and 2100"),
        (f"/reference/constituencies/{NEW}", {"votes_cast": 5}, 422, "votes_cast: Extra inputs"),
        (f"/reference/constituencies/{NEW}", {"starts_at": "2026-09-18T08:00"}, 422, "must have a zone"),
        (f"/reference/constituencies/{NEW}", {"name": "a\0b"}, 422, "NUL"),
        (
            f"/reference/constituencies/{NEW}",
            {"starts_at": "2026-09-20T08:00Z", "ends_at": "2026-09-18T08:00Z"},
            422,
            "ends_at is not after starts_at",
        ),
        ("/reference/constituencies/none", {}, 422, "constituency_id"),
        ("/reference/elections/x", {"opens_at": "2026-09-18T08:00+03:00"}, 422, "no zone"),
        ("/thresholds/x/spike/ratio", {"value": 4}, 404, "there is no election 'x'"),
        ("/thresholds/x/nothing/ratio", {"value": 4}, 404, "there is no rule 'nothing'"),
        ("/thresholds/x/spike/ratio", {"value": 0}, 422, "greater than 0"),
        ("/anomalies/none/state", {"state": "open"}, 404, "there is no finding 'none'"),
        ("/anomalies/none/state", {"state": "gone"}, 422, "state"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words_and_changes_nothing(
    api: Api, operator: dict[str, str], path: str, said: object, status: int, says: str
) -> None:
    answer = api.ask("PUT", path, said, **operator)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text
    assert rows(api.settings, "SELECT * FROM ingest.audit_log WHERE who = 'anna'").empty


def test_an_invalidated_answer_is_read_anew_and_others_are_kept(api: Api, operator: dict[str, str]) -> None:
    election = sorted(api.data("/elections"), key=lambda one: one["constituencies_reporting"])[-1]["election_id"]
    one, other, *_ = api.data(f"/constituencies?election={election}&sort=votes_cast&descending=true")
    asked = [f"/constituency/{one['constituency_id']}", f"/constituency/{other['constituency_id']}",
             f"/election/{one['election_id']}"]  # fmt: skip

    def misses(path: str) -> int:
        before = api.get("/status").json()["cache_misses"]
        api.data(path)
        return int(api.get("/status").json()["cache_misses"]) - before

    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    for path in asked:
        misses(path)
    assert [misses(path) for path in asked] == [0, 0, 0]
    answer = api.ask("POST", f"/invalidate-cache/constituency/{one['constituency_id']}", **operator)
    assert answer.json() == {"invalidated": f"constituency {one['constituency_id']}"}
    wait_for("the constituency", lambda: misses(asked[0]) == 1, 2)
    assert misses(asked[1]) == 0
    api.ask("POST", f"/invalidate-cache/election/{one['election_id']}", **operator)
    wait_for("the election", lambda: misses(asked[1]) == 1, 2)
    misses(asked[2])
    api.ask("POST", "/invalidate-cache/dashboard", **operator)
    wait_for("everything", lambda: misses(asked[2]) == 1, 2)
    assert api.ask("POST", f"/invalidate-cache/constituency/{NEW}", **operator).status_code == 404


def test_a_refresh_without_dagster_says_so(api: Api, operator: dict[str, str]) -> None:
    answer = api.ask("POST", "/refresh", {}, **operator)
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["detail"]
    for said, says in (
        ({"from": "2026-09-18T05:30Z"}, "is not a whole hour"),
        ({"from": "2026-09-18T05:00Z", "to": "2026-09-18T04:00Z"}, "`from` is after `to`"),
        ({"to": "2099-01-01T00:00Z"}, "in the future"),
        ({"from": "2026-01-01T00:00Z", "to": "2026-09-18T04:00Z"}, "at most 168 hours"),
    ):
        answer = api.ask("POST", "/refresh", said, **operator)
        assert (answer.status_code, says in answer.json()["detail"]) == (422, True), answer.text


def test_the_hours_of_a_refresh_default_to_the_present_one_and_the_one_before() -> None:
    now = datetime(2026, 9, 18, 8, 20, tzinfo=UTC)
    hour = timedelta(hours=1)
    present = now.replace(minute=0)
    assert hours_to_refresh(None, None, now, 168) == (present - hour, present)
    assert hours_to_refresh(present - 5 * hour, None, now, 168) == (present - 5 * hour, present - 4 * hour)
    assert hours_to_refresh(None, present - 5 * hour, now, 168) == (present - 6 * hour, present - 5 * hour)
    with pytest.raises(ElectionMetricsError, match="at most 3 hours"):
        hours_to_refresh(present - 3 * hour, present, now, 3)


def test_many_changes_at_once_leave_the_readers_their_connections(api: Api, operator: dict[str, str]) -> None:
    finding = api.data("/anomalies")[0]["anomaly_id"]

    def settle(number: int) -> int:
        state = ("open", "acknowledged")[number % 2]
        return api.ask("PUT", f"/anomalies/{finding}/state", {"state": state}, **operator).status_code

    with ThreadPoolExecutor(30) as pool:
        begun = [pool.submit(settle, number) for number in range(30)]
        assert api.get("/anomalies?limit=7").status_code == 200
        assert {one.result() for one in begun} == {204}


def test_the_audit_is_as_fresh_as_the_figures(api: Api, operator: dict[str, str]) -> None:
    wait_for("the listener", lambda: api.get("/status").json()["is_listening"], 10)
    before = len(api.get("/audit", **operator).json()["data"])
    create_token(api.settings, "boris", ["read"], "test")
    wait_for("the entry", lambda: len(api.get("/audit", **operator).json()["data"]) == before + 1, 2)
