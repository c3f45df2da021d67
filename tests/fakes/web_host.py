"""A foreign web server on the loopback that serves the pages of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebHost:
    """The pages of the server, and the requests that it received."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        """Handlers by path."""
        self.requests: list[tuple[str, str]] = []
        """Method, and path with query, of all requests."""
        self.port = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a page."""
        return f"http://{host}:{self.port}{path}"

    def file(self, path: str, data: bytes, content_type: str = "image/png") -> None:
        """Serve a file."""

        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=data, content_type=content_type)

        self.pages[path] = answer

    def redirect(self, path: str, location: str) -> None:
        """Serve a redirect."""

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": location})

        self.pages[path] = answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Record a request and serve its page."""
        self.requests.append((request.method, request.raw_path))
        page = self.pages.get(request.path)
        return await page(request) if page else web.Response(status=404, text="nothing here")


@asynccontextmanager
async def run_web_host() -> AsyncIterator[WebHost]:
    """Yield a running server on a free port."""
    host = WebHost()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", host.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.port = runner.addresses[0][1]
        yield host
    finally:
        await runner.cleanup()
