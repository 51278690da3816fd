"""Delivers alert texts by webhook, mail and Apprise, with secrets removed."""

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
from election_metrics.automation.alert_texts import without_secrets
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import Asker

_log = logging.getLogger("election_metrics.alerts")
_SECONDS = 10
_TO_SAY_SO = 2.0
_SHORTEST_PART = 12
"""Shorter parts of a URL are ordinary words that may occur in an alert."""
_asker = Asker()


def deliver(settings: Settings, text: str, seconds: float = channels.SECONDS) -> bool:
    """Sends a text to every destination in the settings and waits at most `seconds`.

    Returns:
        Whether every destination accepted it; the others are named in the log.
    """
    text = without_own_secrets(settings, text)
    ways: dict[str, Callable[[], object]] = {}
    if settings.alert_webhook is not None:
        ways["webhook"] = partial(_post, settings, text)
    if settings.alert_email is not None and settings.smtp_url is not None:
        ways["mail"] = partial(_mail, settings, text)
    if settings.alert_urls is not None:
        ways["services"] = partial(channels.send, settings.alert_urls.get_secret_value(), text, seconds)
    # While one delivery of a text hangs, the same text is not sent that way again.
    answers = _asker.ask_all({f"{way}: {text}": send for way, send in ways.items()}, seconds + _TO_SAY_SO)
    failed = []
    for way, answer in zip(ways, answers.values(), strict=True):
        if isinstance(answer, Exception):  # a failed alert must not fail the sensor: it is retried
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
    """Validates the Apprise URLs at start, before there is an alert to send.

    Raises:
        SettingsError: Apprise does not support one of them; gives its position, not the URL.
    """
    if settings.alert_urls is None:
        return
    for channel in channels.look_at(settings.alert_urls.get_secret_value()):
        if channel.service == channels.UNKNOWN:
            raise SettingsError(
                f"ELECTION_METRICS_ALERT_URLS: URL {channel.place} is not supported by Apprise "
                "(https://appriseit.com/services lists the supported services)"
            )


def _post(settings: Settings, text: str) -> None:
    import requests

    assert settings.alert_webhook is not None
    # In Slack, <…> in an untrusted name would be a link or a mention of everybody.
    body = json.dumps({"text": escape(text, quote=False)}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    url = settings.alert_webhook.get_secret_value()
    # The body of the answer is not read: some servers never finish it.
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
    """The text with every secret of these settings, and every password in their URLs, replaced by its name."""
    secrets = {}
    for name, value in settings:
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            secrets[name] = secret
            secrets[f"password of {name}"] = unquote(urlsplit(secret).password or "")
    if settings.alert_urls is not None:
        # These may contain tokens anywhere.
        for place, url in enumerate(settings.alert_urls.get_secret_value().split(), 1):
            secrets[f"URL {place} of alert_urls"] = url
            secrets[f"password {place} of alert_urls"] = unquote(urlsplit(url).password or "")
            for number, part in enumerate(re.split(r"[/:@?&=,]+", url), 1):
                if len(part) >= _SHORTEST_PART:
                    secrets[f"part {number} of URL {place} of alert_urls"] = part
    return without_secrets(text, secrets)
