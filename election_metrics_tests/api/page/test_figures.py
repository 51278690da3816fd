"""The figures on the page are those of the tables, in words that agree with them."""

import re
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from playwright.sync_api import expect

from election_metrics.api.page import FILES
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import constituencies, constituency_metrics, election_summaries, hourly_stats
from election_metrics_tests.api.page.conftest import Reader, commit, critical_finding, first_election

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


def test_the_figures_are_those_of_the_tables(reader: Reader) -> None:
    page = reader.open()
    election = first_election(reader)
    expect(page.locator("h1")).to_have_text(str(election["name"]))
    expect(page.locator(".rate strong")).to_have_text(f"{election['participation_rate']:.2f} %")
    expect(page.locator(".figures")).to_contain_text(f"{election['votes_cast']:,}")
    page.locator("#hours-chart + details summary").click()
    hours = reader.api.data(f"/hourly-stats/election/{election['election_id']}")
    read = page.locator("#hours-chart + details tbody tr")
    expect(read).to_have_count(len(hours))
    expect(read.first.locator("td").nth(1)).to_have_text(f"{hours[-1]['votes_cast']:,}")
    listed = page.locator(".constituencies tbody tr")
    everybody = reader.api.data(f"/election/{election['election_id']}/constituencies?sort=votes_cast&descending=true")
    assert [row.inner_text() for row in listed.locator("th a").all()] == [one["name"] for one in everybody]


def test_constituencies_side_by_side(reader: Reader) -> None:
    elections = sorted(reader.api.data("/elections"), key=lambda one: one["constituencies_total"])
    page = reader.open(f"?election={elections[-1]['election_id']}")
    for place in (0, 1, 2):
        page.locator(".constituencies .tick input").nth(place).check()
    expect(page.locator("table.compared thead th")).to_have_count(3)
    page.wait_for_url(re.compile("compare="))
    names = [row.inner_text() for row in page.locator(".constituencies tbody tr th a").all()[:3]]
    assert [link.inner_text() for link in page.locator("table.compared thead a").all()] == names
    page.locator("table.compared .remove").first.click()
    expect(page.locator("table.compared thead th")).to_have_count(2)
    page.reload()
    expect(page.locator("table.compared thead th")).to_have_count(2)


def test_every_figure_says_where_it_comes_from(reader: Reader) -> None:
    page = reader.open()
    for number in range(page.locator("main .source").count()):
        page.locator("main .source").nth(number).click()
        dialog = page.locator("dialog[open]")
        run = dialog.get_by_role("link", name="Open the run in the Dagster UI")
        assert (run.get_attribute("href") or "").startswith("http://127.0.0.1:3000/runs/")
        for kind in ("As JSON", "As CSV"):
            address = dialog.get_by_role("link", name=kind).get_attribute("href")
            answer = requests.get(f"{reader.api.address}{address}", timeout=10)
            assert answer.status_code == 200, address
            assert ("json" if kind == "As JSON" else "csv") in answer.headers["content-type"]
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def test_a_rate_that_the_headline_calls_unknown_is_not_drawn(reader: Reader) -> None:
    election = first_election(reader)
    page = reader.open(f"?election={election['election_id']}")
    axis = page.locator("#running-chart svg text")
    assert any("%" in text for text in axis.all_text_contents())
    commit(reader.api.settings, str(election["election_id"]), participation_rate=None, issue_rate=None)
    expect(page.locator(".rate strong")).to_have_text("not known")
    expect(page.locator("section:has(#running-chart) header")).to_contain_text("Running total")
    assert not any("%" in text for text in axis.all_text_contents())
    assert any(f"{election['votes_cast']:,}" in text for text in axis.all_text_contents())
    place = reader.api.data("/constituencies?sort=votes_cast&descending=true")[0]["constituency_id"]
    with transaction(reader.api.settings) as connection:
        for table in (constituency_metrics, hourly_stats, constituencies):
            said = {"participation_rate": None} if "participation_rate" in table.columns else {}
            connection.execute(sa.update(table).values(registered_voters=None, **said))
        notify(connection, election_summaries, [None])
    reader.open(f"?constituency={place}")
    expect(page.locator(".rate strong")).to_have_text("not known")
    assert not any("%" in text for text in page.locator("#place-running-chart svg text").all_text_contents())


