"""The last known state, in a small file, for answers while PostgreSQL hangs.

`up` writes it; `status`, the API and the daemon's alerts read it. Every figure in it is from the warehouse.
"""

import contextlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ValidationError

from election_metrics.settings import Settings
from election_metrics.warehouse.release import claimant

DATABASE = "database"
"""Key of the problem that PostgreSQL does not answer."""
_FRESH = timedelta(seconds=60)


SUPERVISOR = "up"
"""Name of the supervisor in problems."""


class Known(BaseModel):
    """A known problem.

    Attributes:
        key: identifies it; constant while it lasts.
        severity: error or warning.
        title: what is wrong, in one line.
        detail: where, why, what to type and where to look, one line each.
        since: when it was first seen.
        alerted_at: when its alert was sent; None: not yet.
    """

    key: str
    severity: str
    title: str
    detail: str
    since: datetime
    alerted_at: datetime | None = None


class LastKnown(BaseModel):
    """The last known state.

    Attributes:
        looked_at: time of the supervisor's last check: the file's modification time.
        problems: problems found by the supervisor.
        of_warehouse: problems found by the daemon, as stored in the warehouse when it last answered.
        figures: counts of `status` at that time.
        figures_at: when the warehouse last answered.
        filled: sources that have had files.
    """

    looked_at: datetime | None = None
    problems: list[Known] = []
    of_warehouse: list[Known] = []
    figures: dict[str, int] = {}
    figures_at: datetime | None = None
    filled: list[str] = []

    def watches(self, now: datetime) -> bool:
        """Whether a supervisor is watching now."""
        return self.looked_at is not None and now - self.looked_at < _FRESH

    def seen_now(self, now: datetime) -> list[Known]:
        """Problems found by a supervisor that is watching; those of one that ended are outdated."""
        return self.problems if self.watches(now) else []

    def everything(self, now: datetime) -> list[Known]:
        """All problems."""
        return [*self.seen_now(now), *self.of_warehouse]


def unwatched(settings: Settings, known: LastKnown, now: datetime) -> Known | None:
    """A problem if an `up` holds this HOME but does not watch (it is stopped, or hangs); else None."""
    holder = claimant(settings.home)
    if holder is None or known.looked_at is None or known.watches(now):
        return None
    since = known.looked_at
    return Known(
        key=f"silent {SUPERVISOR}",
        severity="error",
        title=f"{SUPERVISOR} does not watch",
        detail=f"where: process {holder[0]}\nwhy: it was stopped, or hangs; its processes are not restarted\n"
        f"type: ps -o pid,stat,args -p {holder[0]} (state T: kill -CONT {holder[0]})\nsee: {settings.ui_url}",
        since=since,
    )


def path_of(settings: Settings) -> Path:
    """Path of the file."""
    return settings.home / "last_known.json"


def read_last_known(settings: Settings) -> LastKnown:
    """The stored state; an empty one if there is none or it cannot be read."""
    path = path_of(settings)
    try:
        known = LastKnown.model_validate_json(path.read_bytes())
        known.looked_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValidationError):
        return LastKnown()
    return known


def write_last_known(settings: Settings, known: LastKnown) -> None:
    """Writes the state if it changed; on a full disk, the old file stays and gets a new modification time."""
    path = path_of(settings)
    text = known.model_dump_json(exclude={"looked_at"})
    with contextlib.suppress(OSError):
        if not path.exists() or path.read_text("utf-8") != text:
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                fresh.replace(path)
            except OSError:
                fresh.unlink(missing_ok=True)
        os.utime(path)
