"""Sends a text to services supported by Apprise, from a subprocess that runs this module.

A service may hang, and Apprise's logs contain tokens. The subprocess therefore has a deadline, and returns only the
names of services.
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
"""Deadline for all services together, in seconds."""
UNKNOWN = "not known to Apprise"
UNANSWERED = "no answer"
_CALLS = str.maketrans({"<": "‹", ">": "›", "@": "@\N{ZERO WIDTH SPACE}"})


@dataclass(frozen=True)
class Channel:
    """One Apprise URL.

    Attributes:
        place: its position in the setting, from 1.
        service: the service's name, such as Telegram; UNKNOWN; UNANSWERED if the deadline passed before that was known.
        took_it: whether the service accepted the text.
    """

    place: int
    service: str
    took_it: bool = False


def send(urls: str, text: str, seconds: float = SECONDS) -> list[Channel]:
    """Sends a text to every URL concurrently and waits at most `seconds`.

    Args:
        urls: Apprise URLs, separated by spaces.
        text: its first line is the title, for services that have titles.
        seconds: deadline; URLs that have not accepted the text by then count as failed.
    """
    # Untrusted names in the text must not become mentions or links in a chat.
    title, _, body = text.translate(_CALLS).partition("\n")
    return _run(urls, {"title": title if body else "", "body": body or title}, seconds)


def look_at(urls: str, seconds: float = SECONDS) -> list[Channel]:
    """The service of each URL; sends nothing."""
    return _run(urls, None, seconds)


def _run(urls: str, message: dict[str, str] | None, seconds: float) -> list[Channel]:
    each = urls.split()
    request = json.dumps({"urls": each, "message": message, "seconds": seconds})
    command = [sys.executable, "-m", "election_metrics.automation.channels"]
    try:
        output = subprocess.run(  # noqa: S603 this module
            command, input=request.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds,
            check=False,
        ).stdout  # fmt: skip
    except subprocess.TimeoutExpired as hung:
        output = hung.stdout or b""
    found = {place: Channel(place, UNANSWERED) for place in range(1, len(each) + 1)}
    # A later line of a channel replaces its earlier one; an incomplete last line is ignored.
    for line in output[: output.rfind(b"\n") + 1].splitlines():
        channel = Channel(**json.loads(line))
        found[channel.place] = channel
    return list(found.values())


def main() -> None:
    """Reads the request from standard input; prints a line for each channel, and another once it accepted the text."""
    request: dict[str, Any] = json.load(sys.stdin)
    signal.alarm(int(request["seconds"]) + 5)  # the parent process may have been killed
    logging.disable(logging.CRITICAL)
    sys.stdout = sys.stderr  # keeps other output out of the answer
    from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode

    asset = AppriseAsset(
        app_id="election-metrics", app_desc="Turnout of an on-line vote", app_url="", image_url_mask="",
        image_url_logo="", storage_mode=PersistentStoreMode.MEMORY,
    )  # fmt: skip
    boxes = {}
    for place, url in enumerate(request["urls"], 1):
        box = Apprise(asset=asset)
        channel = Channel(place, str(box[0].service_name) if box.add(url) else UNKNOWN)
        boxes[channel] = box
        _report(channel)

    def notify(channel: Channel) -> None:
        if boxes[channel].notify(**request["message"], body_format=NotifyFormat.TEXT):
            _report(Channel(channel.place, channel.service, took_it=True))

    if request["message"] is not None:
        with ThreadPoolExecutor(len(boxes)) as pool:
            list(pool.map(notify, [channel for channel in boxes if channel.service != UNKNOWN]))


def _report(channel: Channel) -> None:
    answers = cast(TextIO, sys.__stdout__)
    answers.write(json.dumps(channel.__dict__) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
