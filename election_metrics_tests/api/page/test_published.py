"""A published page: the same figures as the API's, from a disk or any web server, with no request elsewhere."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from election_metrics.pipeline.publication import compute_constituency_metrics
from election_metrics.settings import Settings
from election_metrics_tests.api.page.conftest import Reader
from election_metrics_tests.computing import NOW
from election_metrics_tests.packages import differences, published

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


@pytest.fixture
def package(reader: Reader, chosen: Settings, tmp_path: Path) -> Path:
    """The package of an election with a finding."""
    compute_constituency_metrics(chosen, "run", now=NOW)
    (finding,) = reader.api.data("/anomalies?rule=votes_exceed_bulletins")
    published(chosen, finding["election_id"], tmp_path / "out")
    return tmp_path / "out"


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(params=["disk", "server"])
def address(request: pytest.FixtureRequest, package: Path) -> Iterator[str]:
    """Where the page is."""
    if request.param == "disk":
        yield package.as_uri()
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(package)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def opened(reader: Reader, address: str, query: str = "") -> tuple[Page, list[str]]:
    """The published page, and what it asked for."""
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.page.goto(f"{address}/index.html{query}")
    reader.page.wait_for_selector(".chart svg")
    return reader.page, asked


def test_the_page_shows_the_figures_of_the_api_and_asks_nobody(reader: Reader, address: str, package: Path) -> None:
    about = json.loads((package / "datapackage.json").read_text())
    election = reader.api.data(f"/election/{about['election_id']}")
    page, asked = opened(reader, address)
    expect(page.locator(".figures")).to_contain_text(f"{election['votes_cast']:,}")
    expect(page.locator(".published")).to_contain_text("Published as it was known at")
    expect(page.locator(".published")).to_contain_text("Observers' Union")
    finding = page.locator(".findings li").first
    finding.locator("summary").click()
    expect(finding.locator(".chart svg")).to_be_visible()
    assert page.locator("table.constituencies tbody tr").count() == election["constituencies_total"]
    page.get_by_role("searchbox").fill("№99")
    expect(page.locator("table.constituencies tbody tr")).to_have_count(1)
    page.locator("table.constituencies tbody a").click()
    expect(page.locator("h1")).to_have_text("Округ №99")
    page.wait_for_url("**/index.html?*constituency=*")
    page.reload()
    expect(page.locator("h1")).to_have_text("Округ №99")
    assert {url.split("/")[2] for url in asked} == {address.split("/")[2]}
    assert "/api/" not in "".join(asked)


def test_lists_are_sorted_filtered_and_compared_as_by_the_api(reader: Reader, package: Path) -> None:
    about = json.loads((package / "datapackage.json").read_text())
    path = f"/election/{about['election_id']}/constituencies"
    page, _ = opened(reader, package.as_uri())
    names = page.locator("table.constituencies tbody th a")
    for sort, descending in (
        ("name", ""),
        ("name", "1"),
        ("region", ""),
        ("participation_rate", "1"),
        ("gap_rate", ""),
    ):
        query = f"?sort={sort}&desc={descending}"
        page.goto(f"{package.as_uri()}/index.html{query}")
        wanted = reader.api.data(f"{path}?sort={sort}&descending={'true' if descending else 'false'}&limit=50")
        expect(names).to_have_text([row["name"] for row in wanted])
    ids = [row["constituency_id"] for row in wanted[:3]]
    page.goto(f"{package.as_uri()}/index.html?compare={','.join(ids)}")
    expect(page.locator("table.compared thead th")).to_have_count(3)
    page.goto(f"{package.as_uri()}/index.html?constituency=none")
    expect(page.locator("main")).to_contain_text("This constituency does not exist.")


def test_every_link_of_the_page_leads_to_a_file_of_the_package(reader: Reader, package: Path) -> None:
    page, _ = opened(reader, package.as_uri())
    page.locator("table.constituencies tbody a").first.click()
    expect(page.locator("#place-name")).to_be_visible()
    for place in ("", page.url.rpartition("index.html")[2]):
        page.goto(f"{package.as_uri()}/index.html{place}")
        page.wait_for_selector(".chart svg")
        for button in page.locator("button.source").all():
            button.click()
            links = page.locator("dialog a").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
            page.locator("dialog .close").click()
            files = [link for link in links if not link.startswith(package.as_uri())]
            assert files
            assert all((package / link).is_file() for link in files), links
        links = page.locator("a[href]").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
        # The link that lasts, of a dialog that was just closed, says the whole address.
        here = [link.removeprefix(f"{package.as_uri()}/") for link in links]
        files = {
            link.partition("?")[0].partition("#")[0] for link in here if not link.startswith(("#", "?", "http"))
        } - {""}
        assert "README.html" in files
        assert all((package / link).is_file() for link in files), files
    assert differences(package) == {}
