"""How a text reaches people: by webhook and by mail, without a secret in it."""

import json
import logging
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from html import escape
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from election_metrics.automation.problems import without_secrets
from election_metrics.settings import Settings

_log = logging.getLogger("election_metrics.alerts")
_SECONDS = 10


def deliver(settings: Settings, text: str) -> bool:
    """Sends a text everywhere that the settings name; whether all of it arrived."""
    text = without_own_secrets(settings, text)
    ways: list[Callable[[Settings, str], None]] = []
    if settings.alert_webhook is not None:
        ways.append(_post)
    if settings.alert_email is not None and settings.smtp_url is not None:
        ways.append(_mail)
    arrived = True
    for way in ways:
        try:
            way(settings, text)
        except Exception as error:  # an alert that fails must not fail the sensor: it is sent again
            _log.error(
                without_own_secrets(
                    settings, f"the alert could not be sent ({way.__name__[1:]}): {type(error).__name__}"
                )
            )
            arrived = False
    return arrived


def _post(settings: Settings, text: str) -> None:
    import requests

    assert settings.alert_webhook is not None
    # To Slack, <…> in a name of others would be a link, or a call to everybody.
    body = json.dumps({"text": escape(text, quote=False)}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    url = settings.alert_webhook.get_secret_value()
    requests.post(url, data=body, headers=headers, timeout=_SECONDS).raise_for_status()


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
    return without_secrets(text, secrets)