def test_no_rate_is_computed_on_the_page() -> None:
    scripts = {file.name: file.read_text("utf-8") for file in (Path(str(FILES)) / "scripts").glob("*.js")}
    assert len(scripts) > 10
    divided = {name: re.findall(r"[^\n]*\* 100\)? /[^\n]*|[^\n]*/ \w*\.?(?:registered|running)[^\n]*", text)
               for name, text in scripts.items()}  # fmt: skip
    assert {name: lines for name, lines in divided.items() if lines} == {}


def test_shaded_hours_that_overlap_are_no_darker(reader: Reader) -> None:
    finding = critical_finding(reader)
    with transaction(reader.api.settings) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO metrics.anomalies SELECT (jsonb_populate_record(one, jsonb_build_object('anomaly_id', "
                "one.anomaly_id || number))).* FROM metrics.anomalies AS one, generate_series(1, 9) AS number "
                "WHERE severity = 'critical'"
            )
        )
    page = reader.open(f"?election={finding['election_id']}")
    expect(page.locator(".banner")).to_contain_text("10 critical findings")
    expect(page.locator('#hours-chart [data-part="critical hours"] rect')).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_words_agree_with_their_numbers(reader: Reader, language: str) -> None:
    page = reader.open()
    plural = {
        "en": r"\b1 (?:critical |constituency )?(?!is\b|has\b)[a-z]+(?<!s)s\b",
        "ru": r"\b1 (?:\w+ )?\w+(?:ов|ей|ых)\b",
    }
    counted = [
        "count",
        "days",
        "votes",
        "missing",
        "expected",
        "rows",
        "hours",
        "silent",
        "critical",
        "warning",
        "delivered",
    ]
    said = page.evaluate(
        "([language, counted]) => import('/files/scripts/words.js').then((words) => "
        "{ words.speak(language); return [1, 2, 5, 21].map((number) => words.everythingSaid(number, counted)); })",
        [language, counted],
    )
    assert not [text for words in said for text in words if "undefined" in text or "[object" in text]
    assert [text for text in said[0] if re.search(plural[language], text)] == []
    assert said[1] != said[2] or language == "en"


def test_names_on_the_page_are_in_the_order_of_their_numbers(reader: Reader) -> None:
    page = reader.open()
    names = ["Округ №10", "Округ №2", "Округ №1"]
    found = page.evaluate(
        "(names) => import('/files/scripts/format.js').then(({ inOrderOfNames }) => names.sort(inOrderOfNames))", names
    )
    assert found == ["Округ №1", "Округ №2", "Округ №10"]


def test_hours_of_a_constituency_run_up_to_its_turnout(reader: Reader) -> None:
    place = reader.api.data("/constituencies?sort=votes_cast&descending=true")[0]
    page = reader.open(f"?constituency={place['constituency_id']}")
    page.locator("section:has(#place-hours) summary").click()
    newest = page.locator("section:has(#place-hours) tbody tr").first
    expect(newest.locator("td").nth(2)).to_have_text(f"{place['participation_rate']:.2f} %")


def test_an_hour_without_a_row_is_zero_unless_its_input_is_missing(reader: Reader) -> None:
    page = reader.open()
    whole = page.evaluate(
        """() => import('/files/scripts/hours.js').then(({ wholeHours }) => wholeHours(
            [0, 1, 5].map((n) => ({ hour: `2026-09-18T0${n}:00:00Z`, votes_cast: n + 1, running_votes: 9, run_id: 'r' })),
            [{ missing_from: '2026-09-18T03:00:00Z', missing_to: '2026-09-18T04:00:00Z' }],
        ).map((row) => [row.hour.slice(11, 13), row.votes_cast, row.running_votes]))"""
    )
    assert whole == [["00", 1, 9], ["01", 2, 9], ["02", 0, 9], ["04", 0, 9], ["05", 6, 9]]
