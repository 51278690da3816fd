"""Parses the path of a portal export: contract, region, election, constituency and interval.

Only the file's name is required; folders are used if they exist. No file is opened here.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

from election_metrics.sanitize import visible

BASE58 = "1-9A-HJ-NP-Za-km-z"
CONTRACT_ID = re.compile(rf"[{BASE58}]{{32,44}}")
REGION = re.compile(r"(?P<code>\d{1,3}) - (?P<name>.+)")
INTERVAL = re.compile(r"_(?P<day>\d{4}-\d{2}-\d{2})_(?P<start>\d{4})-(?P<end>\d{4})$")


@dataclass(frozen=True)
class ExportPath:
    """The fields of a path; missing ones are None.

    Names are as in the path, with control characters escaped.

    `interval_start` and `interval_end` are local wall-clock times without a zone, as in the file's name.
    """

    constituency_id: str
    region_code: str | None = None
    region: str | None = None
    election: str | None = None
    constituency: str | None = None
    interval_start: datetime | None = None
    interval_end: datetime | None = None


def contract_id(stem: str) -> str | None:
    """The contract id a file name begins with (up to the first `_`), or None."""
    candidate = stem.partition("_")[0]
    return candidate if CONTRACT_ID.fullmatch(candidate) else None


def parse_export_path(path: PurePath, *, folders_below: int = 0) -> ExportPath | None:
    """Reads `<region>/<election>/<constituency>/<contract>/<file>/<file>.csv`, any folder being optional.

    Args:
        path: the file's path; for a member of an archive, the archive's path followed by the member's.
        folders_below: how many of the path's last folders belong to the export tree. Without a region folder
            only these are used, so that a home directory never becomes an election's name.

    Returns:
        None if the name does not begin with a contract id.
    """
    contract = contract_id(path.stem)
    if contract is None:
        return None
    folders = list(path.parts[:-1])
    while folders and (folders[-1].startswith(contract) or folders[-1].endswith(".zip")):
        folders.pop()
        folders_below -= 1
    region_at = next((i for i in reversed(range(len(folders))) if REGION.fullmatch(folders[i])), None)
    code = region = election = constituency = None
    if region_at is not None:
        match = REGION.fullmatch(folders[region_at])
        assert match is not None
        code, region = match["code"], match["name"].strip()
        election, constituency = [*folders[region_at + 1 :], None, None][:2]
    elif folders_below >= 2:
        election, constituency = folders[-2:]
    start, end = _interval(path.stem)
    region, election, constituency = (name and visible(name) for name in (region, election, constituency))
    return ExportPath(contract, code, region, election, constituency, start, end)


def _interval(stem: str) -> tuple[datetime | None, datetime | None]:
    match = INTERVAL.search(stem)
    if match is None:
        return None, None
    try:
        start = datetime.fromisoformat(f"{match['day']}T{match['start']}")
        end_clock = datetime.fromisoformat(f"{match['day']}T{match['end'].replace('2400', '0000')}")
    except ValueError:
        return None, None
    return start, end_clock if end_clock > start else end_clock + timedelta(days=1)
