"""Host names that a server accepts, and origins that may send requests to it.

Another site can point a name at this address (DNS rebinding), and can send requests with the browser's cookies. The
header Host reveals the first, and the headers Origin and Sec-Fetch-Site reveal the second; a page cannot set them.
Clients that are not browsers send neither Origin nor Sec-Fetch-Site.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from election_metrics.errors import SettingsError

_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


def is_own_address(host: str, said_by: str) -> bool:
    """Whether the address can be reached only from this machine.

    Args:
        host: the address.
        said_by: the setting or option that contains it, for the message.

    Raises:
        SettingsError: `host` is not an address.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise SettingsError(f"{said_by} is {host!r}: it must be an address such as 0.0.0.0") from None


def reached_at(host: str) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if found.is_unspecified:
        return "127.0.0.1" if found.version == 4 else "[::1]"
    return f"[{found}]" if found.version == 6 else host


@dataclass(frozen=True)
class Names:
    """The names of one server.

    Attributes:
        hosts: permitted values of Host, in lower case, without port.
        origins: hosts, with the port that a browser shows, of our pages behind a proxy.
        is_any_address: whether Host may be any IP address; DNS rebinding affects only names.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    is_any_address: bool = False

    def has(self, host: str) -> bool:
        """Whether the server accepts this header Host."""
        name = _without_port(host)
        return name in self.hosts or (self.is_any_address and _is_address(name))

    def lets(self, host: str, origin: str | None, site: str | None, *, is_visit: bool) -> bool:
        """Whether the origin of a request is allowed: one of our pages, or a link that a person followed.

        Args:
            host: the header Host.
            origin: the header Origin.
            site: the header Sec-Fetch-Site.
            is_visit: whether the response is shown as a page (a top-level navigation).
        """
        if origin is not None:
            there = urlsplit(origin).netloc.lower()
            return bool(there) and (there == host.lower() or there in self.origins)
        return site in (None, "same-origin", "none") or is_visit


def names_of(listens_on: str, others: Iterable[str]) -> Names:
    """The names of a server that listens on this address and is also reached by other names (with or without port)."""
    named = frozenset(one.strip().lower() for one in others if one.strip())
    is_wide = _is_address(listens_on) and ipaddress.ip_address(listens_on).is_unspecified
    return Names(_THIS_MACHINE | {listens_on.lower()} | {_without_port(one) for one in named}, named, is_wide)


def _without_port(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # an unclosed bracket
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
