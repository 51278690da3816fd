"""Start of the partition grid: `up` keeps it at the first hour with transactions."""

import threading
from collections.abc import Mapping
from datetime import datetime

from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.hours import first_landed_hour
from election_metrics.settings import PREFIX, Settings

_LOOK_EVERY = 5.0


class Grid:
    """Follows the first landed hour in a thread, because the supervisor must not wait for a database."""

    def __init__(self, settings: Settings) -> None:
        """Starts the thread."""
        self._settings = settings
        self._stopped = threading.Event()
        self.shown = settings.first_shown
        self._landed: datetime | None = None
        self._look()
        self.shown = self._wanted()
        threading.Thread(target=self._follow, daemon=True).start()

    def moved(self) -> datetime | None:
        """The new start, if it differs from the one at the last call; else None."""
        wanted = self._wanted()
        if wanted == self.shown:
            return None
        self.shown = wanted
        return wanted

    def environment(self) -> Mapping[str, str]:
        """The environment variable that tells the code location where the grid starts."""
        return {f"{PREFIX}FIRST_PARTITION": self.shown.isoformat()}

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()

    def _wanted(self) -> datetime:
        if self._landed is None:
            return self.shown
        # A later start from the settings holds until something older lands.
        configured = self._settings.first_partition
        return max(self._settings.first_hour, self._landed if configured is None else min(self._landed, configured))

    def _follow(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        try:
            self._landed = first_landed_hour(self._settings) or self._landed
        except ElectionMetricsError:
            return  # the database cannot be reached, which is reported elsewhere
