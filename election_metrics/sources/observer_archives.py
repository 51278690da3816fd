"""Zips of the tables that observers exchange (docs/observer-tables.md): which zips they are."""

import zipfile
from pathlib import Path, PurePosixPath

ELECTIONS = "elections.csv"
TABLES = (ELECTIONS, "results.csv", "ballots.csv", "votes.csv", "voter_list_events.csv", "lists.csv", "uiks.csv")


def holds_tables(archive: Path) -> bool:
    """Whether a zip holds such tables; what cannot be opened does not.

    Raises:
        OSError: the zip cannot be read.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            names = {PurePosixPath(name.replace("\\", "/")).name.lower() for name in members.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError):
        return False  # the reader of archives says what is wrong with it
    return ELECTIONS in names and ("ballots.csv" in names or "votes.csv" in names)
