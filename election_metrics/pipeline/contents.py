"""De-duplicates file contents: equal bytes of one contract are one content, which is read once."""

from collections.abc import Sequence, Set

import sqlalchemy as sa

from election_metrics.sources.export_file import ExportFile
from election_metrics.sources.file_versions import FileVersion
from election_metrics.warehouse import ledger


def number_contents(
    connection: sa.Connection, exports: Sequence[ExportFile], again: Set[FileVersion]
) -> tuple[list[tuple[ExportFile, int]], set[int]]:
    """Each export with the number of its content, and the numbers of contents that landed before.

    Args:
        connection: the landing's transaction.
        exports: the opened exports.
        again: versions whose content counts as new even if it landed before.
    """
    new = [export for export in exports if export.version not in again]
    contents = ledger.landed_contents(connection, [export.content_hash for export in new])
    known = set(contents.values())
    keys = [export.key for export in exports]
    unknown = [key for key in dict.fromkeys(keys) if key not in contents]
    contents |= zip(unknown, ledger.next_content_ids(connection, len(unknown)), strict=True)
    return [(export, contents[key]) for export, key in zip(exports, keys, strict=True)], known
