"""The release, and protection against concurrent use of a HOME or database by different releases."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from election_metrics import __version__
from election_metrics.errors import WarehouseError

if TYPE_CHECKING:
    import sqlalchemy as sa

APPLICATION = "election-metrics"
CLAIM = ".up.lock"
"""The lock file of `up` below HOME."""
EARLIER = tuple(f"{number:04}" for number in range(1, 14))
"""Revisions before the first release, which cannot be migrated."""
UNFINISHED = ".restoring"
"""The file of a HOME into which a backup is being restored."""
_NEXT = "stop it (Ctrl-C, or systemctl stop election-metrics), type: election-metrics migrate, and start it again"


@lru_cache(maxsize=1)
def release() -> str:
    """Version, and the newest revision of the tables that this release knows: 0.1.0/0001_tables."""
    versions = Path(__file__).parent / "migrations" / "versions"
    return f"{__version__}/{max(path.stem for path in versions.glob('[0-9]*.py'))}"


def revision_of(named: str) -> str:
    """The newest revision of the tables that a release knows."""
    return named.partition("/")[2]


def refuse_earlier(revision: str | None, what: str) -> None:
    """Refuses tables that are older than the first release.

    Args:
        revision: the revision of the tables.
        what: what contains them: a warehouse, or a backup.

    Raises:
        WarehouseError: they are older than the first release; says what to type.
    """
    if revision in EARLIER:
        raise WarehouseError(
            f"{what} is from before the first release (tables {revision}; this is {release()}) and cannot be "
            "migrated: with the program that made it, `election-metrics export` what people entered "
            "(constituency_reference, election_reference, anomaly_thresholds, anomalies); then set "
            "ELECTION_METRICS_HOME to an empty folder, or drop both databases, type: election-metrics migrate, and "
            "ingest the files again"
        )


def application_name() -> str:
    """application_name of our connections, which names their release."""
    return f"{APPLICATION} {release()}"


def claim_text(pid: int) -> str:
    """Content of the lock file of `up`: its process id, and its release."""
    return f"{pid}\n{release()}\n"


def refuse_restored_by_half(home: Path) -> None:
    """Refuses a half-restored HOME.

    Raises:
        WarehouseError: a restore into it did not finish.
    """
    if (home / UNFINISHED).exists():
        raise WarehouseError(
            f"a restore into {home} did not finish: remove that folder, drop the target databases, and type the "
            "restore again"
        )


def claimant(home: Path) -> tuple[int, str] | None:
    """Process id and release of the `up` that holds this HOME; None if there is none. Old releases are ""."""
    claim = home / CLAIM
    try:
        pid, _, theirs = claim.read_text("utf-8").strip().partition("\n")
        since = psutil.Process(int(pid)).create_time()
        written = claim.stat().st_mtime
    except (OSError, ValueError, psutil.Error):
        return None
    return (int(pid), theirs) if since <= written + 1 else None  # a later process has the same id


def refuse_beside_another_release(home: Path) -> None:
    """Refuses a HOME that is held by an `up` of another release.

    Raises:
        WarehouseError: such an `up` runs; says what to type.
    """
    found = claimant(home)
    if found is not None and found[1] != release():
        raise WarehouseError(
            f"{home} is run by an `up` of {f'release {found[1]}' if found[1] else 'an older release'} (process "
            f"{found[0]}), and this is {release()}: {_NEXT}"
        )


def refuse_other_connections(connection: "sa.Connection") -> None:
    """Refuses to change tables while processes of another release are connected, from any machine.

    Raises:
        WarehouseError: there are such connections; says how many, and what to type.
    """
    from sqlalchemy import text  # slow to import, and needed only here

    others = connection.execute(
        text(
            """
            SELECT application_name, count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND split_part(application_name, ' ', 1) = :ours AND application_name <> :this
            GROUP BY application_name ORDER BY application_name
            """
        ),
        {"ours": APPLICATION, "this": application_name()},
    ).all()
    if others:
        seen = ", ".join(
            f"{count} of {name.removeprefix(APPLICATION).strip() or 'an old one'}" for name, count in others
        )
        raise WarehouseError(
            f"processes of another release are connected to this warehouse ({seen}; this is {release()}): {_NEXT}"
        )
