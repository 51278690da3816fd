"""What a reader of the page is promised, tried in a real Chromium."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, Route, expect

from election_metrics.api.page import FILES
from election_metrics.api.tokens import create_token
from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import (
    anomalies,
    constituencies,
    constituency_metrics,
    election_summaries,
    elections,
    hourly_stats,
    missing_input,
)
from election_metrics_tests.api.conftest import serve
from election_metrics_tests.api.page.conftest import Reader, reading
from election_metrics_tests.computing import rows

LIBRARIES = Path(__file__).parent / "libraries"
"""What only tests need: axe-core, which finds what a screen reader's user would stumble over."""
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


def commit(settings: Settings, election: str, **values: object) -> None:
    """Commits figures of an election's summary, as a run does."""
    with transaction(settings) as connection:
        values = {"computed_at": datetime.now(UTC), **values}
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**values))
        notify(connection, election_summaries, {election: []})


def first_election(reader: Reader) -> dict[str, object]:
    found: dict[str, object] = reader.api.data("/elections")[0]
    return found


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


def test_a_commit_is_on_the_page_within_two_seconds_without_a_reload(reader: Reader) -> None:
    page = reader.open()
    expect(page.locator(".pill.live")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    election = str(first_election(reader)["election_id"])
    for votes in (4_321, 4_322, 4_323):
        commit(reader.api.settings, election, votes_cast=votes)
        begin = time.monotonic()
        expect(page.locator(".figures")).to_contain_text(f"{votes:,}", timeout=2000)
        assert time.monotonic() - begin < 2
    assert page.evaluate("window.notReloaded")


def test_searching_filters_and_the_address_finds_it_again(reader: Reader) -> None:
    (place,) = reader.api.data("/constituencies?q=№99")
    wanted = place["name"]
    page = reader.open(f"?election={place['election_id']}")
    page.keyboard.press("/")
    page.keyboard.type(wanted)
    expect(page.locator(".constituencies tbody tr th").first).to_have_text(wanted)
    page.wait_for_url(re.compile("q="))
    page.reload()
    expect(page.locator("#search")).to_have_value(wanted)
    expect(page.locator(".constituencies tbody tr th").first).to_have_text(wanted)
    page.locator("#search").fill("no such place")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#search")).to_have_value("")


def test_sorting_says_so_and_sorts(reader: Reader) -> None:
    page = reader.open()
    page.get_by_role("button", name="Sort by Turnout, %").click()
    heading = page.locator('th[aria-sort="descending"]')
    expect(heading).to_contain_text("Turnout")
    page.wait_for_url(re.compile("sort=participation_rate"))
    page.wait_for_timeout(400)
    rates = [float(cell.inner_text().split()[0]) for cell in page.locator(".constituencies td.share").all()]
    assert rates == sorted(rates, reverse=True)
    page.get_by_role("button", name="Sort by Turnout, %").click()
    expect(page.locator('th[aria-sort="ascending"]')).to_contain_text("Turnout")


def test_a_constituency_has_a_link_of_its_own_its_sources_and_the_way_back(reader: Reader) -> None:
    page = reader.open()
    link = page.locator(".constituencies tbody tr th a").first
    name = link.inner_text()
    link.click()
    expect(page.locator("h1")).to_have_text(name)
    page.wait_for_url(re.compile("constituency="))
    page.locator("#place-files").scroll_into_view_if_needed()
    page.locator("section:has(#place-files) summary").click()
    files = reader.api.data(f"/sources?constituency={page.url.split('constituency=')[1].split('&')[0]}")
    expect(page.locator("section:has(#place-files) tbody tr")).to_have_count(len(files))
    page.reload()
    expect(page.locator("h1")).to_have_text(name)
    page.locator("a.back").click()
    expect(page.locator("h1")).to_have_text(str(first_election(reader)["name"]))
    page.go_back()
    expect(page.locator("h1")).to_have_text(name)
    page.goto(page.url.split("?")[0] + "?constituency=nobody")
    expect(page.locator("main")).to_contain_text("This constituency does not exist.")
    reader.excused = "404"


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


HOUR = timedelta(hours=1)


def vote_now(reader: Reader, election: str = "", **times: datetime) -> str:
    """An election (the first) votes now, and all of its input is here; its id."""
    election = election or str(first_election(reader)["election_id"])
    now = datetime.now(UTC)
    times = {"starts_at": now - 30 * HOUR, "ends_at": now + 30 * HOUR, **times}
    with transaction(reader.api.settings) as connection:
        for table in (elections, constituencies):
            connection.execute(sa.update(table).filter_by(election_id=election).values(**times))
        connection.execute(sa.delete(missing_input).filter_by(election_id=election))
        notify(connection, election_summaries, [election])
    commit(reader.api.settings, election)
    return election


def test_overdue_input_is_loud(reader: Reader) -> None:
    election = vote_now(reader)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with transaction(reader.api.settings) as connection:
        place = sa.select(constituencies.c.constituency_id).filter_by(election_id=election).limit(1)
        gap = {"missing_from": hour - 9 * HOUR, "missing_to": hour - 6 * HOUR, "hours": 3, "reason": "voting times",
               "constituency_id": connection.execute(place).scalar_one(), "election_id": election, "run_id": "run",
               "computed_at": hour}  # fmt: skip
        connection.execute(sa.insert(missing_input).values(gap))
    commit(reader.api.settings, election, coverage=97.0, hours_expected=100, hours_delivered=97)
    page = reader.open(f"?election={election}")
    expect(page.locator(".alarm.critical").first).to_contain_text(
        "Input is overdue. 3 constituency hours of this election are overdue"
    )
    expect(page.locator(".chip")).to_have_text("incomplete: 97 % of the input")
    commit(reader.api.settings, election, participation_rate=101.5)
    expect(page.locator("main")).to_contain_text("More votes than registered voters")
    expect(page.locator(".rate strong")).to_have_text("101.50 %")
    commit(reader.api.settings, election, participation_rate=None, constituencies_without_register=1)
    expect(page.locator(".rate strong")).to_have_text("not known")
    expect(page.locator(".alarm.warning")).to_contain_text("1 constituency has no known register")


@pytest.mark.parametrize("hours", [0.2, 1, 9, 29])
def test_a_silent_night_is_no_alarm_while_every_file_is_there(reader: Reader, hours: float) -> None:
    election = vote_now(reader)
    newest = datetime.now(UTC) - timedelta(hours=hours)
    commit(reader.api.settings, election, last_transaction_at=newest, coverage=99.0)
    page = reader.open(f"?election={election}")
    expect(page.locator(".pill.active")).to_have_text("Voting is open")
    expect(page.locator(".freshness .due")).to_contain_text("next file due")
    expect(page.locator(".freshness")).to_contain_text("newest transaction")
    expect(page.locator(".alarm:not(.banner)")).to_have_count(0)
    expect(page.locator(".chip")).to_have_count(0)


@pytest.mark.parametrize(
    ("minutes", "said"), [(0.05, "ahead"), (5, "ahead"), (700, "ahead"), (-0.3, "now"), (-9, "ago")]
)
def test_a_moment_ahead_of_the_clock_is_not_just_now_and_has_no_age(reader: Reader, minutes: float, said: str) -> None:
    page = reader.open()
    words = page.evaluate(
        "(ms) => import('/files/scripts/format.js').then(({ ago }) => ago(1e12 + ms, 1e12))", minutes * 60e3
    )
    assert said in words
    assert ("just now" in words) == (said == "now")
    assert "-" not in words
    assert "−" not in words


def test_a_transaction_of_the_future_is_said_to_be_one(reader: Reader) -> None:
    election = vote_now(reader)
    commit(reader.api.settings, election, last_transaction_at=datetime.now(UTC) + 3 * HOUR)
    page = reader.open(f"?election={election}")
    expect(page.locator(".freshness")).to_contain_text("3 hrs ahead of the clock")
    expect(page.locator(".freshness")).not_to_contain_text("just now")


def test_before_the_opening_the_headline_says_when_and_then_voting_times_are_shown(reader: Reader) -> None:
    election = vote_now(reader, starts_at=datetime.now(UTC) + timedelta(hours=5, minutes=3))
    page = reader.open(f"?election={election}")
    expect(page.locator(".rate strong")).to_have_text("opens in 5 hrs")
    expect(page.locator(".pill.scheduled")).to_be_visible()
    page.locator(".constituencies tbody tr th a").first.click()
    expect(page.locator("#place-name")).to_be_visible()
    expect(page.locator(".rate strong")).to_have_text("opens in 5 hrs")
    vote_now(
        reader, election, starts_at=datetime(2026, 9, 18, 5, tzinfo=UTC), ends_at=datetime(2099, 9, 20, 17, tzinfo=UTC)
    )
    commit(reader.api.settings, election, participation_rate=0.0)
    with transaction(reader.api.settings) as connection:
        connection.execute(sa.update(elections).filter_by(election_id=election).values(time_zone="Europe/Moscow"))
    page = reader.open(f"?election={election}")
    expect(page.locator(".times")).to_have_text("The first polls open 18 Sept, 08:00, the last close 20 Sept, 20:00")
    expect(page.locator(".rate strong")).to_have_text("0.00 %")
    page.locator(".constituencies tbody tr th a").first.click()
    expect(page.locator(".times")).to_contain_text("Open from 1")


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


def critical_finding(reader: Reader) -> dict[str, str]:
    """A constituency with more votes than bulletins, which is critical now."""
    with transaction(reader.api.settings) as connection:
        query = sa.update(anomalies).filter_by(rule="votes_exceed_bulletins").values(severity="critical")
        (election,) = connection.execute(query.returning(anomalies.c.election_id)).scalars()
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(anomalies_critical=1))
        notify(connection, election_summaries, [None])
    (finding,) = reader.api.data("/anomalies?severity=critical")
    return finding


