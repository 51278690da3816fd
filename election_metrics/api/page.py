"""The page at `/`, served from files of this package only."""

import html
from importlib import resources
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from election_metrics.api.other_sites import EMBEDDED
from election_metrics.pipeline.packages.picture import HEIGHT, WIDTH

FILES = resources.files("election_metrics.api").joinpath("page_files")
_SWAGGER = resources.files("fastapi_offline").joinpath("static")
_FRESH = {"cache-control": "no-cache"}
_PICTURED = ("constituency", "election")
_LONGEST_ID = 200
router = APIRouter(include_in_schema=False)


@router.get("/")
def index(request: Request) -> Response:
    """The page; it contains no figures and reads all of them from the API.

    With an election or a constituency in its address, it names the picture of that, for networks that show links.
    """
    shown = [(kind, request.query_params[kind]) for kind in _PICTURED if request.query_params.get(kind)]
    if not shown:
        return FileResponse(str(FILES / "index.html"), headers=_FRESH)
    kind, name = shown[0]
    picture = f"{request.base_url}api/v1/pictures/{kind}/{quote(name[:_LONGEST_ID], safe='')}.png"
    tags = "".join(
        f'    <meta property="og:{name}" content="{html.escape(value)}">\n'
        for name, value in {
            "type": "website", "title": "Election metrics", "url": str(request.url), "image": picture,
            "image:width": str(WIDTH), "image:height": str(HEIGHT),
        }.items()
    )  # fmt: skip
    text = (FILES / "index.html").read_text("utf-8").replace("  </head>", f"{tags}  </head>", 1)
    return HTMLResponse(text, headers=_FRESH)


@router.get(EMBEDDED)
def embedded() -> FileResponse:
    """The page with a single chart, for the frames of other sites (setting EMBED_ORIGINS)."""
    return FileResponse(str(FILES / "index.html"), headers=_FRESH)


@router.get("/docs")
def documentation() -> FileResponse:
    """Documentation of the API from its OpenAPI document."""
    return FileResponse(str(FILES / "docs.html"), headers=_FRESH)


def serve_files(app: FastAPI) -> None:
    """Serves scripts, styles and libraries, with browser caching; and Swagger UI from its wheel."""
    app.mount("/files", GZipMiddleware(_Files(directory=str(FILES))), name="files")
    app.mount("/documentation", GZipMiddleware(_Files(directory=str(_SWAGGER))), name="documentation")


class _Files(StaticFiles):
    def file_response(self, *args: Any, **options: Any) -> Response:
        answer = super().file_response(*args, **options)
        answer.headers.update(_FRESH)
        return answer
