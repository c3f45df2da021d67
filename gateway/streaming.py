"""Sends responses in pieces, each when it is ready: bytes, or one JSON object a line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import grpc
import orjson
from aiohttp import web

from gateway.errors import REQUEST_ID, STARTED, build_error_body
from services.common.errors import MediaError
from services.common.log import request_id
from services.common.rpc.call_limits import CallLimits, limit_wait
from services.common.rpc.status import from_rpc_error

NDJSON = "application/x-ndjson"
# These bytes stand for nothing else in UTF-8. In valid JSON they are within strings.
_UNICODE_LINE_BREAKS: Mapping[bytes, bytes] = {
    character.encode(): f"\\u{ord(character):04x}".encode() for character in ("\x85", "\u2028", "\u2029")
}

Lines = AsyncGenerator[Mapping[str, Any]]
"""Yields the lines of an answer."""


async def send_lines(
    request: web.Request,
    lines: Lines,
    limits: CallLimits,
    headers: Mapping[str, str] | None = None,
    opening: Sequence[Mapping[str, Any]] = (),
) -> web.StreamResponse:
    """Send each of `lines` when it is ready, and return the ended response.

    The status is sent when the first line is ready, so that an earlier failure is a plain error response. A later
    failure is the last line, and the response ends without the final chunk.

    Args:
        request: The request to answer.
        lines: The lines; closed on every way out.
        limits: How long the first line may take.
        headers: Headers beside Content-Type.
        opening: Lines that come before `lines`, sent in one write with the first of them.

    Raises:
        MediaError: From `lines`; DEADLINE_EXCEEDED if the first line takes too long.
    """
    async with aclosing(lines):
        async with limit_wait(limits.first_message_seconds):
            first = await anext(lines, None)
        response = await start_stream(request, {**(headers or {}), "Content-Type": NDJSON})
        ready = [*opening] if first is None else [*opening, first]
        try:
            if ready:
                await response.write(b"".join(map(_encode_line, ready)))
            async for line in lines:
                await response.write(_encode_line(line))
        except (MediaError, grpc.aio.AioRpcError) as error:
            failure = error if isinstance(error, MediaError) else from_rpc_error(error)
            await response.write(_encode_line(build_error_body(failure)))
            raise
        await response.write_eof()
    return response


async def start_stream(request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send status 200 and `headers`, and return the response to write to.

    From here on an error cannot change the status. `handle_errors` in gateway/errors.py then closes the connection of
    the response that it finds under STARTED, so that no client takes the answer for complete.
    """
    response = web.StreamResponse(headers={**headers, REQUEST_ID: request_id.get()})
    response.enable_chunked_encoding()
    request[STARTED] = response
    await response.prepare(request)
    return response


def encode_one_line(content: Mapping[str, Any]) -> bytes:
    """Return `content` as JSON text in UTF-8 that no reader of lines splits, without a line break at its end.

    JSON escapes only the line breaks of ASCII. Many readers, such as str.splitlines of Python and readline of Node,
    split at those of Unicode, too.
    """
    text = orjson.dumps(content)
    if not text.isascii():
        for character, escape in _UNICODE_LINE_BREAKS.items():
            text = text.replace(character, escape)
    return text


def _encode_line(content: Mapping[str, Any]) -> bytes:
    return encode_one_line(content) + b"\n"
