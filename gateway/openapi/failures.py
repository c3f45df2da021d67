"""Describes the error answers, one for each HTTP status of the error table."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from services.common.errors import Reason

ERROR = "Error"
REQUEST_ID = "X-Request-Id"
REQUEST_ID_HEADER = {"$ref": "#/components/headers/RequestId"}

_NEEDS_BODY = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE})
_NEEDS_CREDENTIAL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# Answers of paths, not of operations.
_ELSEWHERE = frozenset({HTTPStatus.METHOD_NOT_ALLOWED})

# A caller that went away reads no answer, and its status is none of the registered ones.
_REASONS: dict[HTTPStatus, list[Reason]] = {
    status: [reason for reason in Reason if reason.row.http_status == status]
    for status in HTTPStatus
    if any(reason.row.http_status == status for reason in Reason)
}


def error_schema() -> dict[str, object]:
    """Returns the schema of every error body."""
    detail = {
        "type": "object",
        "description": "A request field at fault.",
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
                "description": "\n".join(f"- `{reason.name}`: {reason.row.meaning}" for reason in Reason),
                "enum": [reason.name for reason in Reason],
            },
            "message": {"type": "string", "description": "What went wrong and what to do next."},
            "details": {"type": "array", "description": "The request fields at fault, if any.", "items": detail},
            "requestId": {"type": "string", "description": f"Id of the request, as in the header {REQUEST_ID}."},
        },
        "required": ["code", "message", "details", "requestId"],
    }
    return {
        "type": "object",
        "description": "The body of every answer that is no success.",
        "properties": {"success": {"const": False}, "error": error},
        "required": ["success", "error"],
    }


def error_responses() -> dict[str, object]:
    """Returns the error answers that operations refer to, by name."""
    return {_name(status): _response(reasons) for status, reasons in _REASONS.items()}


def references(*, takes_body: bool, public: bool) -> dict[str, object]:
    """Returns the error answers of one operation, by status."""
    return {
        str(int(status)): {"$ref": f"#/components/responses/{_name(status)}"}
        for status in _statuses(takes_body=takes_body, public=public)
    }


def _statuses(*, takes_body: bool, public: bool) -> Iterator[HTTPStatus]:
    for status in _REASONS:
        missing = (status in _NEEDS_BODY and not takes_body) or (status in _NEEDS_CREDENTIAL and public)
        if status not in _ELSEWHERE and not missing:
            yield status


def _name(status: HTTPStatus) -> str:
    return status.phrase.title().replace(" ", "").replace("-", "")


def _response(reasons: list[Reason]) -> dict[str, object]:
    headers: dict[str, object] = {}
    if any(reason.row.retryable for reason in reasons):
        headers["Retry-After"] = {
            "description": "Seconds to wait before the same request makes sense again, where that is known.",
            "schema": {"type": "integer", "minimum": 0},
        }
    return {
        "description": "\n".join(f"- `{reason.name}`: {reason.row.meaning}" for reason in reasons),
        **({"headers": headers} if headers else {}),
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{ERROR}"},
                "examples": {reason.name: {"value": _example(reason)} for reason in reasons},
            }
        },
    }


def _example(reason: Reason) -> dict[str, object]:
    details = [{"field": "speed", "description": "must be a number"}] if reason is Reason.VALIDATION_ERROR else []
    message = "speed: must be a number" if details else reason.row.meaning
    request_id = "0b1f6e3c9a7d4e52"
    return {
        "success": False,
        "error": {"code": reason.name, "message": message, "details": details, "requestId": request_id},
    }
