"""Build google.rpc.Status with details; without the gRPC library, which the edge does not load."""

from __future__ import annotations

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.common.errors import DOMAIN, MediaError


def build_status(error: MediaError, request_id: str = "") -> status_pb2.Status:
    """Return code, message, ErrorInfo, and BadRequest or RetryInfo where they apply."""
    metadata = {**error.metadata, "request_id": request_id} if request_id else error.metadata
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata),
    ]
    if error.violations:
        details.append(_build_bad_request(error))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.reason.info.grpc_code),
        message=error.message,
        details=[_pack(detail) for detail in details],
    )


def _build_bad_request(error: MediaError) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=item.field, description=item.description)
            for item in error.violations
        ]
    )


def _pack(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
