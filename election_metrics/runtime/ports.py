"""Ports of `up`: a service listens on the requested port or fails; at a terminal, a free port is used and printed."""

import sys
import time

import psutil

from election_metrics.errors import ElectionMetricsError
from election_metrics.runtime.supervisor import free_port

PATIENCE = 20.0
"""Seconds that a service waits for a port: the children of a killed `up` release theirs within that time."""


def at_terminal() -> bool:
    """Whether the command was typed at a terminal, so that its output is read."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def port_for(what: str, wanted: int, host: str, option: str, *, may_differ: bool) -> int:
    """The port if it is free; else another free port if `may_differ`, or an error.

    Args:
        what: what is served there.
        wanted: the port; 0: any.
        host: the address to listen on.
        option: the option or setting that chooses another port.
        may_differ: whether another port is acceptable.

    Raises:
        ElectionMetricsError: the port is taken; names the process, if that is permitted, and what to type.
    """
    until = time.monotonic() + PATIENCE
    while (port := free_port(wanted, host)) != wanted and wanted and not may_differ:
        if time.monotonic() > until:
            raise ElectionMetricsError(
                f"port {wanted} of {host} is taken{_by_whom(wanted)}, so {what} cannot be served there; stop it, "
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
