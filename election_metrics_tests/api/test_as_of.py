"""Every answer that was given can be asked for again, as of then."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import hourly_stats
from election_metrics_tests.api.conftest import Api
from election_metrics_tests.computing import rows

_OF_THE_PRESENT = (
    "/thresholds", "/reference/constituencies", "/reference/elections", "/audit", "/input-notes",
    "/quarantine",
)  # fmt: skip


def paths_of(api: Api) -> list[str]:
    """Read endpoints of figures and findings, with ids that exist."""
    election = api.data("/elections")[0]["election_id"]
    constituency, other = (row["constituency_id"] for row in api.data(f"/election/{election}/constituencies?limit=2"))
    finding = rows(api.settings, "SELECT anomaly_id FROM metrics.anomalies")["anomaly_id"]
    return [
        "/elections", f"/election/{election}", "/dashboard/summary", f"/dashboard/detailed?election={election}",
        f"/election/{election}/constituencies", "/constituencies", f"/constituency/{constituency}",
        f"/constituency/{constituency}/time-period?period=day", f"/compare-constituencies?ids={constituency}&ids={other}",
        f"/hourly-stats/constituency/{constituency}", f"/hourly-stats/election/{election}",
        "/hourly-stats/highest-anomaly-counts", "/anomalies", *(f"/anomalies/{name}" for name in finding[:1]),
        *(f"/anomalies/{name}/series" for name in finding[:1]),
    ]  # fmt: skip


def change_everything(api: Api) -> None:
    """Corrects every figure, as a late file would, and waits until the API has heard of it."""
    heard = api.get("/elections").json()
    with transaction(api.settings) as connection:
        for name in (
            "hourly_stats",
            "election_hours",
            "constituency_metrics",
            "election_summaries",
            "region_summaries",
        ):
            connection.execute(sa.text(f"UPDATE metrics.{name} SET votes_cast = votes_cast + 1"))
        connection.execute(sa.text("UPDATE metrics.anomalies SET explanation = 'another one'"))
        connection.execute(sa.text("UPDATE metrics.constituencies SET name = 'renamed', registered_voters = 1"))
        notify(connection, hourly_stats, [None])
    until = time.monotonic() + 10
    while api.get("/elections").json() == heard and time.monotonic() < until:
        time.sleep(0.02)


def with_as_of(path: str, moment: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}as_of={moment.replace('+', '%2B')}"


def test_every_read_endpoint_gives_what_it_gave(api: Api) -> None:
    given = {path: api.get(path) for path in paths_of(api)}
    assert {path: answer.status_code for path, answer in given.items() if answer.status_code != 200} == {}
    change_everything(api)
    for path, before in given.items():
        was = before.json()
        assert api.get(path).json()["data"] != was["data"], path
        again = api.get(with_as_of(path, was["meta"]["known_at"]))
        assert again.status_code == 200, again.text
        assert again.json()["data"] == was["data"], path
        assert again.json()["meta"] == was["meta"], path
        assert again.headers["x-known-at"] == before.headers["x-known-at"] == was["meta"]["known_at"]


def test_every_version_of_a_total_is_what_was_shown_then(api: Api) -> None:
    election = api.data("/elections")[0]["election_id"]
    place = api.data(f"/election/{election}/constituencies?limit=1")[0]["constituency_id"]
    for changes in ("votes_cast = votes_cast + 1", "coverage = 1", "votes_cast = votes_cast + 1"):
        with transaction(api.settings) as connection:
            connection.execute(sa.text("SELECT set_config('election_metrics.causes', '{\"late file\"}', true)"))
            connection.execute(sa.text(f"UPDATE metrics.election_summaries SET {changes}"))
            if "votes" in changes:
                connection.execute(sa.text(f"UPDATE metrics.constituency_metrics SET {changes}"))
            notify(connection, hourly_stats, [None])
    for asked, path in ((f"election={election}", f"/election/{election}"),
                        (f"constituency={place}", f"/constituency/{place}")):  # fmt: skip
        versions = [row for row in api.data(f"/versions?{asked}") if row["election_id"] == election]
        assert [row["causes"] for row in versions[:2]] == [["late file"], ["late file"]]
        assert versions[0]["known_until"] is None
        assert [row["known_until"] for row in versions[1:]] == [row["known_from"] for row in versions[:-1]]
        names = ("votes_cast", "bulletins_issued", "registered_voters", "participation_rate")
        for row in versions:
            shown = api.get(with_as_of(path, row["known_from"])).json()["data"]
            assert {name: row[name] for name in names} == {name: shown[name] for name in names}
        assert [row["votes_cast"] for row in versions[:3]] == [versions[0]["votes_cast"] - back for back in range(3)]


def test_it_is_in_csv_too(api: Api) -> None:
    before = api.get("/elections.csv")
    moment = before.headers["x-known-at"]
    change_everything(api)
    assert api.get(with_as_of("/elections.csv", moment)).text == before.text
    assert api.get("/elections.csv").text != before.text


def test_before_anything_was_known_there_is_nothing(api: Api) -> None:
    assert api.get("/elections?as_of=2020-01-01T00:00Z").json()["data"] == []
    election = api.data("/elections")[0]["election_id"]
    assert api.get(f"/election/{election}?as_of=2020-01-01T00:00Z").status_code == 404


def test_a_moment_to_come_and_what_has_no_history_say_what_to_do(api: Api) -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%MZ")
    answer = api.get(f"/elections?as_of={ahead}")
    assert answer.status_code == 422
    assert "is to come; leave it out for what is known now" in answer.json()["detail"]
    assert api.get("/elections?as_of=yesterday").status_code == 422


@pytest.mark.parametrize("path", _OF_THE_PRESENT)
def test_what_has_no_history_says_so(api: Api, operator: dict[str, str], path: str) -> None:
    answer = api.get(with_as_of(path, "2026-09-18T14:00Z"), **operator)
    assert answer.status_code == 422
    assert "there is no parameter 'as_of' here" in answer.json()["detail"]
