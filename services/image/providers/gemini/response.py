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
        Reason.PROVIDER_QUOTA_EXCEEDED: (
            "The quota of the Gemini account is used up for today, or it has none for this model; wait for the next"
            " day, enable billing, or choose another provider."
        ),
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
_MAX_LEVELS = 20
"""Levels of an answer in which images are searched."""
_ZERO_LIMIT = re.compile(r"limit: 0\b")
_DELAY = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image in a response."""

    data: bytes
    content_type: str
    response_id: str
    tokens: int | None
    """Tokens of the image, which decide its price; None if Gemini does not report them."""


def parse_image(content: bytes) -> InlineImage:
    """Return the image in a response of status 200.

    Raises:
        MediaError: There is no image: CONTENT_BLOCKED, because of the content; GENERATION_FAILED, for another reason.
    """
    body = _parse_json(content)
    _log_status(body)
    inline = _choose_image(body)
    if inline is None:
        raise _to_missing_image_error(body)
    try:
        data = pybase64.b64decode(str(inline.get("data", "")), validate=True)
    except ValueError:
        raise build_error(Reason.GENERATION_FAILED, may_be_charged=True) from None
    content_type = str(inline.get("mimeType") or inline.get("mime_type") or "")
    return InlineImage(data, content_type, str(body.get("responseId") or ""), _count_tokens(body))


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
    if reason is Reason.PROVIDER_BUSY and _is_quota_used_up(error, details):
        reason = Reason.PROVIDER_QUOTA_EXCEEDED
    log.warning("gemini refused a call", code=status, status=name[:40], reason=reason.name)
    return build_error(reason, retry_after_seconds=_find_retry_after(headers, details))


def _choose_image(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the image of an answer, wherever it stands; None without one.

    The last one that is no draft: drafts come before the final image. A draft counts only if the model ended normally
    and returned nothing else.
    """
    found = list(_iterate_images(body, is_draft=False))
    final = [inline for inline, is_draft in found if not is_draft]
    if not final and all(finish in ("", "STOP") for finish in _list_finish_reasons(body)):
        final = [inline for inline, _ in found]
    return final[-1] if final else None


def _iterate_images(
    node: object, *, is_draft: bool, levels: int = _MAX_LEVELS
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield each image in a tree of JSON, and whether it is a draft, in order."""
    if not levels:
        return
    if isinstance(node, list):
        for item in node:
            yield from _iterate_images(item, is_draft=is_draft, levels=levels - 1)
    elif isinstance(node, dict):
        is_draft = is_draft or bool(node.get("thought"))
        for name, value in node.items():
            if name in ("inlineData", "inline_data") and isinstance(value, dict):
                content_type = str(value.get("mimeType") or value.get("mime_type") or "")
                if content_type.startswith("image/") or not content_type:
                    yield value, is_draft
            else:
                yield from _iterate_images(value, is_draft=is_draft, levels=levels - 1)


def _list_finish_reasons(body: Mapping[str, Any]) -> list[str]:
    candidates = body.get("candidates")
    found = candidates if isinstance(candidates, list) else []
    return [str(item.get("finishReason") or "") for item in found if isinstance(item, dict)]


def _count_tokens(body: Mapping[str, Any]) -> int | None:
    """Return the tokens of the generated image, else those of the whole answer."""
    usage = body.get("usageMetadata")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("candidatesTokensDetails")
    counts = [
        item.get("tokenCount")
        for item in (details if isinstance(details, list) else [])
        if isinstance(item, dict) and item.get("modality") == "IMAGE"
    ]
    numbers = [count for count in counts if isinstance(count, int)]
    total = usage.get("candidatesTokenCount")
    return sum(numbers) if numbers else total if isinstance(total, int) else None


def _log_status(body: Mapping[str, Any]) -> None:
    """Log the announced end of a model."""
    status = body.get("modelStatus")
    if isinstance(status, dict) and status.get("retirementTime"):
        log.warning("gemini announces the end of the model", ends_at=str(status["retirementTime"])[:30])


def _is_quota_used_up(error: Mapping[str, Any], details: list[Mapping[str, Any]]) -> bool:
    """Return whether a quota of a day or of zero refuses a call: a retry within minutes cannot succeed."""
    for detail in details:
        violations = detail.get("violations")
        for item in violations if isinstance(violations, list) else []:
            if isinstance(item, dict) and (
                "PerDay" in str(item.get("quotaId", "")) or str(item.get("quotaValue", "")) == "0"
            ):
                return True
    return _ZERO_LIMIT.search(str(error.get("message", ""))) is not None


def _to_missing_image_error(body: Mapping[str, Any]) -> MediaError:
    """Return the error for an answer without an image: refused for its content, or answered with text only."""
    finish = next(iter(_list_finish_reasons(body)), "")
    feedback = body.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason") and not body.get("candidates"):
        return build_error(Reason.CONTENT_BLOCKED)
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
