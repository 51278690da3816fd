"""Sessions of the page: an HTTP-only cookie, valid for reading only, with a limited lifetime.

A session is a random id, stored as its hash with the hash of the token that it was started with: a stolen cookie does
not reveal the token, and revoking a token ends its sessions. Sessions are in memory and end with the process; if
several APIs share a Redis, sessions are stored there and valid for all of them.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from cashews.serialize import register_type
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from election_metrics.api.models import PROBLEMS, Problem
from election_metrics.api.problems import problem
from election_metrics.api.shared import open_store
from election_metrics.api.tokens import Token, Tokens
from election_metrics.settings import Settings

COOKIE = "election_metrics_session"
SIGN_IN = "/api/v1/sign-in"
SIGN_OUT = "/api/v1/sign-out"

router = APIRouter(tags=["access"])
_REFUSED: dict[int | str, dict[str, Any]] = {
    **{status: PROBLEMS[status] for status in (400, 413, 422, 429, 503)},
    401: {"model": Problem, "description": "There is no such token"},
}  # fmt: skip
_MOST = 10_000


@dataclass(frozen=True)
class Session:
    """A stored session.

    Attributes:
        token_sha256: hash of the token that it was started with.
    """

    token_sha256: str


async def _pack(session: Session, *_: Any) -> bytes:
    return orjson.dumps([session.token_sha256])


async def _unpack(packed: bytes, *_: Any) -> Session:
    return Session(*orjson.loads(packed))


class Sessions:
    """The sessions of browsers."""

    def __init__(self, settings: Settings) -> None:
        """Opens the store of sessions: memory, or the Redis of the settings.

        Raises:
            SettingsError: the package for Redis is missing.
        """
        register_type(Session, _pack, _unpack)
        self.seconds = int(settings.api_session_hours * 3600)
        self._tokens = Tokens(settings.tokens_path)
        self._store = open_store(settings, _MOST)

    async def begin(self, token: Token) -> str | None:
        """Starts a session and returns its id; None if Redis cannot be reached."""
        made = secrets.token_urlsafe(32)
        await self._store.set(_key(made), Session(token.sha256), expire=self.seconds)
        return made if await self.find(made) else None

    async def find(self, session: str) -> Token | None:
        """The token of a session, while both are valid."""
        found: Session | None = await self._store.get(_key(session))
        return self._tokens.with_hash(found.token_sha256) if found else None

    async def end(self, session: str) -> None:
        """Ends a session, for all APIs."""
        await self._store.delete(_key(session))

    async def close(self) -> None:
        """Closes the store's connections."""
        await self._store.close()


def _key(session: str) -> str:
    return f"election-metrics-session:{hashlib.sha256(session.encode()).hexdigest()}"


class SignIn(BaseModel):
    """Body of the sign-in."""

    token: Annotated[str, Field(min_length=1, max_length=200, description="A token that may read")]


@router.post(SIGN_IN, status_code=204, response_class=Response, responses=_REFUSED)
async def sign_in(request: Request, credentials: SignIn) -> Response:
    """Starts a cookie session of this browser, with the token's read access, for some hours."""
    settings: Settings = request.app.state.settings
    sessions: Sessions = request.app.state.sessions
    token = Tokens(settings.tokens_path).find(credentials.token)
    if token is None:
        return problem(401, "this token is not known, or was revoked", {"www-authenticate": "Bearer"})
    session = await sessions.begin(token)
    if session is None:
        return problem(503, "sessions are kept in Redis, which cannot be reached; try again", {"retry-after": "2"})
    answer = Response(status_code=204)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, session, max_age=sessions.seconds, httponly=True, samesite="strict", secure=secure, path="/"
    )
    return answer


@router.post(SIGN_OUT, status_code=204, response_class=Response, responses={429: PROBLEMS[429], 503: PROBLEMS[503]})
async def sign_out(request: Request) -> Response:
    """Ends the session of this browser, which invalidates its cookie."""
    sessions: Sessions = request.app.state.sessions
    if session := request.cookies.get(COOKIE):
        await sessions.end(session)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
    return answer
