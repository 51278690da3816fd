"""The store of cached answers and sessions: the Redis of the settings, shared by several APIs, else memory."""

from cashews import Cache
from cashews.exceptions import BackendNotAvailableError

from election_metrics.errors import SettingsError
from election_metrics.settings import Settings

NO_PACKAGE = (
    "ELECTION_METRICS_CACHE_URL is set, and the package redis is not installed; type: "
    "pip install 'election-metrics[redis]'"
)
_SWEEP_SECONDS = 20


def open_store(settings: Settings, most: int) -> Cache:
    """A store in the settings' Redis, or in memory with at most `most` items.

    Raises:
        SettingsError: the package for Redis is missing.
    """
    store = Cache()
    if settings.cache_url is None:
        store.setup("mem://", size=most, check_interval=_SWEEP_SECONDS, check_repr=False)
        return store
    try:
        store.setup(
            settings.cache_url.get_secret_value(), suppress=True
        )  # while Redis cannot be reached, the cache is empty
    except BackendNotAvailableError:
        raise SettingsError(NO_PACKAGE) from None
    return store
