"""GET /media/{key}: objects of the store, by signed link or as their owner, with ranges and entity tags."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web

from gateway.errors import STARTED
from gateway.request_parsing import get_principal
from services.common.errors import MediaError, Reason
from services.common.storage import ByteRange, ObjectInfo, ObjectStore
from services.common.storage.keys import belongs_to, check_key
from services.common.storage.local import LocalStore
from services.common.storage.signed_urls import EXPIRES, SIGNATURE

_SHOWN_INLINE = ("image/", "audio/", "video/")
_EMPTY_SUFFIX = re.compile(r"bytes\s*=\s*-0+")
"""A range of no bytes, that the library reads as all of them."""
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # What strangers upload may not act in the suite's name.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Accept-Ranges": "bytes",
}


class MediaRoutes:
    """Answers /media/{key}.

    Args:
        store: Where objects are. One that serves them itself is redirected to.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the route."""
        return [web.get("/media/{key:.+}", self.serve, allow_head=True)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the object, or the part of it that is asked for."""
        key = _parse_key(request)
        info = await self._check_access(request, key)
        if not isinstance(self._store, LocalStore):
            return web.Response(status=302, headers={"Location": (await self._store.url(key)).url})
        headers = _build_headers(info)
        if SIGNATURE not in request.query:
            # A shared cache on the way could serve it to other callers.
            headers["Cache-Control"] = info.cache_control.replace("public", "private")
        if _is_unchanged(request, info):
            return web.Response(status=304, headers=headers)
        wanted = _parse_range(request, info)
        if wanted is not None and wanted.start >= wanted.end:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{info.size_bytes}"})
        status = 206 if wanted else 200
        if wanted:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{info.size_bytes}"
        whole = wanted or ByteRange(0, info.size_bytes)
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = whole.end - whole.start
        if request.method == "HEAD" or not response.content_length:
            await response.prepare(request)
            return response
        async with self._store.open(key, whole) as found:
            request[STARTED] = response
            await response.prepare(request)
            async for chunk in found.chunks:
                await response.write(chunk)
        await response.write_eof()
        return response

    async def _check_access(self, request: web.Request, key: str) -> ObjectInfo:
        """Return what is known of the object, if the caller may read it."""
        signature = request.query.get(SIGNATURE)
        if signature is not None:
            if not isinstance(self._store, LocalStore):
                raise _build_not_found_error()
            self._store.signer.check(key, request.query.get(EXPIRES, ""), signature, time.time())
            return await self._store.head(key)
        info = await self._store.head(key)
        if not belongs_to(info, get_principal(request)):
            raise _build_not_found_error()
        return info


def _parse_key(request: web.Request) -> str:
    try:
        return check_key(request.match_info["key"])
    except MediaError:
        raise _build_not_found_error() from None


def _build_headers(info: ObjectInfo) -> dict[str, str]:
    shown = info.content_type.startswith(_SHOWN_INLINE) and "svg" not in info.content_type
    return {
        **_SAFE_HEADERS,
        "Content-Type": info.content_type,
        "Content-Disposition": "inline" if shown else "attachment",
        "Cache-Control": info.cache_control,
        "ETag": f'"{info.etag}"',
        "Last-Modified": format_datetime(info.modified_at, usegmt=True),
    }


def _is_unchanged(request: web.Request, info: ObjectInfo) -> bool:
    tags = request.if_none_match
    if tags is not None:
        return any(tag.value in ("*", info.etag) for tag in tags)
    since = request.if_modified_since
    return since is not None and info.modified_at.replace(microsecond=0) <= since


def _parse_range(request: web.Request, info: ObjectInfo) -> ByteRange | None:
    """Return the one range that is asked for, empty if it begins behind the end.

    None for the whole, also where what is asked for is no range.
    """
    # Ranges apply to GET only; HEAD describes the whole object.
    if request.method != "GET" or "Range" not in request.headers or not _is_range_valid(request, info):
        return None
    if _EMPTY_SUFFIX.fullmatch(request.headers["Range"].strip()):
        return ByteRange(info.size_bytes, info.size_bytes)
    try:
        wanted = request.http_range
    except ValueError:
        return None
    start, stop = wanted.start, wanted.stop
    if start is None:
        return None
    size = info.size_bytes
    start = max(0, size + start) if start < 0 else start
    return ByteRange(start, size if stop is None else min(stop, size))


def _is_range_valid(request: web.Request, info: ObjectInfo) -> bool:
    """Tell whether a range may be answered: always, unless the caller's part is of another version."""
    condition = request.headers.get("If-Range")
    if condition is None or condition == f'"{info.etag}"':
        return True
    try:
        # A date is a validator like a tag: any other, later ones too, is of another version.
        return parsedate_to_datetime(condition) == info.modified_at.replace(microsecond=0)
    except (ValueError, TypeError):
        return False


def _build_not_found_error() -> MediaError:
    return MediaError(Reason.NOT_FOUND, "There is nothing of yours here.")
