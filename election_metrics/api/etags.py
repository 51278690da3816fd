"""Entity tags: what a client has already is not sent again."""

from fastapi import Request, Response

from election_metrics.digest import name_for


def tag_of(body: bytes) -> str:
    """The entity tag of a response's body."""
    return f'"{name_for(body)}"'


def has_tag(request: Request, tag: str) -> bool | None:
    """Whether the client has the body with this tag; None: it does not say which it has."""
    tags = request.headers.get("if-none-match")
    return None if tags is None else tag in [one.strip().removeprefix("W/") for one in tags.split(",")]


def tagged(request: Request, body: bytes, media_type: str) -> Response:
    """The response with this body; 304 if the client has it."""
    headers = {"etag": tag_of(body), "cache-control": "no-cache", "vary": "authorization, cookie"}
    if has_tag(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
