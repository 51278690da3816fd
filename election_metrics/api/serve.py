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
        SettingsError: the host is no address.
    """
    # Threads that read must not keep the loop, which answers all that is there already, from its turn.
    sys.setswitchinterval(_TURN_SECONDS)
    settings = read_settings(api_host=host)
    # Only a proxy, which gives us its names, may say who asks.
    uvicorn.run(
        create_app(settings), host=host, port=port, proxy_headers=settings.api_hosts is not None, log_level="warning",
        access_log=False, timeout_graceful_shutdown=_STOP_WITHIN, server_header=False,
        http=Patience,
    )  # fmt: skip


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
