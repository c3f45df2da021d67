"""Describes the error responses, one for each HTTP status of the error table."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.errors import Reason

ERROR = "Error"
REQUEST_ID = "X-Request-Id"
REQUEST_ID_HEADER = {"$ref": "#/components/headers/RequestId"}

_NEEDS_BODY = frozenset({413, 415})
_NEEDS_CREDENTIAL = frozenset({401, 403})
# 405 belongs to paths, not to operations; no caller receives 499, because it means that the caller disconnected.
_UNDESCRIBED = frozenset({405, 499})

_REASONS: dict[int, list[Reason]] = {
    status: [reason for reason in Reason if reason.info.http_status == status]
    for status in sorted({reason.info.http_status for reason in Reason} - _UNDESCRIBED)
}


def build_error_schema() -> dict[str, object]:
    """Return the schema of every error body."""
    detail = {
        "type": "object",
        "description": "A wrong field of the request.",
        "properties": {
            "field": {"type": "string", "description": "Path of the field, such as `items[0].outputFormat`."},
            "description": {"type": "string", "description": "What the field must be."},
        },
        "required": ["field", "description"],
    }
    error = {
        "type": "object",
        "properties": {
            "code": {
                "type": "string",
                "description": "\n".join(f"- `{reason.name}`: {reason.info.meaning}" for reason in Reason),
                "enum": [reason.name for reason in Reason],
            },
            "message": {"type": "string", "description": "What is wrong and what to do."},
            "details": {"type": "array", "description": "The wrong fields of the request, if any.", "items": detail},
            "requestId": {"type": "string", "description": f"Id of the request, as in the header {REQUEST_ID}."},
        },
        "required": ["code", "message", "details", "requestId"],
    }
    return {
        "type": "object",
        "description": "The body of every error response.",
        "properties": {"success": {"const": False}, "error": error},
        "required": ["success", "error"],
    }


def build_error_responses() -> dict[str, object]:
    """Return the error responses, by the name under which operations refer to them."""
    return {_to_response_name(status): _build_response(reasons) for status, reasons in _REASONS.items()}


def build_error_references(*, takes_body: bool, public: bool) -> dict[str, object]:
    """Return references to the error responses of one operation, by status."""
    return {
        str(status): {"$ref": f"#/components/responses/{_to_response_name(status)}"}
        for status in _list_statuses(takes_body=takes_body, public=public)
    }


def _list_statuses(*, takes_body: bool, public: bool) -> Iterator[int]:
    for status in _REASONS:
        impossible = (status in _NEEDS_BODY and not takes_body) or (status in _NEEDS_CREDENTIAL and public)
        if not impossible:
            yield status


def _to_response_name(status: int) -> str:
    return f"Error{status}"


def _build_response(reasons: list[Reason]) -> dict[str, object]:
    headers: dict[str, object] = {}
    if any(reason.info.retryable for reason in reasons):
        headers["Retry-After"] = {
            "description": "Seconds to wait before a retry, if known.",
            "schema": {"type": "integer", "minimum": 0},
        }
    return {
        "description": "\n".join(f"- `{reason.name}`: {reason.info.meaning}" for reason in reasons),
        **({"headers": headers} if headers else {}),
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{ERROR}"},
                "examples": {reason.name: {"value": _build_example(reason)} for reason in reasons},
            }
        },
    }


def _build_example(reason: Reason) -> dict[str, object]:
    details = [{"field": "speed", "description": "must be a number"}] if reason is Reason.VALIDATION_ERROR else []
    message = "speed: must be a number" if details else reason.info.meaning
    request_id = "0b1f6e3c9a7d4e52"
    return {
        "success": False,
        "error": {"code": reason.name, "message": message, "details": details, "requestId": request_id},
    }
