"""The web app's files: pages for people, assets for ever, and nothing else of this machine."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from curtaincall.transports.rest import problems, web

INDEX = "<!doctype html><title>Curtaincall</title>"


@pytest.fixture
def browser(tmp_path: Path) -> httpx.AsyncClient:
    (tmp_path / "secret.txt").write_text("not part of the app")
    root = tmp_path / "web"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text(INDEX)
    (root / "favicon.svg").write_text("<svg/>")
    (root / "assets" / "app-4f2a.js").write_text("1")
    app = FastAPI()
    problems.install(app)
    app.include_router(web.router(root))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://call.example")


@pytest.mark.parametrize("path", ["/", "/models", "/call/123", "/index.html"])
async def test_every_page_is_the_app(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["cache-control"] == "no-cache"
    assert (await browser.head(path)).status_code == 200


async def test_assets_are_kept_for_ever_and_other_files_asked_for_again(browser: httpx.AsyncClient) -> None:
    asset = await browser.get("/assets/app-4f2a.js")
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")
    assert (await browser.get("/favicon.svg")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/api/nowhere",
        "/assets/gone.js",
        "/live/room/master.m3u8",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "//etc/passwd",
    ],
)
async def test_what_is_not_there_is_not_there(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert "not part of the app" not in answer.text
    assert "root:" not in answer.text
    assert answer.status_code == 404 or answer.text == INDEX
