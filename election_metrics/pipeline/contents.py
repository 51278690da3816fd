"""Which content is which: equal bytes of one contract are one content, in however many files, and read once."""

from collections.abc import Sequence, Set
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from election_metrics.locations import place
from election_metrics.sources.portal_exports import ExportFile, FileVersion, read_exports, unchanged
from election_metrics.warehouse import ledger


def number_contents(
    connection: sa.Connection, exports: Sequence[ExportFile], again: Set[FileVersion], work: Path
) -> tuple[list[tuple[ExportFile, int]], set[int]]:
    """Each export with the number of its content, and the numbers of those that landed before.

    Args:
        connection: in the landing's transaction.
        exports: what was opened.
        again: versions whose content counts as new, whatever landed before.
        work: a folder for members of archives, and copies of objects.
    """
    new = [export for export in exports if export.version not in again]
    _hash_anew(connection, new, work)
    contents = ledger.landed_contents(connection, [export.content_hash for export in new])
    known = set(contents.values())
    keys = [(export.content_hash, export.place.constituency_id) for export in exports]
    unknown = [key for key in dict.fromkeys(keys) if key not in contents]
    contents |= zip(unknown, ledger.next_content_ids(connection, len(unknown)), strict=True)
    return [(export, contents[key]) for export, key in zip(exports, keys, strict=True)], known


def _hash_anew(connection: sa.Connection, exports: Sequence[ExportFile], work: Path) -> None:
    """Gives files that landed with the hash of before 0012 this one's, where an export may be their copy.

    The hash of before can be forged: it proves nothing, so their bytes are read again. Where these are gone or changed,
    the export is read as new: its rows have ids that landed, and count once.
    """
    pairs = {(export.version.size, export.place.constituency_id) for export in exports}
    for landed in ledger.versions_hashed_before(connection, pairs):
        version = FileVersion(*landed)
        if not unchanged(version):
            continue
        with TemporaryDirectory(dir=work) as folder:
            found = read_exports(version, place(version.path, "the path in the ledger"), Path(folder))
            hashes = {export.member: export.content_hash for export in found if isinstance(export, ExportFile)}
        if unchanged(version):
            ledger.store_hashes(connection, version.path, hashes)
