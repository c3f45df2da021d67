"""GET /health: whether this gateway takes requests."""

from __future__ import annotations

from aiohttp import web


class Health:
    """Says ok until the gateway begins to drain."""

    def __init__(self) -> None:
        self._draining = False

    def drain(self) -> None:
        """Make /health say 503 from now on, so that balancers look elsewhere."""
        self._draining = True

    async def answer(self, _request: web.Request) -> web.Response:
        """Answer GET /health."""
        if self._draining:
            return web.json_response({"ok": False}, status=503)
        return web.json_response({"ok": True})
