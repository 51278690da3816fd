"""Signing in on the page: a token becomes a cookie that no script can read, and that counts for reading only."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from election_metrics.api.access import COOKIE, SIGN_IN
from election_metrics.api.models import PROBLEMS, Problem
from election_metrics.api.problems import problem
from election_metrics.api.tokens import Tokens
from election_metrics.settings import Settings

router = APIRouter(tags=["access"])
_REFUSED: dict[int | str, dict[str, Any]] = {
    **{status: PROBLEMS[status] for status in (400, 422, 429)},
    401: {"model": Problem, "description": "There is no such token"},
}  # fmt: skip


class SignIn(BaseModel):
    """Who signs in."""

    token: Annotated[str, Field(min_length=1, max_length=200, description="A token that may read")]


@router.post(SIGN_IN, status_code=204, response_class=Response, responses=_REFUSED)
def sign_in(request: Request, said: SignIn) -> Response:
    """Keeps a token as a cookie of this browser, until it is closed."""
    settings: Settings = request.app.state.settings
    if Tokens(settings.tokens_path).find(said.token) is None:
        return problem(401, "this token is not known, or was revoked", {"www-authenticate": "Bearer"})
    answer = Response(status_code=204)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, said.token, httponly=True, samesite="strict", secure=secure, path="/")
    return answer
