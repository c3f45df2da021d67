"""Describes the error responses: one form, and a table of all reasons."""

from __future__ import annotations

from services.common.errors import Reason

ERROR = "Error"
REQUEST_ID = "X-Request-Id"
REQUEST_ID_HEADER = {"$ref": "#/components/headers/RequestId"}

ERROR_REFERENCE: dict[str, object] = {"default": {"$ref": f"#/components/responses/{ERROR}"}}
"""The error responses of every operation: one for all statuses, so that the page stays short."""
# No caller receives 499, because it means that the caller disconnected.
_UNDESCRIBED = frozenset({499})


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
                "description": "What is wrong, for programs.",
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
    """Return the one error response to which all operations refer."""
    return {
        ERROR: {
            "description": "An error. `error.code` says which; *All errors* at the top lists them.",
            "headers": {
                REQUEST_ID: REQUEST_ID_HEADER,
                "Retry-After": {
                    "description": "Seconds to wait before a retry, if known.",
                    "schema": {"type": "integer", "minimum": 0},
                },
            },
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{ERROR}"},
                    "examples": {Reason.VALIDATION_ERROR.name: {"value": _build_example()}},
                }
            },
        }
    }


def build_error_table() -> str:
    """Return a table in Markdown of all errors that a caller can receive, by their status."""
    reasons = sorted((reason for reason in Reason if reason.info.http_status not in _UNDESCRIBED), key=_get_status)
    rows = (f"| {reason.info.http_status} | `{reason.name}` | {reason.info.meaning} |" for reason in reasons)
    return "\n".join(("| status | code | meaning |", "|---|---|---|", *rows))


def _get_status(reason: Reason) -> int:
    return reason.info.http_status


def _build_example() -> dict[str, object]:
    return {
        "success": False,
        "error": {
            "code": Reason.VALIDATION_ERROR.name,
            "message": "speed: must be a number",
            "details": [{"field": "speed", "description": "must be a number"}],
            "requestId": "0b1f6e3c9a7d4e52",
        },
    }
