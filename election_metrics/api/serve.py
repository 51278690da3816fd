"""The API's process: `python -m election_metrics.api.serve HOST PORT`, which `up` starts."""

import sys

import uvicorn

from election_metrics.api.app import create_app
from election_metrics.settings import read_settings
from election_metrics.web.patience import Patience

_STOP_WITHIN = 3
_TURN_SECONDS = 0.0005


def serve(host: str, port: int) -> None:
    """Serves until told to stop.

    Raises:
        SettingsError: the host is not an address.
    """
    # Reader threads must not starve the event loop, which serves cached answers.
    sys.setswitchinterval(_TURN_SECONDS)
    settings = read_settings(api_host=host)
    # Forwarded headers are trusted only behind a proxy, whose names are in the settings.
    uvicorn.run(
        create_app(settings), host=host, port=port, proxy_headers=settings.api_hosts is not None, log_level="warning",
        access_log=False, timeout_graceful_shutdown=_STOP_WITHIN, server_header=False,
        http=Patience,
    )  # fmt: skip


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
