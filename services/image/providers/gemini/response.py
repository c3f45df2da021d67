"""Parse responses of Gemini: the image, the three forms of a refusal, and errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.providers import MAX_RETRY_AFTER_SECONDS, ErrorBuilder, parse_retry_after
from services.image.providers.gemini.settings import PROVIDER

log = logger(__name__)

build_error = ErrorBuilder(
    PROVIDER,
    {
        Reason.API_KEY_MISSING: "GEMINI_API_KEY is not set; set it, or choose another provider.",
        Reason.PROVIDER_REJECTED_KEY: "Gemini refuses GEMINI_API_KEY; replace the key or extend its permissions.",
        Reason.PROVIDER_BUSY: "Gemini has reached its limit of calls; retry after the delay.",
        Reason.PROVIDER_UNAVAILABLE: "Gemini is down or unreachable; retry later.",
        Reason.PROVIDER_TIMEOUT: "Gemini did not return the image in time; retry.",
        Reason.CONTENT_BLOCKED: "Gemini's safety rules refuse this content; change the prompt.",
        Reason.VALIDATION_ERROR: "Gemini refuses a field of the request; change the prompt or the image.",
        Reason.GENERATION_FAILED: "Gemini returned no image; try again, or check GEMINI_IMAGE_MODEL.",
    },
)
_BY_NAME: Mapping[str, Reason] = {
    "INVALID_ARGUMENT": Reason.VALIDATION_ERROR,
    "FAILED_PRECONDITION": Reason.PROVIDER_REJECTED_KEY,
    "PERMISSION_DENIED": Reason.PROVIDER_REJECTED_KEY,
    "UNAUTHENTICATED": Reason.PROVIDER_REJECTED_KEY,
    "NOT_FOUND": Reason.GENERATION_FAILED,
    "RESOURCE_EXHAUSTED": Reason.PROVIDER_BUSY,
    "INTERNAL": Reason.GENERATION_FAILED,
    "UNAVAILABLE": Reason.PROVIDER_UNAVAILABLE,
    "DEADLINE_EXCEEDED": Reason.PROVIDER_TIMEOUT,
}
_BY_STATUS: Mapping[int, Reason] = {
    401: Reason.PROVIDER_REJECTED_KEY,
    403: Reason.PROVIDER_REJECTED_KEY,
    429: Reason.PROVIDER_BUSY,
    503: Reason.PROVIDER_UNAVAILABLE,
    504: Reason.PROVIDER_TIMEOUT,
}
_BLOCKED = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
"""Finish reasons that mean refused content."""
_DELAY = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image in a response."""

    data: bytes
    content_type: str
    response_id: str


def parse_image(content: bytes) -> InlineImage:
    """Return the image in a response of status 200.

    Raises:
        MediaError: There is no image: CONTENT_BLOCKED, because of the content; GENERATION_FAILED, for another reason.
    """
    body = _parse_json(content)
    candidates = body.get("candidates") or []
    if not candidates:
        feedback = body.get("promptFeedback")
        refused = isinstance(feedback, dict) and bool(feedback.get("blockReason"))
        raise build_error(Reason.CONTENT_BLOCKED if refused else Reason.GENERATION_FAILED, may_be_charged=not refused)
    found = list(_iterate_images(candidates[0]))
    if not found:
        raise _to_missing_image_error(candidates[0])
    # The last one: drafts come before the final image.
    inline = found[-1]
    try:
        data = pybase64.b64decode(str(inline.get("data", "")), validate=True)
    except ValueError:
        raise build_error(Reason.GENERATION_FAILED, may_be_charged=True) from None
    content_type = str(inline.get("mimeType") or inline.get("mime_type") or "")
    return InlineImage(data, content_type, str(body.get("responseId") or ""))


def map_response(status: int, headers: Mapping[str, str], body: object, *, work_started: bool) -> MediaError:
    """Map an unsuccessful response to an error.

    Args:
        status: HTTP status.
        headers: Headers, with case-insensitive names.
        body: Decoded JSON of any type.
        work_started: Not used: an image is one request, and a refused request is not charged.
    """
    del work_started
    error = _unwrap(body).get("error")
    error = error if isinstance(error, dict) else {}
    name, details = str(error.get("status", "")), _list_details(error)
    reason = _BY_NAME.get(name) or _BY_STATUS.get(status, Reason.GENERATION_FAILED)
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
        reason = Reason.PROVIDER_REJECTED_KEY
    log.warning("gemini refused a call", code=status, status=name[:40], reason=reason.name)
    return build_error(reason, retry_after_seconds=_find_retry_after(headers, details))


def _iterate_images(candidate: object) -> Iterator[Mapping[str, Any]]:
    content = candidate.get("content") if isinstance(candidate, dict) else None
    for part in (content.get("parts") or []) if isinstance(content, dict) else []:
        inline = part.get("inlineData") or part.get("inline_data") if isinstance(part, dict) else None
        if isinstance(inline, dict) and not part.get("thought"):
            yield inline


def _to_missing_image_error(candidate: object) -> MediaError:
    """Return the error for a candidate without an image: refused for its content, or answered with text only."""
    finish = str(candidate.get("finishReason", "")) if isinstance(candidate, dict) else ""
    log.warning("gemini returned no image", finish_reason=finish[:40])
    # Text instead of an image is how the model itself refuses.
    refused = finish in _BLOCKED or finish == "STOP"
    return build_error(Reason.CONTENT_BLOCKED if refused else Reason.GENERATION_FAILED, may_be_charged=True)


def _list_details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _find_retry_after(headers: Mapping[str, str], details: list[Mapping[str, Any]]) -> float | None:
    delay = next((match for detail in details if (match := _DELAY.fullmatch(str(detail.get("retryDelay", ""))))), None)
    return min(float(delay[1]), MAX_RETRY_AFTER_SECONDS) if delay else parse_retry_after(headers)


def _parse_json(content: bytes) -> Mapping[str, Any]:
    try:
        return _unwrap(orjson.loads(content))
    except orjson.JSONDecodeError:
        return {}


def _unwrap(found: object) -> Mapping[str, Any]:
    """Return the JSON object of a body: some endpoints return it in a list."""
    first = found[0] if isinstance(found, list) and found else found
    return first if isinstance(first, dict) else {}