def test_a_critical_finding_is_seen_at_once(reader: Reader) -> None:
    finding = critical_finding(reader)
    page = reader.open(f"?election={finding['election_id']}")
    for chart, target in (("#hours-chart", "#findings"), ("#place-hours-chart", "#place-findings")):
        banner = page.locator(".alarm.critical.banner")
        expect(banner).to_contain_text("1 critical finding")
        expect(banner).to_contain_text("More votes than bulletins")
        box = banner.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 450, "on the first screen"
        expect(page.locator(f'{chart} [data-part="critical hours"] rect')).to_have_count(1)
        assert banner.get_by_role("link", name="See the findings").get_attribute("href") == target
        reader.open(f"?constituency={finding['constituency_id']}")
    with transaction(reader.api.settings) as connection:
        connection.execute(sa.update(anomalies).values(state="resolved"))
        notify(connection, election_summaries, [None])
    commit(reader.api.settings, finding["election_id"], anomalies_critical=0)
    expect(page.locator(".banner")).to_have_count(0)


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


def test_a_lost_connection_is_loud_and_it_goes_on_by_itself(voted: Settings, browser: Browser) -> None:
    for api in serve(voted):
        for reader in reading(browser, api):
            page = reader.open()
            expect(page.locator(".pill.live")).to_be_visible()
            page.context.set_offline(True)
            broke = page.locator(".alarm.critical").filter(has_text="The connection was lost at")
            expect(broke).to_be_visible(timeout=20_000)
            page.context.set_offline(False)
            expect(page.locator(".pill.live")).to_be_visible(timeout=20_000)
            reader.excused = "ERR_INTERNET_DISCONNECTED"


