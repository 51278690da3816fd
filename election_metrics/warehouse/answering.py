"""Calls with a deadline, for services that may hang without refusing the connection."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar

import psycopg

from election_metrics.errors import TransientError
from election_metrics.settings import Settings
from election_metrics.warehouse.server import address_if_ready, plain_url, warehouse_url

SECONDS = 5.0
HANGS = "PostgreSQL does not answer: it takes connections and says nothing"
T = TypeVar("T")


class Asker:
    """Runs calls in threads. A call that has not returned is not started again, so a hang costs a single thread."""

    def __init__(self) -> None:
        """Starts nothing."""
        self._asked: dict[str, Future[object]] = {}

    def ask_all(
        self, questions: Mapping[str, Callable[[], object]], seconds: float = SECONDS
    ) -> dict[str, object | Exception]:
        """The result of each call by its name, or its exception; TimeoutError after the deadline."""
        for name, question in questions.items():
            if name not in self._asked:
                self._asked[name] = _start(question)
        answers: dict[str, object | Exception] = {}
        deadline = time.monotonic() + seconds
        for name in questions:
            future = self._asked[name]
            try:
                answers[name] = future.result(max(0.0, deadline - time.monotonic()))
            except Exception as error:  # it is the result
                answers[name] = error if future.done() else TimeoutError(f"no answer within {seconds:g} s")
            if future.done():
                del self._asked[name]
        return answers


def within(seconds: float, ask: Callable[[], T]) -> T:
    """The result of `ask`, called in a thread.

    Raises:
        TimeoutError: it does not return in time; the thread continues, but does not keep the process from ending.
    """
    return _start(ask).result(seconds)


def ask_database(settings: Settings) -> None:
    """Pings PostgreSQL on a new connection; call it with a deadline.

    Raises:
        TimeoutError: the server does not answer.
        psycopg.Error: the server cannot be reached, or refuses the connection.
    """
    url = plain_url(warehouse_url(settings))
    try:
        with psycopg.connect(url, connect_timeout=int(SECONDS), autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.errors.ConnectionTimeout as error:
        raise TimeoutError(str(error)) from None


def check_that_it_answers(settings: Settings, seconds: float) -> None:
    """Checks that a running PostgreSQL answers. A server that does not run yet is not started here.

    Raises:
        TransientError: it does not answer in time.
    """
    address = address_if_ready(settings)
    if address is None:
        return
    try:
        within(seconds, lambda: _ping(address))
    except TimeoutError:
        raise TransientError(HANGS) from None


def _ping(address: str) -> None:
    """Waits for any answer of the server; a refusal is one."""
    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.errors.ConnectionTimeout as error:
        raise TimeoutError(str(error)) from None
    except psycopg.OperationalError:
        return


def _start(ask: Callable[[], T]) -> "Future[T]":
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except Exception as error:  # passed to the caller
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
