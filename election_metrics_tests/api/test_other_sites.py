"""Feeds, and what other sites may do with the API and the page: what the settings say, and nothing else."""

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
import requests
import sqlalchemy as sa

from election_metrics.errors import SettingsError
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import transaction
from election_metrics_tests.api.conftest import Api, serve

PAPER, OTHER = "https://paper.example", "https://other.example"
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def headers(api: Api, path: str, origin: str | None = None, method: str = "GET") -> dict[str, str]:
    """The headers of an answer, with names in small letters."""
    asked = {} if origin is None else {"origin": origin, "access-control-request-method": "GET"}
    found = requests.request(method, f"{api.address}{path}", headers=asked, timeout=5)
    return {name.lower(): value for name, value in found.headers.items()}


@pytest.fixture
def shared(voted: Settings) -> Iterator[Api]:
    """An API that one other site may read and show."""
    yield from serve(voted.model_copy(update={"api_origins": PAPER, "embed_origins": PAPER}))


def test_without_settings_no_other_site_may_do_anything(api: Api) -> None:
    for path in ("/api/v1/elections", "/embed", "/"):
        found = headers(api, path, PAPER)
        assert not [name for name in found if name.startswith("access-control")]
        assert found["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in found["content-security-policy"]


def test_a_named_site_reads_and_shows_and_no_other(shared: Api) -> None:
    for method in ("GET", "OPTIONS", "HEAD"):
        found = headers(shared, "/api/v1/elections", PAPER, method)
        assert found["access-control-allow-origin"] == PAPER
        assert found["cross-origin-resource-policy"] == "cross-origin"
        assert "access-control-allow-credentials" not in found
    assert "x-known-at" in headers(shared, "/api/v1/elections", PAPER)["access-control-expose-headers"]
    for asked in ((OTHER, "GET"), (None, "GET"), (PAPER, "POST"), (PAPER, "DELETE")):
        found = headers(shared, "/api/v1/elections", *asked)
        assert "access-control-allow-origin" not in found
        assert found["cross-origin-resource-policy"] == "same-origin"
    framed = headers(shared, "/embed")
    assert f"frame-ancestors {PAPER}" in framed["content-security-policy"]
    assert "x-frame-options" not in framed
    assert headers(shared, "/")["x-frame-options"] == "DENY"


def test_all_sites_may_be_named(voted: Settings) -> None:
    for api in serve(voted.model_copy(update={"api_origins": "*"})):
        assert headers(api, "/api/v1/elections", OTHER)["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("wrong", ["paper.example", "https://paper.example/path", "https://a; script-src *", "null"])
def test_what_is_no_site_is_refused(wrong: str) -> None:
    for name in ("api_origins", "embed_origins"):
        with pytest.raises(SettingsError, match=f"ELECTION_METRICS_{name.upper()}"):
            read_settings(**{name: wrong})


def test_the_feed_of_findings_has_each_with_a_link_and_survives_hostile_names(api: Api) -> None:
    with transaction(api.settings) as connection:
        hostile = "<script>alert(1)</script> & \x0b\x1b]]> \"'"
        connection.execute(sa.text("UPDATE metrics.anomalies SET explanation = :text"), {"text": hostile})
    everything = api.data("/anomalies?limit=1000")
    answer = api.get("/feeds/findings.atom")
    assert answer.headers["content-type"] == "application/atom+xml"
    feed = ElementTree.fromstring(answer.content)
    entries = feed.findall("a:entry", ATOM)
    assert len(entries) == min(50, len(everything))
    ids = {entry.findtext("a:id", "", ATOM).rpartition("/")[2] for entry in entries}
    assert ids <= {one["anomaly_id"] for one in everything}
    assert "<script>alert(1)</script> &" in entries[0].findtext("a:summary", "", ATOM)
    link = entries[0].find("a:link", ATOM)
    assert link is not None
    assert link.get("href", "").startswith(f"{api.address}/?election=")
    assert link.get("href", "").endswith("#" + entries[0].findtext("a:id", "", ATOM).rpartition("/")[2])
    again = api.get("/feeds/findings.atom", **{"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert api.get("/feeds/findings.atom?election=none").status_code == 404


def test_the_feed_of_turnout_has_the_hours_that_are_over_with_the_figures_of_the_api(api: Api) -> None:
    election = api.data("/elections")[0]["election_id"]
    hours = api.data(f"/hourly-stats/election/{election}")
    feed = ElementTree.fromstring(api.get(f"/feeds/turnout.atom?election={election}").content)
    entries = feed.findall("a:entry", ATOM)
    newest = hours[-1]
    assert entries[0].findtext("a:id", "", ATOM).endswith(newest["hour"])
    assert f"{newest['running_participation_rate']:.2f} %" in entries[0].findtext("a:title", "", ATOM)
    assert entries[0].findtext("a:summary", "", ATOM).startswith(f"{newest['votes_cast']:,} votes")
    assert len(entries) == min(50, len(hours))
    assert api.get("/feeds/turnout.atom").status_code == 422


def test_feeds_need_a_token_where_reading_does(voted: Settings) -> None:
    for api in serve(voted.model_copy(update={"api_reads": "token"})):
        assert api.get("/feeds/findings.atom").status_code == 401
