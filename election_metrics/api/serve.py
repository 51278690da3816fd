"""The API's process: `python -m election_metrics.api.serve HOST PORT`, which `up` starts."""

import ipaddress
import sys

import uvicorn

from election_metrics.api.app import create_app
from election_metrics.errors import SettingsError
from election_metrics.settings import settings

_STOP_WITHIN = 3


def serve(host: str, port: int) -> None:
    """Serves until told to stop.

    Raises:
        SettingsError: the address is one that others can reach; the API has no login.
    """
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise SettingsError(f"the API has no login and listens on this machine only, not on {host}; use 127.0.0.1")
    uvicorn.run(
        create_app(settings()), host=host, port=port, log_level="warning", access_log=False,
        timeout_graceful_shutdown=_STOP_WITHIN,
    )  # fmt: skip


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
