"""Details for errors that the gRPC library of a service makes itself, such as for a message over its limit."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from google.rpc import code_pb2

from gateway.envoy.typed_config import Config
from services.common.errors import MediaError, Reason
from services.common.rpc.error_details import build_status

_REASONS: Mapping[int, Reason] = {
    code_pb2.CANCELLED: Reason.CANCELLED,
    code_pb2.INVALID_ARGUMENT: Reason.VALIDATION_ERROR,
    code_pb2.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    code_pb2.NOT_FOUND: Reason.NOT_FOUND,
    code_pb2.PERMISSION_DENIED: Reason.PERMISSION_DENIED,
    # Errors of ours have details; without them, it is a message over the limit of the library.
    code_pb2.RESOURCE_EXHAUSTED: Reason.PAYLOAD_TOO_LARGE,
    code_pb2.UNIMPLEMENTED: Reason.UNIMPLEMENTED,
    code_pb2.UNAVAILABLE: Reason.UNAVAILABLE,
    code_pb2.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
}
"""Reason of each code; INTERNAL for the others."""
_CODES = [code for code in code_pb2.Code.values() if code != code_pb2.OK]
_DETAILS, _MESSAGE = "grpc-status-details-bin", "grpc-message"
_IS_ERROR = "'grpc-status' in response.headers && response.headers['grpc-status'] != '0'"
_LACKS_DETAILS = f"{_IS_ERROR} && !('{_DETAILS}' in response.headers)"


def build_detail_headers() -> list[Config]:
    """Return the response headers that give an error without details our ErrorInfo and its message.

    Clients refuse details whose code or message differs from that of the response.
    """
    statuses = {code: _build_status(code) for code in _CODES}
    messages = {code: message for code, (message, _) in statuses.items()}
    details = {code: encoded for code, (_, encoded) in statuses.items()}
    # Envoy adds them in this order; with the details, an error does not lack them any more.
    return [_build_header(_MESSAGE, messages), _build_header(_DETAILS, details)]


def _build_status(code: int) -> tuple[str, str]:
    error = MediaError(_REASONS.get(code, Reason.INTERNAL))
    status = build_status(error)
    status.code = code
    return error.message, base64.b64encode(status.SerializeToString()).decode()


def _build_header(name: str, values: Mapping[int, str]) -> Config:
    table = ", ".join(f"'{code}': '{_escape(value)}'" for code, value in values.items())
    unchanged = f"'{name}' in response.headers ? response.headers['{name}'] : ''"
    value = f"%CEL({_LACKS_DETAILS} ? {{{table}}}[response.headers['grpc-status']] : ({unchanged}))%"
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
