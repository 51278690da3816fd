"""Where the grid of partitions begins: at the first hour with transactions, as long as `up` runs."""

import threading
from collections.abc import Mapping
from datetime import datetime

from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.hours import first_landed_hour
from election_metrics.settings import PREFIX, Settings

_LOOK_EVERY = 5.0


class Grid:
    """Follows what has landed. It asks in a thread of its own: whoever watches must not wait for a database."""

    def __init__(self, settings: Settings) -> None:
        """Begins to follow."""
        self._settings = settings
        self._stopped = threading.Event()
        self.shown = settings.first_shown
        self._landed: datetime | None = None
        self._look()
        self.shown = self._wanted()
        threading.Thread(target=self._follow, daemon=True).start()

    def moved(self) -> datetime | None:
        """Where it begins now, where that is elsewhere than at the last time; else None."""
        wanted = self._wanted()
        if wanted == self.shown:
            return None
        self.shown = wanted
        return wanted

    def environment(self) -> Mapping[str, str]:
        """The setting of the process that shows it."""
        return {f"{PREFIX}FIRST_PARTITION": self.shown.isoformat()}

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()

    def _wanted(self) -> datetime:
        if self._landed is None:
            return self.shown
        # A later beginning that a person chose holds until something older lands.
        chosen = self._settings.first_partition
        return max(self._settings.first_hour, self._landed if chosen is None else min(self._landed, chosen))

    def _follow(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        try:
            self._landed = first_landed_hour(self._settings) or self._landed
        except ElectionMetricsError:
            return  # it is away: others say so
