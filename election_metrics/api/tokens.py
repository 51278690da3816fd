"""Tokens by which people and programs show who they are: a file of names, scopes and hashes.

A token is 256 random bits, so its SHA-256 cannot be turned back by trying; the token itself is kept nowhere.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from election_metrics.errors import ElectionMetricsError, SettingsError
from election_metrics.pipeline.overrides import record_audit
from election_metrics.settings import Settings

Scope = Literal["read", "operate"]
_BEGINS_WITH = "em_"
_NAME = re.compile(r"[\w.@-]{1,64}")


@dataclass(frozen=True)
class Token:
    """Who may do what.

    Attributes:
        name: who: it stands in the audit.
        scopes: read: read everything; operate: also change what people own, ask for runs, and read the audit.
        sha256: of the token, in hexadecimal digits.
        created_at: when (ISO 8601, UTC).
    """

    name: str
    scopes: tuple[str, ...]
    sha256: str
    created_at: str

    def may(self, scope: Scope) -> bool:
        """Whether it allows this; who may operate may read."""
        return scope in self.scopes or (scope == "read" and "operate" in self.scopes)


class Tokens:
    """The tokens of the file, read again whenever it changes: a revoked token ends at once."""

    def __init__(self, path: Path) -> None:
        """Reads nothing yet."""
        self._path = path
        self._version: tuple[int, int] | None = None
        self._by_hash: dict[str, Token] = {}

    def find(self, token: str) -> Token | None:
        """The token, if there is such a one."""
        self._refresh()
        # Looked up by hash: how long it takes says nothing of a token that is almost right.
        return self._by_hash.get(_hash(token))

    def with_hash(self, sha256: str) -> Token | None:
        """The token of this hash, if there still is such a one."""
        self._refresh()
        return self._by_hash.get(sha256)

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._version, self._by_hash = None, {}
            return
        version = (stat.st_mtime_ns, stat.st_ino)
        if version != self._version:
            self._by_hash = {token.sha256: token for token in read_tokens(self._path)}
            self._version = version


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file; none where there is no file.

    Raises:
        SettingsError: the file is none of ours.
    """
    try:
        return [Token(**{**one, "scopes": tuple(one["scopes"])}) for one in json.loads(path.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"the file of tokens {path} cannot be read: {type(error).__name__}") from None


def create_token(settings: Settings, name: str, scopes: Sequence[str], who: str) -> str:
    """Makes a token, keeps its hash, writes it down; the caller shows it, once.

    Raises:
        ElectionMetricsError: the name is taken, or is no name.
    """
    known = read_tokens(settings.tokens_path)
    if not _NAME.fullmatch(name):
        raise ElectionMetricsError(f"{name!r} is no name for a token; use letters, digits and . _ @ -, at most 64")
    if any(token.name == name for token in known):
        raise ElectionMetricsError(f"there is a token {name!r}; revoke it first: election-metrics token revoke {name}")
    made = _BEGINS_WITH + secrets.token_urlsafe(32)
    token = Token(name, tuple(sorted(scopes)), _hash(made), datetime.now(UTC).isoformat(timespec="seconds"))
    _write(settings.tokens_path, [*known, token])
    record_audit(settings, who, "create-token", name, {"scopes": list(token.scopes)})
    return made


def revoke_token(settings: Settings, name: str, who: str) -> None:
    """Ends a token, at once.

    Raises:
        ElectionMetricsError: there is none of this name.
    """
    known = read_tokens(settings.tokens_path)
    kept = [token for token in known if token.name != name]
    if len(kept) == len(known):
        raise ElectionMetricsError(f"there is no token {name!r}; type: election-metrics token list")
    _write(settings.tokens_path, kept)
    record_audit(settings, who, "revoke-token", name)


def _write(path: Path, tokens: Sequence[Token]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump([asdict(token) for token in tokens], file, indent=1)
    fresh.replace(path)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
