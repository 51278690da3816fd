"""A log file that survives a full disk: reports it once, counts lost lines, and continues when there is space."""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from pathlib import Path


class LogFile(logging.handlers.RotatingFileHandler):
    """Rotating log file that prints no traceback for lines that cannot be written."""

    def __init__(self, path: Path, most_bytes: int, backups: int, tell: Callable[[str], None]) -> None:
        """Calls `tell` when the first line is lost."""
        super().__init__(path, maxBytes=most_bytes, backupCount=backups, encoding="utf-8")
        self._tell, self._lost = tell, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the line; after a loss, also the number of lost lines."""
        before = self._lost
        super().emit(record)
        if before and self._lost == before:
            self._lost = 0
            message = f"{before} line(s) before this one could not be written: there was no room"
            super().emit(logging.makeLogRecord({"msg": message}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's name
        """Counts a line that cannot be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._lost += 1
        if self._lost == 1:
            self._tell(f"{self.baseFilename} cannot be written ({error.strerror}); lines are lost until it can.")

    def close(self) -> None:
        """Closes the file, also if buffered lines do not fit on the disk."""
        try:
            super().close()
        except OSError:
            self.stream = None
