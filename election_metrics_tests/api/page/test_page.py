"""What a reader of the page is promised, tried in a real Chromium."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Route, expect

from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import (
    anomalies,
    constituencies,
    election_summaries,
    elections,
    missing_input,
    transaction_files,
    verdict_lists,
)
from election_metrics_tests.api.conftest import serve
from election_metrics_tests.api.page.conftest import Reader, commit, critical_finding, first_election, reading
from election_metrics_tests.computing import rows

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


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


def test_a_finding_has_its_picture(reader: Reader) -> None:
    page = reader.open()
    told = [one["look_at"] for one in reader.api.data("/anomalies?state=unresolved")]
    expect(page.locator(".findings .next").first).to_have_text(
        re.compile("^Look at: (" + "|".join(map(re.escape, told)) + ")")
    )
    picture = page.locator(".findings .picture").first
    expect(picture.locator("svg")).to_have_count(0)  # it is read when it is asked for
    picture.locator("summary").click()
    expect(picture.locator("svg[role=img]")).to_have_count(1)
    assert picture.locator("svg rect").count() > 1


def test_votes_that_a_verifier_found_invalid_are_told_beside_the_figures(reader: Reader) -> None:
    place = reader.api.data("/constituencies?reporting=true")[0]
    reader.open()
    with transaction(reader.api.settings) as connection:
        said = {"now": datetime.now(UTC), "place": place["constituency_id"]}
        connection.execute(
            sa.text(
                "INSERT INTO ingest.verdict_lists VALUES ('A. <Verifier>', 'a', 'wrong <proof>', :now), "
                "('A. <Verifier>', 'b', 'twice', :now), ('A. <Verifier>', 'c', 'twice', :now)"
            ),
            said,
        )
        connection.execute(
            sa.text("INSERT INTO ingest.verdict_rows VALUES (494000, 'a', :place, 'vote_cast', 1), "
                    "(494000, 'b', :place, 'vote_cast', 1)"), said,
        )  # fmt: skip
        notify(connection, verdict_lists, {place["election_id"]: None})
    page = reader.open(f"?election={place['election_id']}")
    line = page.locator(".headline .verdicts")
    expect(line).to_contain_text(
        "2 votes that count were found invalid by A. <Verifier>: twice (1); wrong <proof> (1)."
    )
    expect(line).to_contain_text("They stay counted here. 1 id of the list is not known here.")
    reader.open(f"?constituency={place['constituency_id']}")
    expect(line).to_contain_text("2 votes that count were found invalid")
    expect(line).not_to_contain_text("not known here")


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


def test_what_does_not_count_is_named_with_its_reason(reader: Reader) -> None:
    election = reader.api.data("/elections")[0]["election_id"]
    page = reader.open(f"?election={election}")
    note = page.locator("section.data-note")
    expect(note.get_by_role("heading")).to_have_text("Input that does not count")
    expect(note).to_contain_text("cannot be read")
    assert page.get_by_text("Withdrawn on").count() == 0
    with transaction(reader.api.settings) as connection:
        connection.execute(
            sa.text(
                "UPDATE ingest.transaction_files SET status = 'withdrawn', reason = 'sent by mistake', "
                "withdrawn_at = '2026-09-19 10:00Z' WHERE file_id = "
                "(SELECT min(file_id) FROM ingest.transaction_files JOIN metrics.constituencies USING (constituency_id) "
                "WHERE status = 'landed' AND election_id = :election)"
            ),
            {"election": election},
        )
        connection.execute(
            sa.text("INSERT INTO ingest.files_not_read VALUES ('/in', '.7z', 3, '/in/day/more.7z', TRUE, now())")
        )
        notify(connection, transaction_files, [None])
    commit(reader.api.settings, election, anomalies_critical=0)
    expect(page.locator(".alarm.warning").filter(has_text="Withdrawn on 19 Sept")).to_contain_text(
        "Reason: sent by mistake"
    )
    expect(note).to_contain_text("3 files .7z are of a kind that is not read, such as day/more.7z")
    kinds = {one["kind"] for one in reader.api.data("/input-notes")}
    assert {"withdrawn", "not_read", "quarantined"} <= kinds


@pytest.mark.long
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
