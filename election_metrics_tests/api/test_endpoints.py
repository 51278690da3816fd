"""The endpoints give what the tables hold."""

import codecs
import csv
import io
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.constituency_queries import SORTABLE
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.guidance import EXPECTED_FROM, LOOK_AT
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.reports import read_summaries
from election_metrics.warehouse.tables import constituencies, election_summaries
from election_metrics_tests.api.conftest import Api, serve
from election_metrics_tests.computing import rows, update
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.exports import HOUR, OTHER, Folder, ms, vote


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
        # What people open in a browser goes to Excel, which knows UTF-8 by its mark.
        assert by_path.content == codecs.BOM_UTF8 + api.get(path, accept="text/csv").content
        read = list(csv.DictReader(io.StringIO(by_path.content.decode("utf-8-sig"))))
        assert [row["computed_at"] for row in read] == [row["computed_at"] for row in as_json]
        assert [row["votes_cast"] for row in read] == [str(row["votes_cast"]) for row in as_json]


def questions(api: Api) -> list[str]:
    """Every path of the API that answers as CSV, asked of the first election and its first constituency."""
    election, constituency = api.data("/elections")[0]["election_id"], api.data("/constituencies")[0]["constituency_id"]
    finding = api.data("/anomalies")[0]["anomaly_id"]
    found = []
    for path, ways in api.get("/openapi.json").json()["paths"].items():
        if "text/csv" in ways.get("get", {}).get("responses", {}).get("200", {}).get("content", {}):
            named = path.removeprefix("/api/v1").format(
                election_id=election, constituency_id=constituency, anomaly_id=finding
            )
            needs = {"/compare-constituencies": f"?ids={constituency}&ids={constituency}x",
                     "/dashboard/detailed": f"?election={election}", "/sources": f"?constituency={constituency}"}  # fmt: skip
            found.append((named, needs.get(named, "")))
    other = api.data("/constituencies")[1]["constituency_id"]
    return [f"{path}.csv{asked.replace(constituency + 'x', other)}" for path, asked in found]


def test_every_shape_in_the_description_has_a_name_of_its_own(api: Api) -> None:
    shapes = api.get("/openapi.json").json()["components"]["schemas"]
    assert {"Problem", "SystemProblem"} < shapes.keys()
    # Where two have one name, each is called by its module too: election_metrics__api__….
    assert not [name for name in shapes if name.startswith("election_metrics__")]


def test_every_csv_has_a_header_that_says_the_election_whether_it_has_rows_or_not(
    api: Api, operator: dict[str, str]
) -> None:
    asked = questions(api)
    assert len(asked) > 15
    with_rows = {path: api.get(path, **operator).content.decode("utf-8-sig").splitlines() for path in asked}
    assert sum(len(lines) > 1 for lines in with_rows.values()) > 15
    for path, lines in with_rows.items():
        assert "election_id" in lines[0].split(","), path
    with transaction(api.settings) as connection:
        for table in ("anomalies", "hourly_stats", "election_hours", "constituency_metrics", "participation_extremes"):
            connection.execute(sa.text(f"DELETE FROM metrics.{table}"))
        connection.execute(sa.text("DELETE FROM ingest.rejected_transactions"))
        connection.execute(sa.text("DELETE FROM ingest.transaction_files"))
        notify(connection, election_summaries, [None])
    wait_for("the commit", lambda: len(api.get("/anomalies.csv").text.splitlines()) == 1, 3)
    without = {
        path: api.get(path, **operator).content.decode("utf-8-sig").splitlines()
        for path in with_rows
        if not path.startswith("/anomalies/")
    }
    assert {path: lines[0] for path, lines in without.items()} == {path: with_rows[path][0] for path in without}
    assert sum(len(lines) == 1 for lines in without.values()) > 8


def test_a_csv_has_every_column_that_its_rows_have_as_json(api: Api, operator: dict[str, str]) -> None:
    for path in questions(api):
        name, _, asked = path.partition(".csv")
        data = api.get(f"{name}?{asked.lstrip('?')}", **operator).json()["data"]
        row = (data["hours"] if name == "/dashboard/detailed" else data if isinstance(data, list) else [data])[:1]
        row = [one["constituency"] if name == "/compare-constituencies" else one for one in row]
        heading = set(api.get(path, **operator).content.decode("utf-8-sig").splitlines()[0].split(","))
        lacking = {key for one in row for key in one} - heading
        assert lacking <= ({"missing", "findings"} if name.startswith("/constituency/") else set()), path


def test_names_are_listed_in_the_order_of_their_numbers(api: Api) -> None:
    names = [
        "Округ №10",
        "Округ №2",
        "Округ №1",
        "Округ №02",
        "Округ №100 корп. 9",
        "Округ №100 корп. 10",
        "Округ",
        "Б",
    ]
    ids = rows(api.settings, "SELECT constituency_id FROM metrics.constituencies ORDER BY 1")["constituency_id"]
    assert len(ids) >= len(names)
    with transaction(api.settings) as connection:
        for one, name in itertools.zip_longest(ids, names):
            connection.execute(
                sa.update(constituencies).filter_by(constituency_id=one).values(name=name, region=name or "Я")
            )
        notify(connection, election_summaries, [None])
    wanted = [
        "Б",
        "Округ",
        "Округ №1",
        "Округ №02",
        "Округ №2",
        "Округ №10",
        "Округ №100 корп. 9",
        "Округ №100 корп. 10",
    ]
    wait_for("the commit", lambda: api.data("/constituencies?q=Б&limit=1"), 3)
    for sort in ("name", "region"):
        found = [row["name"] for row in walk(api, f"/constituencies?sort={sort}&limit=3") if row["name"]]
        assert [name for name in found if name != "Округ №02"] == [name for name in wanted if name != "Округ №02"]
        assert abs(found.index("Округ №02") - found.index("Округ №2")) == 1, "equal numbers stand together"
        backwards = [row["name"] for row in walk(api, f"/constituencies?sort={sort}&limit=3&descending=true")]
        known = [name for name in backwards if name]
        assert [name for name in known if "№02" not in name] == [name for name in wanted[::-1] if "№02" not in name]


