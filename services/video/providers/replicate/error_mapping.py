"""Maps errors of Replicate to reasons and messages of the suite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.common.errors import MAY_BE_CHARGED_KEY, FieldViolation, MediaError, Reason
from services.common.log import logger
from services.common.providers import MAX_RETRY_AFTER_SECONDS, ErrorBuilder, parse_retry_after
from services.video.providers.replicate.settings import API_KEY_VARIABLE, PROVIDER

log = logger(__name__)

build_error = ErrorBuilder(
    PROVIDER,
    {
        Reason.API_KEY_MISSING: f"replicate has no token: set {API_KEY_VARIABLE}, or choose another provider.",
        Reason.PROVIDER_REJECTED_KEY: f"replicate rejects {API_KEY_VARIABLE}; replace it.",
        Reason.PROVIDER_QUOTA_EXCEEDED: "The replicate account has no credit left; top it up or use another provider.",
        Reason.PROVIDER_BUSY: "replicate is at its request limit; retry later.",
        Reason.PROVIDER_UNAVAILABLE: "replicate is down or unreachable; retry later.",
        Reason.PROVIDER_TIMEOUT: "replicate did not deliver in time; retry.",
        Reason.CONTENT_BLOCKED: "The model's safety rules reject this content; change the prompt or the image.",
        Reason.VALIDATION_ERROR: "replicate rejects a field of the request; change model, image or prompt.",
        Reason.GENERATION_FAILED: "The model failed to generate the video; retry, or choose another model.",
        Reason.CANCELLED: "The video was cancelled.",
    },
)
_BY_STATUS: Mapping[int, Reason] = {
    400: Reason.VALIDATION_ERROR,
    401: Reason.PROVIDER_REJECTED_KEY,
    402: Reason.PROVIDER_QUOTA_EXCEEDED,
    403: Reason.PROVIDER_REJECTED_KEY,
    404: Reason.VALIDATION_ERROR,
    408: Reason.PROVIDER_TIMEOUT,
    422: Reason.VALIDATION_ERROR,
    429: Reason.PROVIDER_BUSY,
    502: Reason.PROVIDER_UNAVAILABLE,
    503: Reason.PROVIDER_UNAVAILABLE,
    504: Reason.PROVIDER_TIMEOUT,
}
_NOT_STARTED_STATUSES = frozenset({400, 401, 402, 403, 404, 422, 429, 503})
"""Statuses that mean that nothing was started. After any other status, the video may have been charged."""
_SERVER_ERROR = 500
_FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "first_frame_image": "image_url",
    "duration": "seconds",
    "resolution": "resolution",
    "version": "model",
}
"""Request field for each input of Replicate."""
_BLOCKED = re.compile(r"nsfw|sensitive|moderat|flagged|safety|content policy|\bE005\b", re.IGNORECASE)
_TOO_SLOW = re.compile(r"time[d ]*out", re.IGNORECASE)
_RESET = re.compile(r"~(\d+)s")


def map_response(status: int, headers: Mapping[str, str], body: object, *, work_started: bool) -> MediaError:
    """Map an unsuccessful HTTP response to an error.

    Args:
        status: HTTP status.
        headers: Headers, with case-insensitive names.
        body: Decoded JSON of any shape.
        work_started: Whether the video was started before this request.
    """
    reason = _BY_STATUS.get(status, Reason.GENERATION_FAILED)
    if work_started and status >= _SERVER_ERROR:
        # A failed status request does not affect the video itself.
        reason = Reason.PROVIDER_UNAVAILABLE
    log.warning("replicate rejected a request", status=status, reason=reason.name)
    if reason is Reason.VALIDATION_ERROR:
        return build_gone_error() if work_started else _map_validation_error(status, body)
    return build_error(
        reason,
        may_be_charged=work_started or status not in _NOT_STARTED_STATUSES,
        retry_after_seconds=_find_retry_after(headers, body),
    )


def map_failed_prediction(status: str, error: object) -> MediaError:
    """Map a prediction that ended without a video to an error.

    Args:
        status: failed, canceled or aborted.
        error: Error text of Replicate. It may quote the prompt, so it is neither logged nor returned.
    """
    if status == "canceled":
        return build_error(Reason.CANCELLED, may_be_charged=True)
    if status == "aborted":
        # Its deadline passed before it started.
        return build_error(Reason.PROVIDER_TIMEOUT)
    text = error if isinstance(error, str) else ""
    if _BLOCKED.search(text):
        return build_error(Reason.CONTENT_BLOCKED, may_be_charged=True)
    return build_error(
        Reason.PROVIDER_TIMEOUT if _TOO_SLOW.search(text) else Reason.GENERATION_FAILED, may_be_charged=True
    )


def build_gone_error() -> MediaError:
    """Return the error for a video that Replicate has deleted."""
    return MediaError(
        Reason.GENERATION_FAILED,
        "replicate no longer has this video; generate it again.",
        metadata={"provider": PROVIDER, MAY_BE_CHARGED_KEY: "true"},
    )


def _map_validation_error(status: int, body: object) -> MediaError:
    """Return an error that names the fields that Replicate rejects."""
    if status == 404:  # noqa: PLR2004 - Not Found
        names = ["model"]
    else:
        fields: Any = body.get("invalid_fields") if isinstance(body, dict) else None
        reported = (
            [str(item.get("field", "")) for item in fields if isinstance(item, dict)]
            if isinstance(fields, list)
            else []
        )
        names = [_FIELDS[name.rpartition(".")[2]] for name in reported if name.rpartition(".")[2] in _FIELDS]
        detail = body.get("detail") if isinstance(body, dict) else None
        if not names and isinstance(detail, str) and "version" in detail.lower():
            names = ["model"]
    if not names:
        return build_error(Reason.VALIDATION_ERROR)
    unknown = "must be a model that exists at replicate and that this account may use"
    violations = [
        FieldViolation(name, unknown if name == "model" else "is rejected by replicate: change it") for name in names
    ]
    text = " ".join(f"{item.field}: {item.description}." for item in violations)
    return MediaError(Reason.VALIDATION_ERROR, text, violations=violations, metadata={"provider": PROVIDER})


def _find_retry_after(headers: Mapping[str, str], body: object) -> float | None:
    delay_seconds = parse_retry_after(headers)
    if delay_seconds or not isinstance(body, dict):
        return delay_seconds
    seconds = body.get("retry_after")
    if isinstance(seconds, int | float) and seconds >= 0:
        return float(min(MAX_RETRY_AFTER_SECONDS, seconds))
    detail = body.get("detail")
    found = _RESET.search(detail) if isinstance(detail, str) else None
    return min(MAX_RETRY_AFTER_SECONDS, float(found.group(1)[:9])) if found else delay_seconds
