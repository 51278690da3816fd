"""A parameter that an endpoint does not have is refused by its name: one that is misspelt would change nothing."""

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute


def refuse_unknown_parameters(request: Request) -> None:
    """Refuses a query with a name that the endpoint does not know.

    Raises:
        HTTPException: 422, with that name, and those that the endpoint knows.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not request.url.path.startswith("/api/"):
        return  # the page's address holds what is looked at
    known = [field.alias for field in route.dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise HTTPException(422, f"there is no parameter {unknown[0]!r} here; {takes}")
