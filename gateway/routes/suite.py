"""GET /health and POST /debug/head: the state of the gateway, and what the suite finds at a URL."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from aiohttp import web
from yarl import URL

from gateway.request_parsing import read_json
from services.common.errors import MediaError, Reason, invalid
from services.common.fetch import Fetcher


class Health:
    """State behind GET /health: healthy until the gateway begins to drain."""

    def __init__(self) -> None:
        self._is_draining = False

    def drain(self) -> None:
        """Make /health answer 503 from now on, so that load balancers send requests elsewhere."""
        self._is_draining = True

    async def answer(self, _request: web.Request) -> web.Response:
        """Answer GET /health."""
        if self._is_draining:
            return web.json_response({"ok": False}, status=503)
        return web.json_response({"ok": True})


class DebugRoutes:
    """Answers /debug/head, with which a caller finds out why the suite refuses a URL.

    Args:
        fetcher: Sends the request, under the same rules as the fetchers of the services.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the route."""
        return [web.post("/debug/head", self.inspect_url)]

    async def inspect_url(self, request: web.Request) -> web.Response:
        """Answer with status, media type and length of the URL in the body."""
        found = await self._fetcher.head(_parse_url(await read_json(request)), field="url")
        answer = {
            "success": True,
            "status": found.status,
            "contentType": found.content_type,
            "sizeBytes": found.size_bytes,
            # The address after redirects, without its query, which may hold a secret of the host.
            "url": str(URL(found.final_url, encoded=True).with_query(None)),
        }
        return web.Response(body=orjson.dumps(answer), content_type="application/json")


def _parse_url(body: object) -> str:
    if not isinstance(body, dict):
        raise MediaError(Reason.VALIDATION_ERROR, 'The body must be a JSON object such as {"url": "https://..."}.')
    if unknown := sorted(body.keys() - {"url"}):
        raise invalid(str(unknown[0]), "is not a field of this request")
    url = body.get("url")
    if not isinstance(url, str) or not url:
        raise invalid("url", "must be an http or https URL")
    return url
