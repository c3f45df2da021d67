"""Convert a MediaError to google.rpc.Status with details, and a failed call back to a MediaError."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.common.errors import DOMAIN, FieldViolation, MediaError, Reason
from services.common.rpc.error_details import build_status

# Stops the retry of UNAVAILABLE in the channel of the caller: the service has already done its own retries.
_NO_RETRY = ("grpc-retry-pushback-ms", "-1")
# Errors that something other than our services produced: the channel, Envoy, the gRPC library.
_REASON_OF_CODE = {
    # A client that cancels its own call never sees this code: a server sends it when it stops as the call arrives.
    grpc.StatusCode.CANCELLED: Reason.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    grpc.StatusCode.INVALID_ARGUMENT: Reason.VALIDATION_ERROR,
    grpc.StatusCode.NOT_FOUND: Reason.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED: Reason.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
    grpc.StatusCode.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
    grpc.StatusCode.UNAVAILABLE: Reason.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED: Reason.UNIMPLEMENTED,
}


def to_status(error: MediaError, request_id: str) -> grpc.Status:
    """Return the gRPC status of `error`: code, message, ErrorInfo, and BadRequest or RetryInfo where they apply."""
    # In fact a named tuple, but the published type does not say so.
    status: Any = rpc_status.to_status(build_status(error, request_id))
    final: grpc.Status = status._replace(trailing_metadata=(*status.trailing_metadata, _NO_RETRY))
    return final


def from_rpc_error(error: grpc.aio.AioRpcError) -> MediaError:
    """Return the MediaError of a failed call to one of our services.

    A failure without our ErrorInfo keeps its code but not its text, which may name hosts or quote anything.
    """
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    try:
        for detail in _read_details(error):
            for kind in (info, bad_request, retry):
                if detail.Is(kind.DESCRIPTOR):
                    detail.Unpack(kind)
    except DecodeError:
        info.Clear()
    if info.domain != DOMAIN or info.reason not in Reason.__members__:
        return MediaError(_REASON_OF_CODE.get(error.code(), Reason.INTERNAL))
    metadata = {key: value for key, value in info.metadata.items() if key != "request_id"}
    return MediaError(
        Reason[info.reason],
        error.details() or "",
        violations=[FieldViolation(item.field, item.description) for item in bad_request.field_violations],
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        metadata=metadata,
    )


def _read_details(error: grpc.aio.AioRpcError) -> list[any_pb2.Any]:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return list(status_pb2.Status.FromString(value).details)
    return []
