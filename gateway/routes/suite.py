"""GET /health and /readyz, POST /debug/head: the state of the suite, and what it finds at a URL."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from aiohttp import web
from yarl import URL

from gateway.readiness import Readiness
from gateway.request_parsing import read_json
from gateway.suite_state import PATH
from services.common.errors import MediaError, Reason, invalid
from services.common.fetch import Fetcher, ResponseHead
from services.common.storage import ObjectStore

_PARTS = "parts"
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


class Health:
    """State behind GET /health: healthy until the gateway begins to drain."""

    def __init__(self) -> None:
        self._is_draining = False

    def drain(self) -> None:
        """Make /health answer 503 from now on, so that load balancers send requests elsewhere."""
        self._is_draining = True

    @property
    def is_draining(self) -> bool:
        """Whether the gateway is stopping."""
        return self._is_draining


class HealthRoutes:
    """Answers /health from memory, and /readyz and /health?parts=1 with the state of every service.

    Args:
        health: State of the gateway itself.
        readiness: Reads the state of the services.
    """

    def __init__(self, health: Health, readiness: Readiness) -> None:
        self._health = health
        self._readiness = readiness

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [web.get("/health", self.tell_health), web.get(PATH, self.tell_readiness)]

    async def tell_health(self, request: web.Request) -> web.Response:
        """Answer whether the gateway accepts requests, or with the parts if the query asks for them."""
        if _wants_parts(request):
            return await self.tell_readiness(request)
        is_ok = not self._health.is_draining
        return web.json_response({"ok": is_ok}, status=200 if is_ok else 503)

    async def tell_readiness(self, _request: web.Request) -> web.Response:
        """Answer with the version and the state of every part; 503 unless all of them serve."""
        state = await self._readiness.read()
        return web.json_response(state.to_json(), status=200 if state.is_ready else 503)


def _wants_parts(request: web.Request) -> bool:
    value = request.query.get(_PARTS, "0")
    if value not in _BOOLEANS:
        raise invalid(_PARTS, f"must be one of {', '.join(_BOOLEANS)}")
    return _BOOLEANS[value]


class DebugRoutes:
    """Answers /debug/head, with which a caller finds out why the suite refuses a URL.

    Args:
        fetcher: Sends the request, under the same rules as the fetchers of the services.
        store: Answers for links of the suite itself, as in the services: their address may be a local one.
    """

    def __init__(self, fetcher: Fetcher, store: ObjectStore) -> None:
        self._fetcher = fetcher
        self._store = store

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the route."""
        return [web.post("/debug/head", self.inspect_url)]

    async def inspect_url(self, request: web.Request) -> web.Response:
        """Answer with status, media type and length of the URL in the body."""
        url = _parse_url(await read_json(request))
        key = self._store.key_from_url(url)
        found = await self._fetcher.head(url, field="url") if key is None else await self._read_own(url, key)
        answer = {
            "success": True,
            "status": found.status,
            "contentType": found.content_type,
            "sizeBytes": found.size_bytes,
            # The address after redirects, without its query, which may hold a secret of the host.
            "url": str(URL(found.final_url, encoded=True).with_query(None)),
        }
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def _read_own(self, url: str, key: str) -> ResponseHead:
        """Return what the gateway would answer to a valid signed link of its own."""
        try:
            info = await self._store.head(key)
        except MediaError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return ResponseHead(error.reason.info.http_status, "", None, url)
        return ResponseHead(200, info.content_type, info.size_bytes, url)


def _parse_url(body: object) -> str:
    if not isinstance(body, dict):
        raise MediaError(Reason.VALIDATION_ERROR, 'The body must be a JSON object such as {"url": "https://..."}.')
    if unknown := sorted(body.keys() - {"url"}):
        raise invalid(str(unknown[0]), "is not a field of this request")
    url = body.get("url")
    if not isinstance(url, str) or not url:
        raise invalid("url", "must be an http or https URL")
    return url
