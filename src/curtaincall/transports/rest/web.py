"""The web app's files. Unknown pages get index.html, because the app does its own routing; unknown files do not."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

FOREVER: Final = "public, max-age=31536000, immutable"
"""For files whose name has a hash of their content in it (Vite puts them into `assets/`)."""


def folder() -> Path:
    """Where the client's build output lies, inside the package."""
    return Path(str(files("curtaincall"))) / "web"


def router(root: Path) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    # Listed once: only what is on this list is ever opened, so no path from outside reaches the file system.
    known = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()} if root.is_dir() else {}

    @routes.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(path: str) -> Response:
        if path in known and path != "index.html":
            caching = FOREVER if path.startswith("assets/") else "no-cache"
            return FileResponse(known[path], headers={"Cache-Control": caching})
        is_page = not path.startswith(("api/", "assets/", "t/", "live/"))
        if is_page and "index.html" in known:
            return FileResponse(known["index.html"], headers={"Cache-Control": "no-cache"})
        raise HTTPException(404, "There is nothing here.")

    return routes
