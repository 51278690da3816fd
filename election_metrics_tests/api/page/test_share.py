"""Links that last, citations, and charts as pictures."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.tables import anomalies
from election_metrics_tests.api.conftest import serve
from election_metrics_tests.api.page.conftest import Reader, commit, critical_finding, first_election

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


@contextmanager
def paper(folder: Path) -> Iterator[str]:
    """Another site, with the files of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def dialog_of(page: Page, section: str) -> None:
    """Opens the source of a section's figures."""
    page.locator(f"section[aria-labelledby={section}] > header button.source").first.click()


def test_a_link_keeps_showing_what_was_known_when_it_was_made(reader: Reader) -> None:
    election = str(first_election(reader)["election_id"])
    commit(reader.api.settings, election, votes_cast=4_321)
    page = reader.open(f"?election={election}")
    expect(page.locator(".figures")).to_contain_text("4,321")
    dialog_of(page, "by-hour")
    link = page.locator("dialog .lasting a").get_attribute("href") or ""
    assert "as_of=20" in link
    assert link.endswith("#by-hour")
    page.locator("dialog summary").click()
    expect(page.locator("dialog .cite")).to_contain_text(link)
    expect(page.locator("dialog pre")).to_contain_text("@misc{" + election)
    commit(reader.api.settings, election, votes_cast=8_642)
    page.goto(link)
    page.wait_for_selector(".chart svg")
    expect(page.locator(".figures")).to_contain_text("4,321")
    expect(page.locator("#by-hour")).to_be_in_viewport()


def test_a_constituency_has_a_link_too(reader: Reader) -> None:
    page = reader.open()
    page.locator("table.constituencies tbody a").first.click()
    name = page.locator("#place-name").inner_text()
    dialog_of(page, "place-hours")
    page.goto(page.locator("dialog .lasting a").get_attribute("href") or "")
    expect(page.locator("#place-name")).to_have_text(name)
    expect(page.get_by_role("note")).to_contain_text(["Shown as it was known at"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_a_picture_that_stands_alone(reader: Reader, tmp_path: Path, scheme: str) -> None:
    reader.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = reader.open()
    dialog_of(page, "so-far")
    with page.expect_download() as saving:
        page.locator("dialog .save-svg").click()
    saving.value.save_as(tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text("utf-8")
    root = ElementTree.fromstring(text)
    assert "var(" not in text
    assert re.search(r"As known at", text)
    page.wait_for_timeout(100)
    with page.expect_download() as saving:
        page.locator("dialog .save-png").click()
    saving.value.save_as(tmp_path / "chart.png")
    from PIL import Image

    image = Image.open(BytesIO((tmp_path / "chart.png").read_bytes())).convert("RGB")
    assert image.size == (2 * int(root.get("width", 0)), 2 * int(root.get("height", 0)))
    assert (sum(image.getpixel((2, 2))) > 600) == (scheme == "light"), "the background is the page's"
    assert len(image.getcolors(1_000_000) or []) > 20, "something is drawn"


def test_another_site_shows_a_chart_in_a_frame_and_no_more(browser: Browser, voted: Settings, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    with paper(site) as address:
        for api in serve(voted.model_copy(update={"embed_origins": address})):
            page = browser.new_context(locale="en-GB").new_page()
            page.goto(f"{api.address}/")
            page.wait_for_selector(".chart svg")
            dialog_of(page, "so-far")
            page.locator("dialog summary").last.click()
            (site / "index.html").write_text(page.locator("dialog pre").last.inner_text(), "utf-8")
            page.goto(f"{address}/index.html")
            frame = page.frame_locator("iframe")
            expect(frame.locator("#running-chart svg")).to_be_visible()
            expect(frame.locator("section:visible h2")).to_have_text(["Turnout so far"])
            expect(frame.locator(".top")).to_be_hidden()
            expect(frame.locator("footer a")).to_have_attribute("target", "_blank")
            assert "/embed" not in (frame.locator("footer a").get_attribute("href") or "")
            page.context.close()


def test_a_site_that_is_not_named_shows_nothing(browser: Browser, voted: Settings, tmp_path: Path) -> None:
    with paper(tmp_path) as address:
        for api in serve(voted.model_copy(update={"embed_origins": "https://paper.example"})):
            page = browser.new_context().new_page()
            (tmp_path / "index.html").write_text(f'<iframe src="{api.address}/embed?chart=so-far"></iframe>')
            page.goto(f"{address}/index.html")
            page.wait_for_timeout(1_000)
            assert page.frame_locator("iframe").locator("#page").count() == 0
            page.context.close()


def test_a_finding_has_a_link_of_its_own_and_is_found_when_it_is_over_too(reader: Reader) -> None:
    finding = critical_finding(reader)
    election, name = finding["election_id"], finding["anomaly_id"]
    for _state in ("open", "resolved"):
        page = reader.open(f"?election={election}#{name}")
        place = page.locator("section[aria-labelledby=findings] li", has=page.locator(f"#{name}"))
        expect(place.locator("details.picture")).to_have_attribute("open", "")
        expect(place.get_by_role("link", name="Link to this")).to_have_attribute("href", re.compile(f"#{name}$"))
        with transaction(reader.api.settings) as connection:
            connection.execute(sa.update(anomalies).filter_by(anomaly_id=name).values(state="resolved"))
