"""POST /debug/head: what the suite sees at a URL, to find out why a URL is refused."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from aiohttp import web
from yarl import URL

from gateway.request_parsing import read_json
from services.common.errors import MediaError, Reason, invalid
from services.common.fetch import Fetcher


class DebugRoutes:
    """Answers /debug/head.

    Args:
        fetcher: Asks for the URL, as the services do.
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
            # Where redirects led; without the query, that may hold secrets of others.
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
