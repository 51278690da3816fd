"""A real Chromium before the page, over the warehouse of the API's tests."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright

from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import anomalies, election_summaries
from election_metrics_tests.api.conftest import Api

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@pytest.fixture(scope="module")  # while it is there, the main thread runs its event loop, and can run no other
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Where there is none, the tests of the page are skipped, unless BROWSER=required."""
    if CHROMIUM is None:
        if os.environ.get("BROWSER") == "required":
            pytest.fail("there is no Chromium; type: apt-get install chromium")
        pytest.skip("there is no Chromium; type: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Reader:
    """Somebody who reads the page.

    Attributes:
        page: the browser's page.
        api: what it asks.
        said: what the browser complained about: errors, and what the page's policy forbade.
        excused: a text that complaints may hold, as the test makes the browser complain.
    """

    page: Page
    api: Api
    said: list[str]
    excused: str | None = None

    def open(self, query: str = "") -> Page:
        """Opens the page and waits for its charts."""
        self.page.goto(f"{self.api.address}/{query}")
        self.page.wait_for_selector(".chart svg")
        return self.page


def reading(browser: Browser, served: Api, **context: object) -> Iterator[Reader]:
    """A reader with a browser of these properties; it must not have complained in the end."""
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **context})
    page = opened.new_page()
    page.set_default_timeout(10_000)
    reader = Reader(page, served, [])
    page.on(
        "console", lambda message: reader.said.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: reader.said.append(str(error)))
    yield reader
    opened.close()
    assert [text for text in reader.said if reader.excused is None or reader.excused not in text] == []


@pytest.fixture
def reader(browser: Browser, api: Api) -> Iterator[Reader]:
    """Somebody at a desk."""
    yield from reading(browser, api)


@pytest.fixture
def walker(browser: Browser, api: Api) -> Iterator[Reader]:
    """Somebody with a telephone in the dark."""
    yield from reading(
        browser, api, viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True
    )


def commit(settings: Settings, election: str, **values: object) -> None:
    """Commits figures of an election's summary, as a run does."""
    with transaction(settings) as connection:
        values = {"computed_at": datetime.now(UTC), **values}
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(**values))
        notify(connection, election_summaries, {election: []})


def first_election(reader: Reader) -> dict[str, object]:
    found: dict[str, object] = reader.api.data("/elections")[0]
    return found


def critical_finding(reader: Reader) -> dict[str, str]:
    """A constituency with more votes than bulletins, which is critical now."""
    with transaction(reader.api.settings) as connection:
        query = sa.update(anomalies).filter_by(rule="votes_exceed_bulletins").values(severity="critical")
        (election,) = connection.execute(query.returning(anomalies.c.election_id)).scalars()
        connection.execute(sa.update(election_summaries).filter_by(election_id=election).values(anomalies_critical=1))
        notify(connection, election_summaries, [None])
    (finding,) = reader.api.data("/anomalies?severity=critical")
    return finding
