"""What a cached answer rests on, as tags whose versions each commit counts up.

A version is the number of the last commit that touched the tag, as PostgreSQL tells every listener alike: so two APIs
that share a cache name the same state alike. Before anything was heard of a tag, its version is a name of our own.
"""

import uuid
from dataclasses import dataclass, field

from election_metrics.api.changes import Change

_OF_NO_ELECTION = {"transaction_files", "audit_log"}  # files of which no figure is made yet, and what people did
_SUMMARIES = {"election_summaries", "constituencies"}  # what each election's one row is made of
EVERYTHING, SUMMARIES = "everything", "summaries"


@dataclass(frozen=True)
class DependsOn:
    """What an answer rests on: a constituency, else an election, else everything there is.

    Attributes:
        election: on this election; with a constituency, on nothing else of it.
        constituency: on this constituency.
        summaries: on each election's one row.
    """

    election: str | None = None
    constituency: str | None = None
    summaries: bool = False


@dataclass
class Tags:
    """Versions of all tags."""

    _unheard: str = field(default_factory=lambda: uuid.uuid4().hex)
    _versions: dict[str, str] = field(default_factory=dict)

    def invalidate(self, change: Change | None) -> None:
        """A commit changed something; None: anything may have changed."""
        if change is None or (change.election is None and change.table not in _OF_NO_ELECTION):
            self._unheard, self._versions = uuid.uuid4().hex, {}
            return
        self._versions[EVERYTHING] = change.version
        if change.table in _SUMMARIES:
            self._versions[SUMMARIES] = change.version
        if change.election is None:
            return
        self._versions[f"election:{change.election}"] = change.version
        if change.constituencies is None:
            self._versions[f"any-of:{change.election}"] = change.version
        for constituency in change.constituencies or ():
            self._versions[f"constituency:{constituency}"] = change.version

    def version(self, what: DependsOn) -> tuple[str, str]:
        """The version of what an answer rests on; another one after each commit that may have changed the answer.

        Returns:
            The version; and a name of this process where no other can have the same version, else nothing.
        """
        if what.constituency is not None and what.election is not None:
            tags = [f"any-of:{what.election}", f"constituency:{what.constituency}"]
        elif what.election is not None:
            tags = [f"election:{what.election}"]
        else:
            tags = [SUMMARIES if what.summaries else EVERYTHING]
        own = "" if all(tag in self._versions for tag in tags) else self._unheard
        return ".".join(self._of(tag) for tag in tags), own

    def _of(self, tag: str) -> str:
        return self._versions.get(tag, self._unheard)
