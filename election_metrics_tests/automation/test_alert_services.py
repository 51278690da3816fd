"""Alerts to the services of Apprise."""

import time

import pytest
from click.testing import CliRunner

from election_metrics.automation import channels
from election_metrics.automation.delivery import deliver, without_own_secrets
from election_metrics.cli import main
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings, read_settings, settings

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.quiet]


TOKEN = "a8f3kq7wd29xz5m1tb6c4n0p8r"
"""As Mattermost's look."""


def test_an_alert_goes_to_every_service_of_apprise_and_calls_nobody(
    chosen: Settings, services: tuple[str, dict[str, list[dict[str, object]]]]
) -> None:
    host, took = services
    telling = read_settings(alert_urls=f"json://{host}/one  mmost://{host}/{TOKEN}\n")
    assert deliver(telling, "🔴 The source of @all is away\nwhere: <!channel> & <http://evil|all well>")
    (one,) = took["/one"]
    assert one["title"] == "🔴 The source of @\u200ball is away"
    assert one["message"] == "where: ‹!channel› & ‹http://evil|all well›"
    (other,) = took[f"/hooks/{TOKEN}"]
    said = str(other["text"])
    assert "is away" in said
    assert "‹!channel›" in said
    assert "@all" not in said
    assert deliver(telling, "🟢 Over")
    assert took["/one"][1]["message"] == "🟢 Over"


def test_a_service_that_does_not_take_it_is_named_without_its_token_and_the_others_have_it(
    chosen: Settings,
    services: tuple[str, dict[str, list[dict[str, object]]]],
    webhook: tuple[str, list[str]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    host, took = services
    address, texts = webhook
    urls = f"mmost://{host}/down/{TOKEN} json://{host}/one nonsense://{TOKEN}"
    telling = read_settings(alert_urls=urls, alert_webhook=address)
    assert not deliver(telling, "🔴 Something")
    assert len(took["/one"]) == len(texts) == 1
    errors = [record.getMessage() for record in caplog.records]
    assert errors == [
        "the alert could not be sent (Mattermost, URL 1 of ALERT_URLS)",
        "the alert could not be sent (not known to Apprise, URL 3 of ALERT_URLS)",
    ]
    assert not any(TOKEN in text for text in (caplog.text, *capfd.readouterr()))


@pytest.mark.long
def test_a_service_that_goes_on_for_ever_is_given_up_in_time_and_the_others_have_it(
    services: tuple[str, dict[str, list[dict[str, object]]]],
) -> None:
    host, took = services
    begin = time.monotonic()
    found = channels.send(f"json://{host}/slow json://{host}/one", "🔴 Something", seconds=10)
    assert time.monotonic() - begin < 60, "it would go on for hours"
    assert [(channel.service, channel.took_it) for channel in found] == [("JSON", False), ("JSON", True)]
    assert len(took["/one"]) == 1


def test_a_url_that_is_none_is_refused_before_there_is_an_alert_and_is_not_shown(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"ELECTION_METRICS_ALERT_URLS: .*URL 2 must look like tgram://") as caught:
        read_settings(alert_urls=f"json://here {TOKEN}")
    assert TOKEN not in str(caught.value)
    monkeypatch.setenv("ELECTION_METRICS_ALERT_URLS", f"json://here nonsense://{TOKEN}")
    settings.cache_clear()
    said = CliRunner().invoke(main, ["up"])
    assert said.exit_code == 1
    assert "ELECTION_METRICS_ALERT_URLS: URL 2 is not supported by Apprise" in " ".join(said.output.split())
    assert TOKEN not in said.output


def test_no_part_of_an_alerts_url_leaves_in_an_alert(chosen: Settings) -> None:
    telling = read_settings(alert_urls=f"mmost://me:hunter22@host/{TOKEN} tgram://123456789:{TOKEN[::-1]}/-100/")
    for secret in (TOKEN, TOKEN[::-1], "hunter22", f"/-100/{TOKEN}"):
        said = without_own_secrets(telling, f"cannot reach host: {secret} failed")
        assert not any(part in said for part in (TOKEN, TOKEN[::-1], "hunter22")), said
        assert said.startswith("cannot reach host: ")
