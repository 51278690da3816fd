"""The page at `/`, served from files of this package only."""

from importlib import resources
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from election_metrics.api.other_sites import EMBEDDED

FILES = resources.files("election_metrics.api").joinpath("page_files")
_SWAGGER = resources.files("fastapi_offline").joinpath("static")
router = APIRouter(include_in_schema=False)


@router.get("/")
def index() -> FileResponse:
    """The page; it contains no figures and reads all of them from the API."""
    return FileResponse(str(FILES / "index.html"), headers={"cache-control": "no-cache"})


@router.get(EMBEDDED)
def embedded() -> FileResponse:
    """The page with a single chart, for the frames of other sites (setting EMBED_ORIGINS)."""
    return index()


@router.get("/docs")
def documentation() -> FileResponse:
    """Documentation of the API from its OpenAPI document."""
    return FileResponse(str(FILES / "docs.html"), headers={"cache-control": "no-cache"})


def serve_files(app: FastAPI) -> None:
    """Serves scripts, styles and libraries, with browser caching; and Swagger UI from its wheel."""
    app.mount("/files", GZipMiddleware(_Files(directory=str(FILES))), name="files")
    app.mount("/documentation", GZipMiddleware(_Files(directory=str(_SWAGGER))), name="documentation")


class _Files(StaticFiles):
    def file_response(self, *args: Any, **options: Any) -> Response:
        answer = super().file_response(*args, **options)
        answer.headers["cache-control"] = "no-cache"
        return answer
