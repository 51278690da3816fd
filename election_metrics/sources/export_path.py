"""Parses the path of a portal export: contract, region, election, constituency and interval.

Only the file's name is required; folders are used if they exist, but never those above the source. Names are compared
and kept in their canonical spelling (`names`). No file is opened here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import PurePath
from unicodedata import digit

from election_metrics.sanitize import visible
from election_metrics.sources.archive_names import split_archive
from election_metrics.sources.names import canonical, canonical_folder, known_region, looks_like_region, region_of_code

NO_CONTRACT = "the file name does not begin with a contract id (32-44 base58 characters before the first '_')"
BASE58 = "1-9A-HJ-NP-Za-km-z"
CONTRACT_ID = re.compile(rf"[{BASE58}]{{32,44}}")
REGION = re.compile(r"(?P<code>\d{1,3}) ?- ?(?P<name>.+)")
# A known region with its number, in another form than the portal's.
_NUMBERED = re.compile(
    r"(?P<code>\d{1,3})[ _.,:+\u2500-]+(?P<after>\D+)|(?P<before>\D+?)[ _.,:+(\u2500-]+(?P<last>\d{1,3})\)?"
)  # fmt: skip
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
    """The contract id at the start of a file's name (up to the first `_`); None if there is none."""
    candidate = stem.partition("_")[0]
    return candidate if CONTRACT_ID.fullmatch(candidate) else None


def parse_export_path(path: PurePath, *, folders_below: int | None = None) -> ExportPath | None:
    """Reads `<region>/<election>/<constituency>/<contract>/<file>/<file>.csv`, any folder being optional.

    A region is `90 - Пермский край`, or the name of a known region; the topmost one counts. Where no folder is one, the
    first of three or more may be the number of a known region, or a name that is nearly a region's. An archive is not
    a folder, unless its name is that of a region.

    Args:
        path: the file's path; for a member of an archive, the archive's path followed by the member's.
        folders_below: how many of the path's last folders belong to the export tree, so that folders above the source,
            such as a home directory, never become an election's name. None: all of them.

    Returns:
        None if the name does not begin with a contract id.
    """
    base, kind = split_archive(path.name)
    stem = PurePath(base).stem if kind is None else base
    while stem.lower().endswith(".csv"):  # of a .csv.gz, or of a .csv.csv
        stem = stem[: -len(".csv")]
    stem = canonical(stem)
    contract = contract_id(stem)
    if contract is None:
        return None
    folders = [part for part in path.parts[:-1] if part != path.anchor]
    if folders_below is not None:
        folders = folders[len(folders) - min(folders_below, len(folders)) :]
    while folders and folders[-1].startswith(contract):
        folders.pop()
    names = [name for folder in folders if (name := _name_of(folder)) is not None]
    code, region, election, constituency = _place(names, has_root=folders_below is not None)
    start, end = _interval(stem)
    region, election, constituency = (name and visible(name) for name in (region, election, constituency))
    return ExportPath(contract, code, region, election, constituency, start, end)


def _place(names: Sequence[str], *, has_root: bool) -> tuple[str | None, str | None, str | None, str | None]:
    """Code and name of the region, election and constituency, from the names of folders; None where none says it.

    Args:
        names: from the top.
        has_root: whether they begin below the source; else folders above it may be among them.
    """
    code = region = election = constituency = None
    if (at := _region_at(names)) is not None:
        code, region = _region(names[at]) or (None, None)
        # "Extract all" makes a folder of the archive's name around the folder of that name; either may have the number.
        below = list(names[at + 1 :])
        while below and (again := _region(below[0])) is not None and again[1] == region:
            code = code or again[0]
            below.pop(0)
        while len(below) > 2 and below[0] == below[1]:
            below.pop(0)
        if below and _is_known(below[0], numbered=True):  # another region: which of them it is, nobody can know
            region = f"{region} / {below.pop(0)}"
        election, constituency = [*below, None, None][:2]
        above = names[at - 1] if at else ""
        if constituency is None and _ELECTION.search(above) and not _ELECTION.search(election or ""):
            election, constituency = above, election
    elif (by_number := _region_by_number(names)) is not None:
        code, region, election, constituency = *by_number, *names[1:3]
    elif len(names) >= 3 and looks_like_region(names[0]):
        region, election, constituency = names[:3]
    elif len(names) >= 2 and has_root:
        election, constituency = names[-2:]
    return code, region, election, constituency


_BY_DRIVE = re.compile(r"-\d{8}T\d{6}Z(?:-\d{1,3}){1,2}$")
"""What Google Drive appends to the name of a folder that it packs."""


def _name_of(folder: str) -> str | None:
    """The name of a folder; None for an archive, which counts as a folder only if it has the name of a known region."""
    base, kind = split_archive(folder)
    if kind is None:
        return canonical_folder(folder)
    while kind is not None:  # a .zip.gz
        base, kind = split_archive(_BY_DRIVE.sub("", canonical(base)))
    name = canonical_folder(base)
    return name if _is_known(name) else None


def _region_at(names: Sequence[str]) -> int | None:
    """Which of the names is the region's: the topmost; if that is not known, a known one with its number below it."""
    regions = [(number, region, name) for number, name in enumerate(names) if (region := _region(name)) is not None]
    known = [number for number, _, name in regions if _is_known(name, numbered=True)]
    if regions and known and not _is_known(regions[0][2]):
        return known[0]
    return regions[0][0] if regions else None


_ELECTION = re.compile("выбор|референдум|голосован|election|referend", re.IGNORECASE)
"""In the name of an election, which may stand above the regions."""


@lru_cache(1 << 14)
def _is_known(name: str, *, numbered: bool = False) -> bool:
    """Whether it is that of a known region, `numbered` with its number."""
    region = _region(name)
    return region is not None and (region[0] is not None or not numbered) and known_region(region[1]) is not None


@lru_cache(1 << 14)  # there are many files below few folders
def _region(name: str) -> tuple[str | None, str] | None:
    """Code and name of a region; None if the name is not that of a region."""
    match = REGION.fullmatch(name)
    if match is not None:
        return _code(match["code"]), known_region(match["name"]) or match["name"].strip()
    if (known := known_region(name)) is not None:
        return None, known
    match = _NUMBERED.fullmatch(name)
    known = None if match is None else known_region(match["before"] or match["after"])
    return None if match is None or known is None else (_code(match["code"] or match["last"]), known)


def _region_by_number(names: Sequence[str]) -> tuple[str, str] | None:
    """Code and name of the region whose number is the first folder, above an election and a constituency."""
    if len(names) < 3 or not re.fullmatch(r"\d{2}", names[0]):
        return None
    code = _code(names[0])
    region = region_of_code(code)
    return None if region is None else (code, region.name)


def _code(digits: str) -> str:
    """The digits of any script as those of ASCII."""
    return "".join(str(digit(one)) for one in digits)


_NUMBER_OF_COPY = re.compile(r"(?<=\d{4}) ?(?:\(\d{1,3}\)|(?<= )\d{1,3})$")
"""As the Finder and some browsers append it."""


def _interval(stem: str) -> tuple[datetime | None, datetime | None]:
    match = INTERVAL.search(_NUMBER_OF_COPY.sub("", stem))
    if match is None:
        return None, None
    try:
        start = datetime.fromisoformat(f"{match['day']}T{match['start']}")
        end_clock = datetime.fromisoformat(f"{match['day']}T{match['end'].replace('2400', '0000')}")
    except ValueError:
        return None, None
    return start, end_clock if end_clock > start else end_clock + timedelta(days=1)
