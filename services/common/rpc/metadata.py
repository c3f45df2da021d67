"""Metadata that every call of the suite carries: the id of the request, and the caller as the edge verified it."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # The edge imports this module and has no other use for grpc, which costs memory.
    import grpc

REQUEST_ID = "x-request-id"
"""Key of the request id. A caller may choose it; it ties the answer to the log lines of all processes."""
PRINCIPAL = "x-media-principal"
"""Key of the verified caller. The edge sets it and strips what a client sends under this name."""
MAX_RESPONSE_BYTES = "x-max-response-bytes"
"""Key of the largest message that the caller can receive, in bytes: its `grpc.max_receive_message_length`."""
DEFAULT_MAX_RESPONSE_BYTES = 4 * 1024 * 1024
"""What a gRPC client can receive unless it is configured otherwise."""

_SIZE_SHAPE = re.compile(r"[1-9][0-9]{0,17}")
_REQUEST_ID_SHAPE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def choose_request_id(sent: str) -> str:
    """Return `sent` if it is a well-formed request id, else a new random one."""
    return sent if _REQUEST_ID_SHAPE.fullmatch(sent) else secrets.token_hex(16)


def get_principal(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the verified caller; empty for a call that did not come through the edge."""
    return find_metadata(context, PRINCIPAL)


def get_max_response_bytes(context: grpc.aio.ServicerContext[Any, Any]) -> int:
    """Return the largest message that the caller can receive, in bytes."""
    sent = find_metadata(context, MAX_RESPONSE_BYTES)
    return int(sent) if _SIZE_SHAPE.fullmatch(sent) else DEFAULT_MAX_RESPONSE_BYTES


def find_metadata(context: grpc.aio.ServicerContext[Any, Any], key: str) -> str:
    """Return the first text value of a metadata key; empty if the key is missing."""
    for name, value in context.invocation_metadata() or ():
        if name == key and isinstance(value, str):
            return value
    return ""
