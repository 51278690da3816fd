"""Moves the lake: copies every live part to another location and verifies it there, while the system runs."""

from dataclasses import dataclass

from election_metrics.digest import new_digest
from election_metrics.errors import DataError
from election_metrics.locations import Location, fetch, move_into_place, name_of, with_patience
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings
from election_metrics.warehouse import lake_manifest
from election_metrics.warehouse.database import transaction

_BLOCK = 1 << 22


@dataclass
class Moved:
    """Result of a move.

    Attributes:
        copied: number of copied parts.
        bytes: their bytes.
        there: number of intact parts that existed at the target before.
    """

    copied: int = 0
    bytes: int = 0
    there: int = 0


def move_lake(settings: Settings, target: Location, progress: Report | None = None) -> Moved:
    """Copies the live parts to `target`, and verifies each copy byte by byte.

    Parts that land meanwhile are copied too, until none is missing. The old lake and the settings are not changed.

    Args:
        settings: the settings, which name the lake to move.
        target: the new location; it may hold some parts already.
        progress: called with bytes done and total bytes.

    Raises:
        DataError: a part is missing from the lake, or its copy differs; its path is named.
        TransientError: an object store cannot be reached.
    """
    moved = Moved()
    make_scratch(settings)
    verified: set[str] = set()
    while missing := [(path, size) for path, size in _parts(settings) if path not in verified]:
        total, done = sum(size for _, size in missing), 0
        for path, size in missing:
            _copy(settings, path, target, moved)
            verified.add(path)
            done += size
            if progress:
                progress(done, total)
    return moved


def _parts(settings: Settings) -> list[tuple[str, int]]:
    with transaction(settings) as connection:
        parts = lake_manifest.parts_of_hours(connection)
    return [(str(path), int(size)) for path, size in parts[["path", "size"]].itertuples(index=False)]


def _copy(settings: Settings, path: str, target: Location, moved: Moved) -> None:
    source, final = settings.lake_path / path, target / path
    try:
        expected = _hash(source)
    except FileNotFoundError:
        if path in {part for part, _ in _parts(settings)}:
            raise DataError(f"{name_of(source)} is lost; election-metrics reland reads its files again") from None
        return  # merged into another part meanwhile
    if _exists(final) and _hash(final) == expected:
        moved.there += 1
        return
    with work_folder(settings.scratch_path) as work:
        copy = work / "part.parquet"
        fetch(source, copy)
        size = copy.stat().st_size
        move_into_place(copy, final)
    if _hash(final) != expected:
        raise DataError(f"{name_of(final)} differs from {name_of(source)}; type the command again")
    moved.copied += 1
    moved.bytes += size


def _exists(file: Location) -> bool:
    return bool(with_patience(file.exists, str(file)))


def _hash(file: Location) -> str:
    def read() -> str:
        content = new_digest()
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK):
                content.update(block)
        return content.hexdigest()

    return str(with_patience(read, str(file)))