def test_english_and_russian(reader: Reader) -> None:
    page = reader.open()
    page.locator("select.language").select_option("ru")
    expect(page.locator("#by-hour")).to_have_text("Голоса и бюллетени по часам")
    assert page.locator("html").get_attribute("lang") == "ru"
    election = first_election(reader)
    expect(page.locator(".rate strong")).to_have_text(f"{election['participation_rate']:.2f} %".replace(".", ","))
    page.reload()
    expect(page.locator("#by-hour")).to_have_text("Голоса и бюллетени по часам")
    assert page.evaluate("import('/files/scripts/words.js').then((words) => words.untranslated())") == []
    named = page.evaluate(
        "(rules) => import('/files/scripts/words.js').then((words) => rules.map(words.ruleName))", list(RULES)
    )
    assert all(re.search("[а-я]", name) for name in named), named


def test_light_and_dark(reader: Reader) -> None:
    page = reader.open()
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Theme: Light. Switch").click()
    assert page.evaluate(background) != light
    page.reload()
    page.wait_for_selector(".chart svg")
    assert page.evaluate(background) != light
    page.get_by_role("button", name="Theme: Dark. Switch").click()
    assert page.evaluate(background) == light


def test_on_a_telephone_nothing_is_wider_than_the_screen(walker: Reader) -> None:
    page = walker.open()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".constituencies tbody tr th a").first.tap()
    page.wait_for_url(re.compile("constituency="))
    page.wait_for_selector(".chart svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_by_keyboard_alone(reader: Reader) -> None:
    page = reader.open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")  # the first source
    expect(page.locator("main .source").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog .close")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("main .source").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.tick input')"):
            break
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("constituency="))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(reader: Reader, scheme: str) -> None:
    page = reader.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    one, other, *_ = reader.api.data("/constituencies?sort=votes_cast&descending=true")
    compare = f"?election={one['election_id']}&compare={one['constituency_id']},{other['constituency_id']}"
    for view in ("", compare, f"?constituency={one['constituency_id']}&election={one['election_id']}", "?lang=ru"):
        reader.open(view)
        for summary in page.locator("details summary").all():
            summary.click()
        assert serious(page) == [], view
    page.locator("main .source").first.click()
    assert serious(page) == []


