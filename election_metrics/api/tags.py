"""What a cached answer rests on, as tags whose versions each commit counts up.

A version is the number of the last commit that touched the tag, as PostgreSQL tells every listener alike: so two APIs
that share a cache name the same state alike. Before anything was heard of a tag, its version is a name of our own.
"""

import uuid
from dataclasses import dataclass, field

from election_metrics.api.changes import Change

_LANDED = "transaction_files"  # tells of files, of which no election's figures are made yet
EVERYTHING = "everything"


@dataclass(frozen=True)
class RestsOn:
    """What an answer rests on: a constituency, else an election, else everything there is."""

    election: str | None = None
    constituency: str | None = None


@dataclass
class Tags:
    """Versions of all tags."""

    _unheard: str = field(default_factory=lambda: uuid.uuid4().hex)
    _versions: dict[str, str] = field(default_factory=dict)

    def heard(self, change: Change | None) -> None:
        """A commit changed something; None: anything may have changed."""
        if change is None or (change.election is None and change.table != _LANDED):
            self._unheard, self._versions = uuid.uuid4().hex, {}
            return
        self._versions[EVERYTHING] = change.version
        if change.election is None:
            return
        self._versions[f"election:{change.election}"] = change.version
        if change.constituencies is None:
            self._versions[f"any-of:{change.election}"] = change.version
        for constituency in change.constituencies or ():
            self._versions[f"constituency:{constituency}"] = change.version

    def version(self, what: RestsOn) -> str:
        """The version of what an answer rests on; another one after each commit that may have changed the answer."""
        if what.constituency is not None and what.election is not None:
            whole, own = f"any-of:{what.election}", f"constituency:{what.constituency}"
            return f"{self._of(whole)}.{self._of(own)}"
        return self._of(EVERYTHING if what.election is None else f"election:{what.election}")

    def _of(self, tag: str) -> str:
        return self._versions.get(tag, self._unheard)
