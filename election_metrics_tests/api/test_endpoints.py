"""The endpoints give what the tables hold."""

import csv
import io
import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.queries import SORTABLE
from election_metrics_tests.api.conftest import Api, serve
from election_metrics_tests.computing import rows


def walk(api: Api, path: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    found, cursor = [], ""
    while cursor is not None:
        answer = api.get(path + cursor)
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        cursor = answer.json()["next"] and f"&cursor={answer.json()['next']}"
    return found


def test_every_election_has_the_figures_of_its_summary(api: Api) -> None:
    found = {row["election_id"]: row for row in api.data("/elections")}
    stored = rows(api.settings, "SELECT * FROM metrics.election_summaries")
    assert set(found) == set(stored["election_id"])
    for row in stored.itertuples():
        assert found[row.election_id]["votes_cast"] == row.votes_cast
        assert found[row.election_id]["participation_rate"] == row.participation_rate
        assert datetime.fromisoformat(found[row.election_id]["computed_at"]) == row.computed_at
    assert api.data("/dashboard/summary") == api.data("/elections")


def test_an_answer_says_when_by_which_run_and_on_how_much(api: Api) -> None:
    (summary, *_) = api.data("/elections")
    answer = api.get(f"/election/{summary['election_id']}")
    meta = answer.json()["meta"]
    assert (meta["as_of"], meta["run_id"], meta["run_url"]) == (
        summary["computed_at"], "run", "http://127.0.0.1:3000/runs/run"
    )  # fmt: skip
    assert meta["coverage"] == pytest.approx(summary["coverage"])
    assert answer.headers["x-as-of"] == meta["as_of"]
    assert float(answer.headers["x-coverage"]) == pytest.approx(summary["coverage"], abs=1e-4)


def test_hours_of_an_election_sum_up_to_its_summary_and_run_up_to_it(api: Api) -> None:
    for summary in api.data("/elections"):
        hours = api.data(f"/hourly-stats/election/{summary['election_id']}")
        for name in ("bulletins_issued", "votes_cast", "transaction_count", "anomaly_count"):
            assert sum(hour[name] for hour in hours) == summary[name], name
        assert hours[-1]["running_votes"] == summary["votes_cast"]
        assert hours[-1]["running_bulletins"] == summary["bulletins_issued"]
        assert hours[-1]["running_participation_rate"] == pytest.approx(summary["participation_rate"])
        (latest,) = api.data(f"/hourly-stats/election/{summary['election_id']}?latest=true")
        assert latest == hours[-1]
        # Running totals count from the election's first hour, whichever hours are asked for.
        some = api.data(
            f"/hourly-stats/election/{summary['election_id']}?from={hours[5]['hour']}&to={hours[7]['hour']}"
        )
        assert some == hours[5:8]
        day = hours[5]["hour"][:10]
        of_day = [hour for hour in hours if hour["hour"].startswith(day)]
        assert api.data(f"/hourly-stats/election/{summary['election_id']}?day={day}") == of_day


def test_a_constituency_is_the_same_in_every_answer(api: Api) -> None:
    (first, second, *_) = walk(api, "/constituencies?reporting=true&sort=votes_cast&descending=true&sparkline=true")
    one = first["constituency_id"]
    hours = api.data(f"/hourly-stats/constituency/{one}")
    assert sum(hour["votes_cast"] for hour in hours) == first["votes_cast"]
    assert [{name: hour[name] for name in ("hour", "bulletins_issued", "votes_cast")} for hour in hours] == first[
        "hours"
    ]
    detail = api.data(f"/constituency/{one}")
    assert {name: detail[name] for name in first if name != "hours"} == {n: v for n, v in first.items() if n != "hours"}
    days = api.data(f"/constituency/{one}/time-period?period=day")
    assert sum(day["votes_cast"] for day in days) == first["votes_cast"]
    compared = api.data(f"/compare-constituencies?ids={second['constituency_id']}&ids={one}")
    assert [each["constituency"]["constituency_id"] for each in compared] == [second["constituency_id"], one]
    assert compared[1]["hours"] == hours
    files = api.data(f"/sources?constituency={one}&from={hours[0]['hour']}&to={hours[0]['hour']}")
    assert files
    assert all(file["constituency_id"] == one and file["run_id"] == "run" for file in files)


@pytest.mark.parametrize("descending", ["false", "true"])
def test_pages_hold_each_constituency_once_in_order_whatever_the_sort(api: Api, descending: str) -> None:
    everything = set(rows(api.settings, "SELECT constituency_id FROM metrics.constituencies")["constituency_id"])
    for sort in SORTABLE:
        found = walk(api, f"/constituencies?sort={sort}&descending={descending}&limit=5")
        assert len(found) == len(everything) == len({row["constituency_id"] for row in found}), sort
        values = [row[sort] for row in found]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == known, f"{sort}: unknown values come last"
        if sort not in ("name", "region"):  # those are in the database's order of letters
            assert known == sorted(known, reverse=descending == "true"), sort


def test_search_filters_and_sees_special_characters_as_text(api: Api) -> None:
    found = walk(api, "/constituencies?limit=3")
    name = found[0]["name"]
    assert [row["name"] for row in walk(api, f"/constituencies?q={name.upper()}")].count(name) >= 1
    assert walk(api, "/constituencies?q=%25") == []
    region = found[0]["region"]
    assert {row["region"] for row in walk(api, f"/constituencies?region={region}")} == {region}
    silent = [row for row in found if not (row["bulletins_issued"] or 0) + (row["votes_cast"] or 0)]
    assert len(walk(api, "/constituencies?reporting=false")) == len(silent)


def test_findings_and_rejected_lines_page_through_to_the_end(api: Api) -> None:
    stored = rows(api.settings, "SELECT anomaly_id, severity FROM metrics.anomalies")
    found = walk(api, "/anomalies?limit=2")
    assert sorted(row["anomaly_id"] for row in found) == sorted(stored["anomaly_id"])
    order = ["critical", "warning", "info"]
    ranks = [order.index(row["severity"]) for row in found]
    assert ranks == sorted(ranks)
    lines = rows(api.settings, "SELECT content_id, line_number FROM ingest.rejected_transactions")
    assert len(lines) > 2
    found = walk(api, "/quarantine?limit=2")
    assert sorted((r["content_id"], r["line_number"]) for r in found) == sorted(map(tuple, lines.to_numpy().tolist()))


def test_csv_holds_what_json_holds(api: Api) -> None:
    election = api.data("/elections")[0]["election_id"]
    for path in ("/elections", f"/hourly-stats/election/{election}", f"/election/{election}/constituencies"):
        as_json = api.data(path)
        by_path = api.get(f"{path}.csv")
        assert by_path.headers["content-type"] == "text/csv; charset=utf-8"
        assert by_path.content == api.get(path, accept="text/csv").content
        read = list(csv.DictReader(io.StringIO(by_path.content.decode())))
        assert [row["computed_at"] for row in read] == [row["computed_at"] for row in as_json]
        assert [row["votes_cast"] for row in read] == [str(row["votes_cast"]) for row in as_json]


def test_an_unchanged_answer_is_not_sent_again(api: Api) -> None:
    for path in ("/elections", "/anomalies", "/elections.csv"):
        first = api.get(path)
        again = api.get(path, **{"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert api.get("/elections").headers["etag"] != api.get("/elections.csv").headers["etag"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/election/nowhere", 404, "there is no election 'nowhere'; /elections lists them"),
        ("/constituency/nobody", 404, "there is no constituency 'nobody'"),
        ("/nothing", 404, "openapi.json"),
        ("/anomalies?limit=0", 422, "limit: Input should be greater than or equal to 1"),
        ("/anomalies?cursor=%C3%A9", 422, "cursor is none of ours"),
        ("/constituencies?sort=votes_cast&cursor=WyJ4IiwgInkiXQ%3D%3D", 422, "cursor is none of ours"),
        ("/constituencies?q=%00", 422, "NUL"),
        ("/audit%0A", 422, "control character"),
        ("/audit%0a.csv", 422, "control character"),
        (
            "/sources?constituency=AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr&to=9999-12-31T23:30:00Z",
            422,
            "out of reach",
        ),
        ("/anomalies?cursor=WzFlMzAwLCJhIl0%3D", 422, "cursor is none of ours"),
        ("/anomalies?cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LCJhIl0%3D", 422, "cursor is none of ours"),
        ("/constituencies?cursor=WyJcdWQ4MDAiLCJhIl0%3D", 422, "cursor is none of ours"),
        (f"/constituencies?cursor={'W1tb' * 1900}", 422, "cursor is none of ours"),
    ],
)
def test_an_error_is_a_problem_that_says_what_to_do(api: Api, path: str, status: int, said: str) -> None:
    answer = api.get(path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_another_name_for_this_address_is_refused(api: Api) -> None:
    assert api.get("/elections", host="evil.example").status_code == 400


@pytest.fixture
def without_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("away")
    yield from serve(read_settings(home=home, database_url="postgresql://nobody:geheim@127.0.0.1:1/none"))


def test_without_its_database_it_answers_503_and_tells_no_password(without_database: Api) -> None:
    assert without_database.get("/health").status_code == 200
    for path in ("/ready", "/elections"):
        answer = without_database.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "geheim" not in answer.text


def test_an_empty_warehouse_has_answers(chosen: Settings) -> None:
    for api in itertools.islice(serve(chosen), 1):
        assert api.get("/elections").json() == {
            "meta": {"as_of": None, "run_id": None, "run_url": None, "coverage": None, "last_transaction_at": None},
            "data": [],
        }
        assert api.get("/elections.csv").content == b""