def serious(page: Page) -> list[str]:
    page.evaluate((LIBRARIES / "axe-core" / "axe.min.js").read_text("utf-8"))  # as a debugger: the page's policy holds
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_nothing_is_asked_of_anybody_else(reader: Reader) -> None:
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.open()
    reader.page.goto(f"{reader.api.address}/docs")
    reader.page.wait_for_selector(".opblock")
    assert len(asked) > 10
    assert all(url.startswith((reader.api.address, "data:")) for url in asked), asked


def test_names_from_files_are_text_and_never_code(voted: Settings, browser: Browser) -> None:
    evil = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    with transaction(voted) as connection:
        connection.execute(sa.text("UPDATE metrics.elections SET name = :name"), {"name": evil})
        connection.execute(sa.text("UPDATE metrics.constituencies SET name = :name, region = :name"), {"name": evil})
        connection.execute(sa.text("UPDATE metrics.region_summaries SET region = :name || region"), {"name": evil})
        connection.execute(sa.text("UPDATE metrics.anomalies SET explanation = :name"), {"name": evil})
    for api in serve(voted):
        for reader in reading(browser, api):
            page = reader.open()
            expect(page.locator("h1")).to_have_text(evil)
            expect(page.locator(".constituencies tbody tr th").first).to_have_text(evil)
            assert "owned" not in page.evaluate("document.title").replace(evil, "")
            assert page.locator("main img").count() == 0


def test_reading_with_a_token(voted: Settings, browser: Browser) -> None:
    token = create_token(voted, "newsroom", ["read"], "test")
    for api in serve(voted.model_copy(update={"api_reads": "token"})):
        for reader in reading(browser, api):
            page = reader.page
            page.goto(api.address)
            page.get_by_label("Token").fill("em_wrong")
            page.get_by_role("button", name="Enter").click()
            expect(page.get_by_role("alert")).to_contain_text("not known")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Enter").click()
            page.wait_for_selector(".chart svg")
            assert page.evaluate("document.cookie") == "", "no script reads it"
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_label("Token")).to_be_visible()
            assert page.context.cookies() == []
            reader.excused = "401"


OPENING = datetime(2026, 9, 18, 5, tzinfo=UTC)
YEAR = timedelta(days=364)


