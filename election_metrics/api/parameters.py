"""Refuses unknown query parameters, because a misspelt one would be silently ignored."""

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute


def refuse_unknown_parameters(request: Request) -> None:
    """Refuses a query with an unknown parameter.

    Raises:
        HTTPException: 422, with its name, and the names of the endpoint's parameters.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not request.url.path.startswith("/api/"):
        return  # the address of the page contains its view
    known = [field.alias for field in route.dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise HTTPException(422, f"there is no parameter {unknown[0]!r} here; {takes}")
