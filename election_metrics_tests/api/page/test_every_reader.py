"""The page for every reader: languages, colours, small screens, the keyboard, screen readers, paper, with a token."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from election_metrics.api.page import FILES
from election_metrics.api.tokens import create_token
from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics_tests.api.conftest import serve
from election_metrics_tests.api.page.conftest import Reader, first_election, reading

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]

LIBRARIES = Path(__file__).parent / "libraries"
"""What only tests need: axe-core, which finds what a screen reader's user would stumble over."""


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
    finding = {"constituency_id": None, "region": None, "observed": 12, "expected": 34.5,
               "window_start": "2026-09-18T08:00:00Z", "window_end": "2026-09-18T11:00:00Z"}  # fmt: skip
    said = page.evaluate(
        "([rules, finding]) => import('/files/scripts/explanations.js').then((words) => "
        "rules.map((rule) => [words.inWords({ ...finding, rule }), words.whatNext({ ...finding, rule })]))",
        [list(RULES), finding],
    )
    assert all(re.search("[а-я]", text or "") for both in said for text in both), said
    assert not re.search(r"[{}$]|undefined|NaN", str(said)), said


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


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_no_serious_fault(reader: Reader, scheme: str) -> None:
    page = reader.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    one, other, *_ = reader.api.data("/constituencies?sort=votes_cast&descending=true")
    compare = f"?election={one['election_id']}&compare={one['constituency_id']},{other['constituency_id']}"
    for view in ("", compare, f"?constituency={one['constituency_id']}&election={one['election_id']}", "?lang=ru"):
        reader.open(view)
        for summary in page.locator("details summary").all():
            summary.click()
        page.locator(".chart svg.plot").first.hover()  # which shows the figures of an hour
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
