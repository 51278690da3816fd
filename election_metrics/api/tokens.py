"""API tokens: a file of names, scopes and hashes.

A token has 256 random bits, so its SHA-256 cannot be reversed by brute force; the token itself is not stored.
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
    """A token's name and permissions.

    Attributes:
        name: its name, which appears in the audit log.
        scopes: read: read everything; operate: also change overrides, request runs, and read the audit log.
        sha256: hash of the token, in hexadecimal digits.
        created_at: time of creation (ISO 8601, UTC).
    """

    name: str
    scopes: tuple[str, ...]
    sha256: str
    created_at: str

    def may(self, scope: Scope) -> bool:
        """Whether it has this scope; operate includes read."""
        return scope in self.scopes or (scope == "read" and "operate" in self.scopes)


class Tokens:
    """The tokens of the file, reloaded when it changes, so that a revoked token is invalid at once."""

    def __init__(self, path: Path) -> None:
        """Does not read the file yet."""
        self._path = path
        self._version: tuple[int, int] | None = None
        self._by_hash: dict[str, Token] = {}

    def find(self, token: str) -> Token | None:
        """The token with this secret; None if there is none."""
        self._refresh()
        # Looked up by hash, so that the response time reveals nothing about a nearly correct token.
        return self._by_hash.get(_hash(token))

    def with_hash(self, sha256: str) -> Token | None:
        """The entry with this hash; None if it does not exist."""
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
    """The tokens of a file; none if the file does not exist.

    Raises:
        SettingsError: the file is not a file of tokens.
    """
    try:
        return [Token(**{**one, "scopes": tuple(one["scopes"])}) for one in json.loads(path.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"the file of tokens {path} cannot be read: {type(error).__name__}") from None


def create_token(settings: Settings, name: str, scopes: Sequence[str], who: str) -> str:
    """Creates a token, stores its hash, audits it, and returns it for display, once.

    Raises:
        ElectionMetricsError: the name is taken or invalid.
    """
    known = read_tokens(settings.tokens_path)
    if not _NAME.fullmatch(name):
        raise ElectionMetricsError(f"{name!r} is not a valid token name; use letters, digits and . _ @ -, at most 64")
    if any(token.name == name for token in known):
        raise ElectionMetricsError(f"there is a token {name!r}; revoke it first: election-metrics token revoke {name}")
    made = _BEGINS_WITH + secrets.token_urlsafe(32)
    token = Token(name, tuple(sorted(scopes)), _hash(made), datetime.now(UTC).isoformat(timespec="seconds"))
    _write(settings.tokens_path, [*known, token])
    record_audit(settings, who, "create-token", name, {"scopes": list(token.scopes)})
    return made


def revoke_token(settings: Settings, name: str, who: str) -> None:
    """Revokes a token, effective at once.

    Raises:
        ElectionMetricsError: there is no token with this name.
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
