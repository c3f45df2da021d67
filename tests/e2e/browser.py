"""Opens a page in Chromium, and returns what the page reports."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser; None if the machine has none."""
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required")
_REPORT_SECONDS = 40.0
_REPORT_FUNCTION = (
    '<!doctype html><script>const report = (facts) => fetch("/report", {method: "POST", body: JSON.stringify(facts)});'
    "</script>"
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file beside the page."""

    body: bytes
    content_type: str


async def run_page(page: str, folder: Path, files: Mapping[str, PageFile] | None = None) -> dict[str, Any]:
    """Serve `page` on a port of its own, open it in Chromium, and return the object that it passes to `report`.

    Args:
        page: HTML and scripts; `report(object)` is defined there.
        folder: Where the browser writes its profile.
        files: Files that the page can load, by path.
    """
    reported: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def send_file(request: web.Request) -> web.Response:
        if request.path == "/":
            return web.Response(text=_REPORT_FUNCTION + page, content_type="text/html")
        file = (files or {})[request.path]
        return web.Response(body=file.body, content_type=file.content_type)

    async def receive(request: web.Request) -> web.Response:
        if not reported.done():
            reported.set_result(await request.json())
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/report", receive), *(web.get(path, send_file) for path in ("/", *(files or {})))])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return await _open_page(f"http://127.0.0.1:{runner.addresses[0][1]}/", folder, reported)
    finally:
        await runner.cleanup()


async def _open_page(url: str, folder: Path, reported: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        *(CHROMIUM, *_OPTIONS, f"--user-data-dir={folder}", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_REPORT_SECONDS):
            return await reported
    finally:
        browser.terminate()
        await browser.wait()
