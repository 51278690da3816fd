"""A log that survives a full disk: it says so once, counts what is lost, and goes on when there is room."""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from pathlib import Path


class LogFile(logging.handlers.RotatingFileHandler):
    """Python's own, without a traceback for each line that cannot be written."""

    def __init__(self, path: Path, most_bytes: int, backups: int, tell: Callable[[str], None]) -> None:
        """Tells when lines begin to be lost."""
        super().__init__(path, maxBytes=most_bytes, backupCount=backups, encoding="utf-8")
        self._tell, self._lost = tell, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the line; after a loss, how much was lost as well."""
        before = self._lost
        super().emit(record)
        if before and self._lost == before:
            self._lost = 0
            said = f"{before} line(s) before this one could not be written: there was no room"
            super().emit(logging.makeLogRecord({"msg": said}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's name
        """A line that cannot be written is counted."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._lost += 1
        if self._lost == 1:
            self._tell(f"{self.baseFilename} cannot be written ({error.strerror}); lines are lost until it can.")

    def close(self) -> None:
        """Closes it, also where what is left does not fit on the disk."""
        try:
            super().close()
        except OSError:
            self.stream = None