def two_votes(settings: Settings, days_before: int = 3) -> tuple[str, str]:
    """A vote of three days that is half over, and the same a year ago, with twice the register; their ids.

    The registers of both were loaded twelve hours before their opening.
    """
    one, other = rows(settings, "SELECT election_id FROM metrics.elections ORDER BY election_id")["election_id"]
    with transaction(settings) as connection:
        for election, opening, days in ((one, OPENING - YEAR, days_before), (other, OPENING, 3)):
            times = {"starts_at": opening, "ends_at": opening + timedelta(days=days - 1, hours=12)}
            connection.execute(sa.update(elections).filter_by(election_id=election).values(**times))
        for query in (
            "DELETE FROM metrics.election_hours WHERE election_id = :one",
            "UPDATE metrics.election_hours SET votes_cast = 0, bulletins_issued = 0 WHERE election_id = :other AND "
            "hour < :opening",
            "UPDATE metrics.election_hours AS row SET running_votes = votes, running_bulletins = bulletins, "
            "running_participation_rate = votes * 100.0 / registered_voters, "
            "running_issue_rate = bulletins * 100.0 / registered_voters FROM (SELECT hour, sum(votes_cast) OVER up_to AS "
            "votes, sum(bulletins_issued) OVER up_to AS bulletins FROM metrics.election_hours WHERE election_id = :other "
            "WINDOW up_to AS (ORDER BY hour)) AS sums WHERE election_id = :other AND row.hour = sums.hour",
            "INSERT INTO metrics.election_hours SELECT (jsonb_populate_record(now, jsonb_build_object('election_id', "
            "CAST(:one AS text), 'hour', now.hour - CAST(:year AS interval)))).* FROM metrics.election_hours AS now "
            "WHERE election_id = :other",
            "UPDATE metrics.election_hours SET registered_voters = 2 * registered_voters, running_participation_rate = "
            "running_participation_rate / 2, running_issue_rate = running_issue_rate / 2 WHERE election_id = :one",
            "DELETE FROM metrics.election_hours WHERE election_id = :other AND hour >= :half",
            "UPDATE metrics.election_summaries AS one SET registered_voters = 2 * other.registered_voters, "
            "participation_rate = 1 FROM metrics.election_summaries AS other WHERE one.election_id = :one AND "
            "other.election_id = :other",
        ):
            values = {
                "one": one,
                "other": other,
                "opening": OPENING,
                "year": YEAR,
                "half": OPENING + timedelta(hours=30),
            }
            connection.execute(sa.text(query), {name: values[name] for name in values if f":{name}" in query})
    return one, other


def test_the_election_before_begins_at_its_opening_and_is_compared_hour_by_hour(
    voted: Settings, browser: Browser
) -> None:
    one, other = two_votes(voted)
    for api in serve(voted):
        first = datetime.fromisoformat(api.data(f"/hourly-stats/election/{one}")[0]["hour"])
        assert first <= OPENING - YEAR - timedelta(hours=11), "its register was loaded long before its opening"
        for reader in reading(browser, api):
            page = reader.open(f"?election={other}")
            name = rows(voted, f"SELECT name FROM metrics.elections WHERE election_id = '{one}'")["name"][0]
            expect(page.locator(".key .before")).to_have_text(f"{name}, hours since its opening")
            expect(page.locator(".before-why")).to_contain_text(
                "Only elections of the same length, 3 days, are compared."
            )
            now = api.data(f"/hourly-stats/election/{other}")[-1]["running_participation_rate"]
            expect(page.locator(".against")).to_have_text(
                f"+{now / 2:.1f} points compared with the same hour of {name}"
            )
            # Half of our votes in each hour: where ours first rises, so does the one before.
            rise = """(d) => { const points = [...d.matchAll(/([\\d.]+),([\\d.]+)/g)].map((one) => [+one[1], +one[2]]);
                return points.filter((point) => point[1] === points[0][1]).at(-1)[0]; }"""
            paths = page.locator(
                '#running-chart [data-part="election before"] path, #running-chart [data-part="line"] path'
            )
            before, _bulletins, votes = [page.evaluate(rise, path.get_attribute("d")) for path in paths.all()]
            assert before == pytest.approx(votes, abs=1)


def test_an_election_of_another_kind_is_not_compared(voted: Settings, browser: Browser) -> None:
    _, other = two_votes(voted, days_before=1)
    for api in serve(voted):
        for reader in reading(browser, api):
            page = reader.open(f"?election={other}")
            page.wait_for_load_state("networkidle")
            expect(page.locator(".key .before")).to_have_count(0)
            expect(page.locator(".against")).to_have_count(0)


