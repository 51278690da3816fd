"""How a text reaches people: by webhook, by mail and by what Apprise knows, without a secret in it."""

import json
import logging
import re
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from html import escape
from typing import cast
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from election_metrics.automation import channels
from election_metrics.automation.problems import without_secrets
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import Asker

_log = logging.getLogger("election_metrics.alerts")
_SECONDS = 10
_TO_SAY_SO = 2.0
_SHORTEST_PART = 12
"""Shorter parts of a URL are words that an alert may have."""
_asker = Asker()


def deliver(settings: Settings, text: str, seconds: float = channels.SECONDS) -> bool:
    """Sends a text everywhere that the settings name, and waits so many seconds at the most.

    Returns:
        Whether all of it arrived; who did not take it is in the log.
    """
    text = without_own_secrets(settings, text)
    ways: dict[str, Callable[[], object]] = {}
    if settings.alert_webhook is not None:
        ways["webhook"] = partial(_post, settings, text)
    if settings.alert_email is not None and settings.smtp_url is not None:
        ways["mail"] = partial(_mail, settings, text)
    if settings.alert_urls is not None:
        ways["services"] = partial(channels.send, settings.alert_urls.get_secret_value(), text, seconds)
    # A text whose way hangs is not sent that way a second time beside it.
    answers = _asker.ask_all({f"{way}: {text}": send for way, send in ways.items()}, seconds + _TO_SAY_SO)
    failed = []
    for way, answer in zip(ways, answers.values(), strict=True):
        if isinstance(answer, Exception):  # an alert that fails must not fail the sensor: it is sent again
            failed.append(f"{way}: {type(answer).__name__}")
        elif way == "services":
            failed += [
                f"{channel.service}, URL {channel.place} of ALERT_URLS"
                for channel in cast(list[channels.Channel], answer)
                if not channel.took_it
            ]
    for way in failed:
        _log.error(f"the alert could not be sent ({way})")
    return not failed


def refuse_unknown_channels(settings: Settings) -> None:
    """Before there is anything to say: each URL must be one that Apprise knows.

    Raises:
        SettingsError: one is not; says which, without it.
    """
    if settings.alert_urls is None:
        return
    for channel in channels.look_at(settings.alert_urls.get_secret_value()):
        if channel.service == channels.UNKNOWN:
            raise SettingsError(
                f"ELECTION_METRICS_ALERT_URLS: URL {channel.place} is none that Apprise knows "
                "(https://appriseit.com/services has them all)"
            )


def _post(settings: Settings, text: str) -> None:
    import requests

    assert settings.alert_webhook is not None
    # To Slack, <…> in a name of others would be a link, or a call to everybody.
    body = json.dumps({"text": escape(text, quote=False)}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    url = settings.alert_webhook.get_secret_value()
    # Its answer is not waited for to the end, which some never send.
    with requests.post(url, data=body, headers=headers, timeout=_SECONDS, stream=True) as answer:
        answer.raise_for_status()


def _mail(settings: Settings, text: str) -> None:
    assert settings.smtp_url is not None
    assert settings.alert_email is not None
    url = urlsplit(settings.smtp_url.get_secret_value())
    mail = EmailMessage()
    mail["Subject"] = f"[election-metrics] {text.splitlines()[0]}"
    mail["From"] = unquote(url.username or "") if "@" in unquote(url.username or "") else settings.alert_email
    mail["To"] = settings.alert_email
    mail.set_content(text)
    kind = smtplib.SMTP_SSL if url.scheme == "smtps" else smtplib.SMTP
    with kind(url.hostname or "", url.port or (465 if url.scheme == "smtps" else 587), timeout=_SECONDS) as server:
        if url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls()
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)


def without_own_secrets(settings: Settings, text: str) -> str:
    """The text without anything that is secret in these settings, and without the passwords in it."""
    secrets = {}
    for name, value in settings:
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            secrets[name] = secret
            secrets[f"password of {name}"] = unquote(urlsplit(secret).password or "")
    if settings.alert_urls is not None:
        # Tokens are anywhere in these.
        for place, url in enumerate(settings.alert_urls.get_secret_value().split(), 1):
            secrets[f"URL {place} of alert_urls"] = url
            secrets[f"password {place} of alert_urls"] = unquote(urlsplit(url).password or "")
            for number, part in enumerate(re.split(r"[/:@?&=,]+", url), 1):
                if len(part) >= _SHORTEST_PART:
                    secrets[f"part {number} of URL {place} of alert_urls"] = part
    return without_secrets(text, secrets)
