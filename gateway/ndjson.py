"""Answers with one JSON object a line, each sent when it is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import orjson
from aiohttp import web

from gateway.errors import STARTED, build_error_body
from services.common.errors import MediaError
from services.common.log import request_id
from services.common.rpc.status import from_rpc_error

NDJSON = "application/x-ndjson"

Lines = AsyncGenerator[Mapping[str, Any]]
"""What is sent; the first is waited for before the status, so that an early failure is a plain error."""


async def send_lines(request: web.Request, lines: Lines) -> web.StreamResponse:
    """Send `lines`; an answer that fails on the way ends with the error and without the final chunk.

    Raises:
        MediaError: From `lines`; before the first of them nothing has been sent.
    """
    async with aclosing(lines):
        first = await anext(lines, None)
        response = web.StreamResponse(headers={"Content-Type": NDJSON, "X-Request-Id": request_id.get()})
        response.enable_chunked_encoding()
        request[STARTED] = response
        await response.prepare(request)
        try:
            if first is not None:
                await response.write(_encode_line(first))
            async for line in lines:
                await response.write(_encode_line(line))
        except (MediaError, grpc.aio.AioRpcError) as error:
            await response.write(
                _encode_line(build_error_body(error if isinstance(error, MediaError) else from_rpc_error(error)))
            )
            raise
        await response.write_eof()
    return response


def _encode_line(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
