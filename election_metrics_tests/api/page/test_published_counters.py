"""The published page of a vote whose figures are counters: hours that are spread look so, and the counters are there."""

from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from election_metrics.settings import Settings
from election_metrics_tests.computing import rows
from election_metrics_tests.packages import differences, published
from election_metrics_tests.pipeline.test_mapped_files import COUNTERS, HEADER, land, put

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


def test_spread_hours_and_counters_are_on_the_published_page(
    browser: Browser, chosen: Settings, tmp_path: Path
) -> None:
    text = (
        f"{HEADER}\na,North,100,2026-09-18 12:00,11\na,North,100,2026-09-18 23:00,33\nb,South,70,2026-09-18 23:00,30\n"
    )
    land(chosen, put(tmp_path / "in", COUNTERS, turnout=text), datetime.fromisoformat("2026-09-20T12:00:00+00:00"))
    (election,) = rows(chosen, "SELECT election_id FROM metrics.elections")["election_id"]
    published(chosen, str(election), tmp_path / "out")
    assert not differences(tmp_path / "out")
    page = browser.new_page()
    for query, counters in (("", 0), ("?constituency=a", 1)):
        page.goto(f"{(tmp_path / 'out').as_uri()}/index.html{query}")
        page.wait_for_selector(".chart svg")
        assert page.locator('[data-part="spread hours"] rect').count() == 16, "7 to 23 o'clock"
        assert page.locator("#place-counters").count() == counters
