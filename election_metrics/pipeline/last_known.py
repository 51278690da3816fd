"""What the supervisor last knew, in a small file: whoever is asked while PostgreSQL hangs answers from it.

`up` writes it; `status`, the API and the daemon's alerts read it. It holds no figure that is not in the warehouse.
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
"""Its name, where problems are told."""


class Known(BaseModel):
    """Something that is wrong.

    Attributes:
        key: the same while it lasts.
        severity: error or warning.
        title: what is wrong, in a line.
        detail: where, why, what to type and where to look, a line each.
        since: when it was first seen.
        alerted_at: when it was sent out; None: not yet.
    """

    key: str
    severity: str
    title: str
    detail: str
    since: datetime
    alerted_at: datetime | None = None


class LastKnown(BaseModel):
    """Everything that is remembered.

    Attributes:
        looked_at: when the supervisor looked last; from the file's own time.
        problems: what the supervisor found wrong itself.
        of_warehouse: what the daemon found wrong, as the warehouse had it when it last answered.
        figures: counts of `status`, as of then.
        figures_at: when the warehouse last answered.
        filled: sources in which files were seen.
    """

    looked_at: datetime | None = None
    problems: list[Known] = []
    of_warehouse: list[Known] = []
    figures: dict[str, int] = {}
    figures_at: datetime | None = None
    filled: list[str] = []

    def watches(self, now: datetime) -> bool:
        """Whether a supervisor watches at this moment."""
        return self.looked_at is not None and now - self.looked_at < _FRESH

    def seen_now(self, now: datetime) -> list[Known]:
        """What a supervisor that watches finds wrong itself; what one that is gone said is no news."""
        return self.problems if self.watches(now) else []

    def everything(self, now: datetime) -> list[Known]:
        """All that is wrong."""
        return [*self.seen_now(now), *self.of_warehouse]


def unwatched(settings: Settings, known: LastKnown, now: datetime) -> Known | None:
    """That an `up` has this HOME and does not watch: it is stopped, or hangs. None: it watches, or there is none."""
    holder = claimant(settings.home)
    if holder is None or known.looked_at is None or known.watches(now):
        return None
    since = known.looked_at
    return Known(
        key=f"silent {SUPERVISOR}",
        severity="error",
        title=f"{SUPERVISOR} does not watch",
        detail=f"where: process {holder[0]}\nwhy: it was stopped, or hangs; nobody starts its parts again\n"
        f"type: ps -o pid,stat,args -p {holder[0]} (state T: kill -CONT {holder[0]})\nsee: {settings.ui_url}",
        since=since,
    )


def path_of(settings: Settings) -> Path:
    """Where the file is."""
    return settings.home / "last_known.json"


def read_last_known(settings: Settings) -> LastKnown:
    """What was written last; nothing, where nothing was or can be read."""
    path = path_of(settings)
    try:
        known = LastKnown.model_validate_json(path.read_bytes())
        known.looked_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValidationError):
        return LastKnown()
    return known


def write_last_known(settings: Settings, known: LastKnown) -> None:
    """Writes what changed; where the disk is full, the old file stays and is marked as looked at."""
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
