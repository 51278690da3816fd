"""Rate limits, counted by all APIs together if they share a Redis, else by each process."""

import time
from typing import Any, cast

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter as SharedLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from election_metrics.api.shared import NO_PACKAGE
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings

_ANSWERS_WITHIN = 0.5
_TRY_AGAIN_AFTER = 5.0
_NAMED = "election-metrics-rates"


class Rates:
    """Counts the requests of each address or token in time windows."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet.

        Raises:
            SettingsError: the package for Redis is missing.
        """
        self._rates = {"read": parse(settings.api_read_rate), "operate": parse(settings.api_write_rate)}
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._shared: RedisStorage | None = None
        self._away_until = 0.0
        if settings.cache_url is not None:
            url = f"async+{settings.cache_url.get_secret_value()}"
            try:
                self._shared = RedisStorage(
                    url, wrap_exceptions=True, implementation="redispy", key_prefix=_NAMED,
                    socket_timeout=_ANSWERS_WITHIN, socket_connect_timeout=_ANSWERS_WITHIN,
                )  # fmt: skip
            except ConfigurationError:
                raise SettingsError(NO_PACKAGE) from None

    async def exceeded(self, rate: str, who: str) -> RateLimitItem | None:
        """Counts this request; returns the rate if it is exceeded."""
        limit = self._rates[rate]
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return None if await SharedLimiter(self._shared).hit(limit, rate, who) else limit
            except StorageError:
                self._away_until = time.monotonic() + _TRY_AGAIN_AFTER  # until then each process counts alone
        return None if self._own.hit(limit, rate, who) else limit

    async def close(self) -> None:
        """Closes the connections."""
        if self._shared is not None:
            await cast(Any, self._shared.bridge).get_connection().aclose()
