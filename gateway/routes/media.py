"""GET /media/{key}: objects of the store, for signed links and for owners, with ranges and entity tags."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiohttp import web

from gateway.object_responses import send_object
from gateway.request_parsing import get_principal
from services.common.errors import MediaError, Reason
from services.common.storage import ObjectInfo, ObjectStore, limit_age
from services.common.storage.keys import belongs_to, check_key
from services.common.storage.signed_urls import EXPIRES, SIGNATURE


class MediaRoutes:
    """Answers /media/{key}.

    Args:
        store: The object store. Requests are redirected to it if it serves its objects itself.
        cache_seconds: Longest time for which a cache may answer with an object without asking.
    """

    def __init__(self, store: ObjectStore, cache_seconds: float) -> None:
        self._store = store
        self._cache_seconds = cache_seconds

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the route."""
        return [web.get("/media/{key:.+}", self.serve, allow_head=True)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the object, or with the requested range of it."""
        key = _parse_key(request)
        info = await self._check_access(request, key)
        if self._store.signer is None:
            location = (await self._store.url(key)).url
            return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})
        return await send_object(request, self._store, info, self._build_cache_control(request, info))

    async def _check_access(self, request: web.Request, key: str) -> ObjectInfo:
        """Return the metadata of the object if the caller may read it, else raise."""
        signature = request.query.get(SIGNATURE)
        if signature is not None:
            if self._store.signer is None:
                raise _build_not_found_error()
            self._store.signer.check(key, request.query.get(EXPIRES, ""), signature, time.time())
            return await self._store.head(key)
        info = await self._store.head(key)
        if not belongs_to(info, get_principal(request)):
            raise _build_not_found_error()
        return info

    def _build_cache_control(self, request: web.Request, info: ObjectInfo) -> str:
        if SIGNATURE in request.query:
            left_seconds = int(request.query[EXPIRES]) - time.time()
            return limit_age(info.cache_control, min(self._cache_seconds, left_seconds))
        # Only the owner may read it, so shared caches must not store it.
        return limit_age(info.cache_control.replace("public", "private"), self._cache_seconds)


def _parse_key(request: web.Request) -> str:
    try:
        return check_key(request.match_info["key"])
    except MediaError:
        raise _build_not_found_error() from None


def _build_not_found_error() -> MediaError:
    return MediaError(Reason.NOT_FOUND, "There is no file of yours with this key.")