def test_constituencies_are_compared_from_their_opening_on(reader: Reader) -> None:
    page = reader.open()
    span = page.evaluate(
        """() => import('/files/scripts/charts.js').then(({ compareChart }) => {
            const hours = [-12, 0, 1].map((n) => ({ hour: new Date(Date.UTC(2026, 8, 18, 5) + n * 3600e3).toISOString(),
                bulletins_issued: n < 0 ? 0 : 1, votes_cast: n < 0 ? 0 : 1, running_participation_rate: n < 0 ? 0 : n + 1 }));
            const at = (starts_at) => compareChart({ compared: [{ constituency: { constituency_id: 'a', starts_at }, hours }],
                width: 600, label: 'x' }).querySelector('[data-part="line"] path').getAttribute('d');
            return [at('2026-09-18T05:00:00Z'), at('2026-09-18T03:00:00Z'), at(null)];
        })"""
    )
    assert span[0] == span[2]
    assert span[1] != span[0], "an opening without a ballot counts"


def test_an_empty_warehouse_says_what_to_do(chosen: Settings, browser: Browser) -> None:
    for api in serve(chosen):
        for reader in reading(browser, api):
            reader.page.goto(api.address)
            expect(reader.page.locator("main")).to_contain_text("election-metrics ingest FOLDER")


def test_the_print_view_is_a_report(reader: Reader, tmp_path: Path) -> None:
    page = reader.open()
    page.emulate_media(media="print")
    expect(page.locator(".print-only")).to_be_visible()
    expect(page.locator(".print-only")).to_contain_text("Report of")
    for hidden in (".top", ".filters", ".source >> nth=0"):
        expect(page.locator(hidden)).to_be_hidden()
    made = page.pdf(format="A4")
    assert made.startswith(b"%PDF")
    (tmp_path / "report.pdf").write_bytes(made)


def test_the_libraries_are_the_ones_that_were_published() -> None:
    import hashlib

    for folder in (Path(str(FILES)) / "libraries", LIBRARIES):
        sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines())
        there = {f"./{file.relative_to(folder)}": file for file in folder.rglob("*.js")}
        assert {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in there.items()} == sums
        assert all((folder / name.split("/")[1] / "LICENSE").exists() for name in sums)


def test_another_election_is_never_shown_with_the_figures_of_the_one_before(reader: Reader) -> None:
    page = reader.open()
    one, other = reader.api.data("/elections")
    held: list[Route] = []
    page.route("**/dashboard/detailed*", lambda route: held.append(route))  # noqa: PLW0108 playwright takes no builtin
    with page.expect_request("**/dashboard/detailed*"):
        page.locator(".choice select").select_option(str(other["election_id"]))
    expect(page.locator("main")).to_contain_text("Loading …")
    expect(page.locator(".figures")).to_have_count(0)
    page.unroute("**/dashboard/detailed*")  # which lets go of what is held
    expect(page.locator("h1")).to_have_text(other["name"])
    expect(page.locator(".figures")).to_contain_text(f"{other['votes_cast']:,}")
    page.go_back()
    expect(page.locator("h1")).to_have_text(one["name"])
    expect(page.locator(".choice select")).to_have_value(one["election_id"])
    expect(page.locator(".figures")).to_contain_text(f"{one['votes_cast']:,}")


def test_an_address_names_its_election_and_one_that_is_not_there_is_said(reader: Reader) -> None:
    other = reader.api.data("/elections")[1]
    place = reader.api.data(f"/constituencies?election={other['election_id']}&reporting=true")[0]
    page = reader.open(f"?constituency={place['constituency_id']}")
    page.wait_for_url(re.compile(f"election={other['election_id']}"))
    expect(page.locator(".choice select")).to_have_value(other["election_id"])
    reader.open("?election=nowhere&sort=nonsense&reporting=maybe")
    expect(page.locator("main")).to_contain_text("This election does not exist; another one is shown.")


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
