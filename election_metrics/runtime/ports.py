"""On which ports `up` listens: those that were asked for, or none. Somebody at a terminal sees where else it is."""

import sys
import time

import psutil

from election_metrics.errors import ElectionMetricsError
from election_metrics.runtime.supervisor import free_port

PATIENCE = 20.0
"""Seconds that a service waits for a port: the parts of an `up` that was killed are about to let go of theirs."""


def at_terminal() -> bool:
    """Whether a person typed the command, and reads what it says."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def port_for(what: str, wanted: int, host: str, option: str, *, may_differ: bool) -> int:
    """The port, if it is free; if not, a free one for people, and an error for a service, whose readers know the one.

    Args:
        what: what is served there.
        wanted: the port; 0: any.
        host: the address to listen on.
        option: what to type, or to set, to have another.
        may_differ: another will do.

    Raises:
        ElectionMetricsError: it is taken; says by which process, as far as one may know, and what to type.
    """
    until = time.monotonic() + PATIENCE
    while (port := free_port(wanted, host)) != wanted and wanted and not may_differ:
        if time.monotonic() > until:
            raise ElectionMetricsError(
                f"port {wanted} of {host} is taken{_by_whom(wanted)}, so {what} cannot be served there; end that one, "
                f"or give another port: {option}"
            )
        time.sleep(0.2)
    return port


def _by_whom(port: int) -> str:
    try:
        ours = [one for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr[1:] == (port,)]
        names = [f"process {pid}, {psutil.Process(pid).name()}" for pid in sorted({one.pid or 0 for one in ours} - {0})]
    except psutil.Error:
        return ""
    return f" (by {'; '.join(names)})" if names else ""
