"""Convert a MediaError to google.rpc.Status with details, and a failed call back to a MediaError."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.common.errors import DOMAIN, FieldViolation, MediaError, Reason

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
}


def to_status(error: MediaError, request_id: str) -> grpc.Status:
    """Return the gRPC status of `error`: code, message, ErrorInfo, and BadRequest or RetryInfo where they apply."""
    metadata = {**error.metadata, "request_id": request_id} if request_id else error.metadata
    details = [error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata)]
    packed = [_pack(detail) for detail in details]
    if error.violations:
        packed.append(_pack(_build_bad_request(error)))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        packed.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    code = grpc.StatusCode[error.reason.info.grpc_code]
    # In fact a named tuple, but the published type does not say so.
    status: Any = rpc_status.to_status(status_pb2.Status(code=code.value[0], message=error.message, details=packed))
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


def _build_bad_request(error: MediaError) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=item.field, description=item.description)
            for item in error.violations
        ]
    )


def _pack(
    detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _read_details(error: grpc.aio.AioRpcError) -> list[any_pb2.Any]:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return list(status_pb2.Status.FromString(value).details)
    return []
