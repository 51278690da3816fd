"""A lock that allows one `up` (or `demo`) for each HOME; its holder may change the tables and start processes."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from election_metrics.errors import ElectionMetricsError, SettingsError
from election_metrics.warehouse.private_files import make_private, open_private
from election_metrics.warehouse.release import CLAIM, claim_text

_held: set[Path] = set()


@contextlib.contextmanager
def claimed(home: Path) -> Iterator[None]:
    """Holds the lock of this HOME; re-entrant within a process.

    Raises:
        ElectionMetricsError: another process holds it; gives its process id.
        SettingsError: HOME cannot be created or written to.
    """
    if home in _held:
        yield
        return
    try:
        make_private(home)
        claim = open_private(home / CLAIM, "a+")
    except OSError as error:
        raise SettingsError(f"ELECTION_METRICS_HOME is {str(home)!r}: {error.strerror}") from None
    with claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.seek(0)
            process = claim.readline().strip() or "?"
            raise ElectionMetricsError(
                f"{home} is in use by process {process}; stop it, or set ELECTION_METRICS_HOME to another folder"
            ) from None
        claim.truncate(0)
        claim.write(claim_text(os.getpid()))
        claim.flush()
        os.umask(0o077)  # files of this process and its children are readable by their owner only
        _held.add(home)
        try:
            yield
        finally:
            _held.discard(home)
