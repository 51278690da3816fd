"""Sends a text to the services that Apprise knows, by a process of its own, which runs this module.

A service may hang, however slowly it goes on, and what Apprise says in its logs has tokens in it. Of the process only
the names of services come back, and it ends in time.
"""

import json
import logging
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TextIO, cast

SECONDS = 20.0
"""How long all services together may take."""
UNKNOWN = "not known to Apprise"
UNANSWERED = "no answer"
_CALLS = str.maketrans({"<": "‹", ">": "›", "@": "@\N{ZERO WIDTH SPACE}"})


@dataclass(frozen=True)
class Channel:
    """One of the URLs.

    Attributes:
        place: which one of them, from 1.
        service: its name, such as Telegram; UNKNOWN; or UNANSWERED where not even that was found out in time.
        took_it: whether it took the text.
    """

    place: int
    service: str
    took_it: bool = False


def send(urls: str, text: str, seconds: float = SECONDS) -> list[Channel]:
    """Sends a text to every URL at once, and waits so many seconds at the most.

    Args:
        urls: Apprise's URLs, with spaces between.
        text: its first line is the title where a service has titles.
        seconds: after these, what has not taken the text is given up.
    """
    # A name of others in the text must call nobody, nor be a link, in any chat.
    title, _, body = text.translate(_CALLS).partition("\n")
    return _ask(urls, {"title": title if body else "", "body": body or title}, seconds)


def look_at(urls: str, seconds: float = SECONDS) -> list[Channel]:
    """What the URLs are; sends nothing."""
    return _ask(urls, None, seconds)


def _ask(urls: str, message: dict[str, str] | None, seconds: float) -> list[Channel]:
    each = urls.split()
    asked = json.dumps({"urls": each, "message": message, "seconds": seconds})
    command = [sys.executable, "-m", "election_metrics.automation.channels"]
    try:
        said = subprocess.run(  # noqa: S603 ourselves
            command, input=asked.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds,
            check=False,
        ).stdout  # fmt: skip
    except subprocess.TimeoutExpired as hung:
        said = hung.stdout or b""
    found = {place: Channel(place, UNANSWERED) for place in range(1, len(each) + 1)}
    # A later line of a channel replaces its earlier one; half a line says nothing.
    for line in said[: said.rfind(b"\n") + 1].splitlines():
        channel = Channel(**json.loads(line))
        found[channel.place] = channel
    return list(found.values())


def main() -> None:
    """Reads what to send from standard input, and prints a line a channel: what it is, and again once it took it."""
    asked: dict[str, Any] = json.load(sys.stdin)
    signal.alarm(int(asked["seconds"]) + 5)  # whoever asked may have been killed
    logging.disable(logging.CRITICAL)
    sys.stdout = sys.stderr  # what else is printed is no answer
    from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode

    asset = AppriseAsset(
        app_id="election-metrics", app_desc="Turnout of an on-line vote", app_url="", image_url_mask="",
        image_url_logo="", storage_mode=PersistentStoreMode.MEMORY,
    )  # fmt: skip
    boxes = {}
    for place, url in enumerate(asked["urls"], 1):
        box = Apprise(asset=asset)
        channel = Channel(place, str(box[0].service_name) if box.add(url) else UNKNOWN)
        boxes[channel] = box
        _say(channel)

    def notify(channel: Channel) -> None:
        if boxes[channel].notify(**asked["message"], body_format=NotifyFormat.TEXT):
            _say(Channel(channel.place, channel.service, took_it=True))

    if asked["message"] is not None:
        with ThreadPoolExecutor(len(boxes)) as pool:
            list(pool.map(notify, [channel for channel in boxes if channel.service != UNKNOWN]))


def _say(channel: Channel) -> None:
    answers = cast(TextIO, sys.__stdout__)
    answers.write(json.dumps(channel.__dict__) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
