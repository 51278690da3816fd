"""Pictures of elections and constituencies, and the page that names them for networks that show links."""

import html
import re
from io import BytesIO

import pytest
import requests
import sqlalchemy as sa
from PIL import Image

from election_metrics.api import pictures
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics_tests.api.conftest import Api, serve


def picture_of(api: Api, query: str) -> str:
    """The picture that the page with this address names."""
    text = requests.get(f"{api.address}/{query}", timeout=5).text
    (found,) = re.findall(r'og:image" content="([^"]*)"', text)
    return html.unescape(found)


def test_a_link_of_an_election_and_of_a_constituency_has_a_picture_of_it(api: Api) -> None:
    election = api.data("/elections")[0]["election_id"]
    place = api.data(f"/election/{election}/constituencies")[0]["constituency_id"]
    found = []
    for query in (f"?election={election}", f"?election={election}&constituency={place}"):
        answer = requests.get(picture_of(api, query), timeout=20)
        assert answer.headers["content-type"] == "image/png"
        image = Image.open(BytesIO(answer.content))
        assert image.size == (1200, 630)
        assert len(image.convert("RGB").getcolors(1_000_000) or []) > 20
        again = requests.get(picture_of(api, query), headers={"if-none-match": answer.headers["etag"]}, timeout=20)
        assert again.status_code == 304
        found.append(answer.content)
    assert found[0] != found[1]
    assert "og:image" not in requests.get(f"{api.address}/", timeout=5).text
    assert api.get("/pictures/election/none.png").status_code == 404


def test_the_picture_follows_the_figures_and_survives_any_name(api: Api, voted: Settings) -> None:
    election = api.data("/elections")[0]["election_id"]
    path = f"/pictures/election/{election}.png"
    before = api.get(path).content
    with transaction(voted) as connection:
        name = "$\\frac{1$ <b> \x0b\u202e 选举 🗳 " + "Ж" * 500
        connection.execute(sa.text("UPDATE metrics.elections SET name = :name"), {"name": name})
    after = api.get(path)
    assert after.status_code == 200
    assert after.content != before


def test_what_the_address_says_is_text(api: Api) -> None:
    text = requests.get(f"{api.address}/?election=%22%3E%3Cscript%3Ealert(1)%3C/script%3E/../x", timeout=5).text
    assert "<script>alert" not in text
    assert "%2F..%2Fx.png" in picture_of(api, '?election="><script>alert(1)</script>/../x')


def test_pictures_are_drawn_one_at_a_time_and_the_others_are_told_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_LONGEST_WAIT", 0.05)
    election = api.data("/elections")[0]["election_id"]
    path = f"/pictures/election/{election}.png"
    pictures._drawn.cache_clear()
    with pictures._DRAWING:
        refused = api.get(path)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert api.get(path).status_code == 200


def test_pictures_need_a_token_where_reading_does(voted: Settings) -> None:
    for api in serve(voted.model_copy(update={"api_reads": "token"})):
        election = "x"
        assert api.get(f"/pictures/election/{election}.png").status_code == 401
