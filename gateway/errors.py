"""The error path of every route: one middleware, one JSON form, and a cut connection where the status was sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.codec.violations import to_camel_case
from services.common.errors import MediaError, Reason, unwrap_group
from services.common.log import bind_request_id, describe_error, logger, request_id
from services.common.rpc.metadata import choose_request_id
from services.common.rpc.status import from_rpc_error

log = logger(__name__)

REQUEST_ID = "X-Request-Id"
_REASONS_BY_HTTP_STATUS = {
    404: Reason.NOT_FOUND,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.PAYLOAD_TOO_LARGE,
}

STARTED = web.RequestKey("started", web.StreamResponse)
"""The response whose head was sent; set by routes that stream."""


@dataclass(frozen=True, slots=True)
class FieldNaming:
    """How a route names the fields of the contract."""

    name_field: Callable[[str], str]
    """Called with a field's path in the contract; returns its name in the JSON of the route."""


IN_CAMEL_CASE = FieldNaming(to_camel_case)
FIELD_NAMING = web.RequestKey("field_naming", FieldNaming)
"""Set by routes whose JSON does not name the fields in camelCase."""


@web.middleware
async def handle_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request its id, and turn every exception into an error response."""
    with bind_request_id(choose_request_id(request.headers.get(REQUEST_ID, ""))):
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - every failure needs a response, unexpected ones too
            return _build_error_response(request, error)
        if not response.prepared:
            response.headers[REQUEST_ID] = request_id.get()
        return response


def _build_error_response(request: web.Request, error: Exception) -> web.StreamResponse:
    failure = _to_media_error(error)
    log.info("request failed", path=request.path, reason=failure.reason.name)
    started = request.get(STARTED)
    if started is not None and started.prepared:
        return _abort_response(request, started)
    headers = {REQUEST_ID: request_id.get()}
    if failure.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(failure.retry_after_seconds))
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return web.Response(
        status=failure.reason.info.http_status,
        body=orjson.dumps(build_error_body(failure, request.get(FIELD_NAMING, IN_CAMEL_CASE))),
        content_type="application/json",
        headers=headers,
    )


def _to_media_error(error: Exception) -> MediaError:
    match error := unwrap_group(error):
        case MediaError():
            return error
        case grpc.aio.AioRpcError():
            return from_rpc_error(error)
        case web.HTTPException():
            return MediaError(_REASONS_BY_HTTP_STATUS.get(error.status, Reason.VALIDATION_ERROR))
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return MediaError(Reason.CANCELLED)
        case _:
            log.error("a route failed", **describe_error(error))
            return MediaError(Reason.INTERNAL)


def _abort_response(request: web.Request, started: web.StreamResponse) -> web.StreamResponse:
    """Close the connection without the final chunk, so that no client takes the answer for complete."""
    if request.transport is not None:
        request.transport.close()
    return started


def build_error_body(error: MediaError, naming: FieldNaming = IN_CAMEL_CASE) -> dict[str, object]:
    """Return the JSON form of an error, the same for every route.

    Args:
        error: The error.
        naming: How the route names fields.
    """
    message = error.message
    for item in error.violations:
        if item.field:
            message = message.replace(f"{item.field}: ", f"{naming.name_field(item.field)}: ")
    return {
        "success": False,
        "error": {
            "code": error.reason.name,
            "message": message,
            "details": [
                {"field": naming.name_field(item.field), "description": item.description} for item in error.violations
            ],
            "requestId": request_id.get(),
        },
    }
