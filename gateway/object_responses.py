"""Sends stored objects: with ranges, entity tags, and headers that are safe for files of callers."""

from __future__ import annotations

import re
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web

from gateway.errors import STARTED
from services.common.storage import ByteRange, ObjectInfo, ObjectStore

_SHOWN_INLINE = ("image/", "audio/", "video/")
_EMPTY_SUFFIX = re.compile(r"bytes\s*=\s*-0+")
"""A range of zero bytes, which aiohttp reads as the whole object."""
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # An uploaded file must not run as a page of this origin.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Accept-Ranges": "bytes",
}


async def send_object(
    request: web.Request, store: ObjectStore, info: ObjectInfo, cache_control: str
) -> web.StreamResponse:
    """Answer with an object, with the requested range of it, or that it is unchanged.

    Args:
        request: A GET or HEAD request.
        store: Store of the object.
        info: Properties of the object.
        cache_control: Cache-Control of the answer.
    """
    headers = _build_headers(info, cache_control)
    if _is_unchanged(request, info):
        return web.Response(status=304, headers=headers)
    byte_range = _parse_range(request, info)
    if byte_range is not None and byte_range.start >= byte_range.end:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{info.size_bytes}"})
    status = 206 if byte_range else 200
    if byte_range:
        headers["Content-Range"] = f"bytes {byte_range.start}-{byte_range.end - 1}/{info.size_bytes}"
    sent = byte_range or ByteRange(0, info.size_bytes)
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = sent.end - sent.start
    if request.method == "HEAD" or not response.content_length:
        await response.prepare(request)
        return response
    async with store.open(info.key, sent) as found:
        request[STARTED] = response
        await response.prepare(request)
        async for chunk in found.chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


def _build_headers(info: ObjectInfo, cache_control: str) -> dict[str, str]:
    shown = info.content_type.startswith(_SHOWN_INLINE) and "svg" not in info.content_type
    return {
        **SAFE_HEADERS,
        "Content-Type": info.content_type,
        "Content-Disposition": "inline" if shown else "attachment",
        "Cache-Control": cache_control,
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
    """Return the requested range, empty if it begins after the end; None for the whole object.

    Several ranges, and headers that are not a range, count as a request for the whole object.
    """
    # Ranges apply to GET only; HEAD describes the whole object.
    if request.method != "GET" or "Range" not in request.headers or not _matches_if_range(request, info):
        return None
    if _EMPTY_SUFFIX.fullmatch(request.headers["Range"].strip()):
        return ByteRange(info.size_bytes, info.size_bytes)
    try:
        requested = request.http_range
    except ValueError:
        return None
    start, stop = requested.start, requested.stop
    if start is None:
        return None
    size = info.size_bytes
    start = max(0, size + start) if start < 0 else start
    return ByteRange(start, size if stop is None else min(stop, size))


def _matches_if_range(request: web.Request, info: ObjectInfo) -> bool:
    """Return whether the caller's part is of the current version, by If-Range; true without that header."""
    condition = request.headers.get("If-Range")
    if condition is None or condition == f'"{info.etag}"':
        return True
    try:
        # A date must be equal, like a tag; a later date means another version, too.
        return parsedate_to_datetime(condition) == info.modified_at.replace(microsecond=0)
    except (ValueError, TypeError):
        return False
