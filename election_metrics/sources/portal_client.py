"""Client of the portal's interface: polite, patient, and suspicious of what it is told."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests
import tenacity

from election_metrics.errors import DataError, TransientError

_ATTEMPTS = 4
_LONGEST_WAIT = 30.0
_MOST_FAILURES = 12
_LONGEST_ANSWER = 120.0
"""Seconds for the whole of an answer."""
_SECONDS = (10.0, 45.0)
"""To connect; and between two pieces of an answer."""
_MOST_BYTES = 1 << 25
_CONNECTIONS = 4
_AGAIN = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Kept:
    """An answer that the portal may confirm (304) in place of sending it again."""

    etag: str | None
    last_modified: str | None
    text: str


class _RetryableError(Exception):
    """A failure that may be over soon."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass
class Portal:
    """Asks the portal.

    Attributes:
        address: base URL, such as https://stat.vybory.gov.ru/api.
        per_second: most requests a second, retries included.
        kept: answers of earlier collections that had a validator, by address and path.
        new: those of this collection.
        sent: number of requests.
        unchanged: number of answers that the portal confirmed.
        pause: waits for some seconds.
    """

    address: str
    per_second: float
    kept: dict[str, Kept] = field(default_factory=dict)
    new: dict[str, Kept] = field(default_factory=dict)
    sent: int = 0
    unchanged: int = 0
    pause: Callable[[float], None] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: float = 0.0
    _own: threading.local = field(default_factory=threading.local)

    def get(self, path: str) -> Any:
        """The answer to a GET.

        Raises:
            DataError: the portal refuses the request, or its answer is no JSON.
            TransientError: the portal cannot be reached, or is busy, after several attempts.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> Any:
        """The answer to a POST (a search, which changes nothing); raises as `get`."""
        return self._ask("POST", path, body)

    def each(self, ask: Callable[[str], Any], names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """(name, answer or error) for each name, in order, by a few connections at once.

        After so many failures in a row, the others are not asked for.
        """
        failures: list[str] = []

        def one(name: str) -> Any:
            if len(failures) >= _MOST_FAILURES:
                return TransientError(f"{name} was not asked for: {_MOST_FAILURES} answers in a row failed")
            try:
                found = ask(name)
                failures.clear()
                return found
            except (DataError, TransientError) as error:
                failures.append(name) if isinstance(error, TransientError) else failures.clear()
                return error
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of a kind that nobody thought of
                return DataError(f"the portal's answer on {name} cannot be read: {type(error).__name__}: {error}"[:300])

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            yield from zip(names, pool.map(one, names), strict=True)

    def _ask(self, method: str, path: str, body: object) -> Any:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_RetryableError),
            sleep=self.pause,
            reraise=True,
        )
        try:
            text = retrying(self._send, method, path, body)
        except _RetryableError as error:
            raise TransientError(f"the portal does not answer {path}: {error}") from None
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"the portal's answer to {path} is no JSON: {str(error)[:200]}") from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next attempt: as long as the portal asks, else longer each time."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, _RetryableError) else None
        return tenacity.wait_random_exponential(0.5, 10)(state) if asked is None else min(asked, _LONGEST_WAIT)

    def _send(self, method: str, path: str, body: object) -> str:
        self._wait_for_turn()
        before = self.kept.get(f"{self.address} {path}") if method == "GET" else None
        headers = {}
        if before is not None and before.etag:
            headers["If-None-Match"] = before.etag
        if before is not None and before.last_modified:
            headers["If-Modified-Since"] = before.last_modified
        try:
            with self._session().request(
                method,
                f"{self.address.rstrip('/')}/{path}",
                json=body,
                headers=headers,
                timeout=_SECONDS,
                stream=True,
                allow_redirects=False,
            ) as response:
                if response.status_code == requests.codes.not_modified and before is not None:
                    self.unchanged += 1
                    return before.text
                text = _read(response, path, self.address)
        except requests.ConnectionError:
            raise _RetryableError(f"no connection to {self.address}") from None
        except requests.Timeout:
            raise _RetryableError(f"no answer from {self.address} within {_SECONDS[1]:.0f} s") from None
        except requests.RequestException as error:
            raise _RetryableError(str(error)[:200]) from None
        etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        if method == "GET" and (etag or modified):
            self.new[f"{self.address} {path}"] = Kept(etag, modified, text)
        return text

    def _wait_for_turn(self) -> None:
        with self._lock:
            self.sent += 1
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + 1 / self.per_second
        if turn > now:
            self.pause(turn - now)

    def _session(self) -> requests.Session:
        """This thread's session: requests does not promise that threads may share one."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.headers["User-Agent"] = "election-metrics"
            self._own.session.headers["Accept"] = "application/json"
        session: requests.Session = self._own.session
        return session


def _read(response: requests.Response, path: str, address: str) -> str:
    """The text of an answer, if it is one."""
    if response.status_code in _AGAIN:
        asked = response.headers.get("Retry-After", "")
        raise _RetryableError(
            f"HTTP {response.status_code}", float(asked) if re.fullmatch("[0-9]{1,9}", asked) else None
        )
    if not response.ok:
        raise DataError(f"the portal at {address} refuses {path}: HTTP {response.status_code}")
    if response.is_redirect:
        raise DataError(
            f"the portal at {address} sends {path} on to {response.headers.get('Location', '')[:200]}; set that"
        )
    content, begin = bytearray(), time.monotonic()
    for piece in response.iter_content(1 << 16):
        content += piece
        if time.monotonic() - begin > _LONGEST_ANSWER:
            raise DataError(f"the portal's answer to {path} took longer than {_LONGEST_ANSWER:.0f} s")
        if len(content) > _MOST_BYTES:
            raise DataError(f"the portal's answer to {path} is longer than {_MOST_BYTES >> 20} MB")
    stated = response.headers.get("Content-Length", "")
    if stated.isdigit() and "Content-Encoding" not in response.headers and len(content) < int(stated):
        raise _RetryableError(f"only {len(content)} of {stated} bytes arrived")
    return content.decode("utf-8", "replace")
