"""Cache tags: what a response depends on; each commit changes their versions.

A version is the id of the last commit that touched the tag. PostgreSQL sends the same id to every listener, so several
APIs that share a cache agree on versions. Before the first notification, a tag's version is private to the process.
"""

import uuid
from dataclasses import dataclass, field

from election_metrics.api.changes import Change

_OF_NO_ELECTION = {"transaction_files", "audit_log"}  # no figure depends on these directly
_SUMMARIES = {"election_summaries", "constituencies"}  # tables that the summary of an election depends on
EVERYTHING, SUMMARIES = "everything", "summaries"


@dataclass(frozen=True)
class DependsOn:
    """What an answer depends on: a constituency, else an election, else everything.

    Attributes:
        election: this election; together with a constituency, only on that.
        constituency: this constituency.
        summaries: the summary of every election.
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
        """Changes the versions that a commit affects; None: all of them."""
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
        """The version of an answer's tags, which changes with each commit that may have changed the answer.

        Returns:
            The version; and a name of this process if the version is private to it, else an empty text.
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
