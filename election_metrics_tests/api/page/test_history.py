"""The page as it was known at a moment, and what was corrected since."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import hourly_stats
from election_metrics_tests.api.page.conftest import Reader, commit, first_election

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.quiet]


def test_the_slider_goes_back_to_what_was_known_and_the_link_to_now(reader: Reader) -> None:
    election = str(first_election(reader)["election_id"])
    for votes in (4_321, 8_642):
        commit(reader.api.settings, election, votes_cast=votes)
    page = reader.open(f"?election={election}")
    figures = page.locator(".figures")
    expect(figures).to_contain_text("8,642")
    slider = page.locator(".known-at input")
    slider.focus()
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    expect(figures).to_contain_text("4,321")
    expect(page.get_by_role("note")).to_contain_text("Shown as it was known at")
    page.wait_for_url(re.compile("as_of="))
    page.reload()
    expect(figures).to_contain_text("4,321")
    page.get_by_role("link", name="Show what is known now").click()
    expect(figures).to_contain_text("8,642")
    expect(page.get_by_text("Shown as it was known at")).to_have_count(0)


def test_the_source_of_a_total_shows_what_was_shown_before_and_why(reader: Reader) -> None:
    election = str(first_election(reader)["election_id"])
    for votes in (4_321, 8_642):
        commit(reader.api.settings, election, votes_cast=votes)
    page = reader.open(f"?election={election}")
    page.locator(".headline button.source").first.click()
    rows = page.locator("dialog.source-dialog tbody tr")
    expect(rows.nth(0)).to_contain_text("8,642")
    expect(rows.nth(1)).to_contain_text("4,321")
    rows.nth(1).get_by_role("link").click()
    expect(page.get_by_role("note")).to_contain_text("Shown as it was known at")
    expect(page.locator(".figures")).to_contain_text("4,321")


def test_a_correction_is_listed_with_before_after_and_why(reader: Reader) -> None:
    election = str(first_election(reader)["election_id"])
    with transaction(reader.api.settings) as connection:
        connection.execute(sa.text("""SELECT set_config('election_metrics.causes', '{"late file"}', true)"""))
        place, hour, votes = connection.execute(
            sa.text(
                "SELECT constituency_id, hour, votes_cast FROM metrics.hourly_stats WHERE election_id = :election "
                "ORDER BY votes_cast DESC, constituency_id LIMIT 1"
            ),
            {"election": election},
        ).one()
        connection.execute(
            sa.text(
                "UPDATE metrics.hourly_stats SET votes_cast = votes_cast + 1000 "
                "WHERE constituency_id = :place AND hour = :hour"
            ),
            {"place": place, "hour": hour},
        )
        notify(connection, hourly_stats, [election])
    page = reader.open(f"?election={election}")
    row = page.locator("section[aria-labelledby=corrections] tbody tr").first
    expect(row).to_contain_text(f"{votes:,} → {votes + 1000:,}")
    expect(row).to_contain_text("late file")