def test_elections_are_listed_in_the_order_of_their_numbers_in_the_terminal_too(api: Api) -> None:
    ids = rows(api.settings, "SELECT election_id FROM metrics.elections")["election_id"]
    with transaction(api.settings) as connection:
        for one, name in zip(ids, ("Vote 10", "Vote 2"), strict=True):
            connection.execute(sa.text("UPDATE metrics.elections SET name = :name, starts_at = NULL WHERE election_id = :one"),
                               {"name": name, "one": one})  # fmt: skip
        connection.execute(sa.update(election_summaries).values(transaction_count=1))
        notify(connection, election_summaries, [None])
        assert list(read_summaries(connection)["name"]) == ["Vote 2", "Vote 10"]
    wait_for("the commit", lambda: [one["name"] for one in api.data("/elections")] == ["Vote 2", "Vote 10"], 3)


def test_running_rates_are_the_apis_own_and_unknown_where_the_headline_is(api: Api, tmp_path: Path) -> None:
    election = api.data("/elections")[0]
    path = f"/hourly-stats/election/{election['election_id']}"
    last = api.data(path)[-1]
    assert last["running_participation_rate"] == pytest.approx(election["participation_rate"])
    assert last["running_issue_rate"] == pytest.approx(election["issue_rate"])
    assert last["running_gap_rate"] == pytest.approx(election["gap_rate"])
    for place in walk(api, "/constituencies?reporting=true"):
        hours = api.data(f"/hourly-stats/constituency/{place['constituency_id']}")
        assert hours[-1]["running_votes"] == place["votes_cast"]
        for running, rate in (("running_participation_rate", "participation_rate"), ("running_issue_rate", "issue_rate"),
                              ("running_gap_rate", "gap_rate")):  # fmt: skip
            assert hours[-1][running] == pytest.approx(place[rate]), rate
        some = api.data(f"/hourly-stats/constituency/{place['constituency_id']}?from={hours[-1]['hour']}")
        assert some == hours[-1:], "running totals count from the first hour, whichever is asked for"
    # A constituency without a register that sends votes: from that hour on no rate of the election is known.
    known = [row["running_participation_rate"] for row in api.data(path)]
    assert None not in known
    place = tmp_path / "39 - Калининградская область" / election["name"] / "Округ №98" / OTHER
    Folder(place).put(vote("nobody-knows", ms(1, hour=5)), contract=OTHER)
    update(api.settings, tmp_path)
    wait_for("the commit", lambda: api.data(path)[-1]["running_participation_rate"] is None, 5)
    for before, hour in zip(known, api.data(path), strict=True):
        is_known = datetime.fromisoformat(hour["hour"]) < HOUR + timedelta(hours=5)
        assert hour["running_participation_rate"] == (before if is_known else None)
        assert (hour["running_issue_rate"] is not None) == is_known
    (summary,) = [one for one in api.data("/elections") if one["election_id"] == election["election_id"]]
    assert summary["participation_rate"] is None
    for hour in api.data(f"/hourly-stats/constituency/{OTHER}"):
        assert (hour["running_participation_rate"], hour["running_issue_rate"]) == (None, None)


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
    assert api.get("/elections", host="evil.example").status_code == 421


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
        answer = api.get("/elections").json()
        assert answer["meta"].pop("known_at") is not None
        assert answer == {
            "meta": {"as_of": None, "run_id": None, "run_url": None, "coverage": None, "last_transaction_at": None},
            "data": [],
        }
        assert api.get("/elections.csv").content.startswith(codecs.BOM_UTF8 + b"election_id,name,starts_at,")


def test_the_picture_of_a_finding_has_the_hours_of_its_place(api: Api) -> None:
    assert api.get("/anomalies/none-there/series").status_code == 404
    found = api.data("/anomalies?limit=500")
    assert found
    for one in found:
        assert one["look_at"] == LOOK_AT[one["rule"]]
        assert (one["expected_from"] is None) == (one["rule"] not in EXPECTED_FROM)
        spans = api.data(f"/anomalies/{one['anomaly_id']}/series")
        place = "constituency_id = :place" if one["constituency_id"] else "CAST(:place AS text) IS NULL"
        with transaction(api.settings) as connection:
            hours = connection.execute(
                sa.text(
                    f"SELECT hour, sum(votes_cast)::bigint FROM metrics.hourly_stats WHERE election_id = :election AND {place} "
                    "GROUP BY hour"
                ),
                {"election": one["election_id"], "place": one["constituency_id"]},
            )
            votes = {hour: count for hour, count in hours}
        starts = {datetime.fromisoformat(span["starts_at"]): span["votes_cast"] for span in spans}
        assert {hour: votes[hour] for hour in starts} == starts or (one["region"] and not one["constituency_id"])
        window = [hour for hour in votes if one["window_start"] <= f"{hour:%Y-%m-%dT%H:%M:%SZ}" < one["window_end"]]
        assert set(window) <= set(starts)
