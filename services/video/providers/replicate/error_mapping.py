"""What Replicate says went wrong, in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.common.errors import FieldViolation, MediaError, Reason
from services.common.log import logger
from services.common.resilience.error_metadata import MAY_BE_CHARGED_KEY
from services.video.providers.replicate.settings import API_KEY_VARIABLE, PROVIDER

log = logger(__name__)

_MESSAGES: Mapping[Reason, str] = {
    Reason.API_KEY_MISSING: f"replicate has no token; set {API_KEY_VARIABLE}, or choose another provider.",
    Reason.PROVIDER_REJECTED_KEY: f"replicate refuses {API_KEY_VARIABLE}; replace it.",
    Reason.PROVIDER_QUOTA_EXCEEDED: "The replicate account has no credit left; top it up or use another provider.",
    Reason.PROVIDER_BUSY: "replicate is at its limit of requests; retry later.",
    Reason.PROVIDER_UNAVAILABLE: "replicate is down or unreachable; retry later.",
    Reason.PROVIDER_TIMEOUT: "replicate did not deliver in time; retry.",
    Reason.CONTENT_BLOCKED: "The model's safety rules refuse this content; change the prompt or the image.",
    Reason.VALIDATION_ERROR: "replicate refuses a field of the request; change model, image or prompt.",
    Reason.GENERATION_FAILED: "The model failed to make the video; try again, or choose another model.",
    Reason.CANCELLED: "The video was cancelled.",
}
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
_REFUSED_UNSEEN = frozenset({400, 401, 402, 403, 404, 422, 429, 503})
"""What says that nothing was begun. Anything else may come from behind the place where videos are charged."""
_SERVER_ERROR = 500
_MAX_DELAY_SECONDS = 3600.0
_FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "first_frame_image": "image_url",
    "duration": "seconds",
    "resolution": "resolution",
    "version": "model",
}
"""Our names of what Replicate names."""
_BLOCKED = re.compile(r"nsfw|sensitive|moderat|flagged|safety|content policy|\bE005\b", re.IGNORECASE)
_TOO_SLOW = re.compile(r"time[d ]*out", re.IGNORECASE)
_RESET = re.compile(r"~(\d+)s")


def failure(reason: Reason, *, begun: bool = False, retry_after_seconds: float | None = None) -> MediaError:
    """Return the error for `reason`.

    Args:
        reason: What happened.
        begun: Whether the video may have been begun, and be charged.
        retry_after_seconds: Delay that Replicate asks for.
    """
    metadata = {"provider": PROVIDER}
    if begun:
        metadata[MAY_BE_CHARGED_KEY] = "true"
    return MediaError(reason, _MESSAGES[reason], metadata=metadata, retry_after_seconds=retry_after_seconds)


def refusal(status: int, headers: Mapping[str, str], body: object, *, begun: bool) -> MediaError:
    """Return the error for an answer that is no success.

    Args:
        status: Its HTTP status.
        headers: Its headers, read in any case.
        body: Its JSON; anything at all.
        begun: Whether the video had been begun before.
    """
    reason = _BY_STATUS.get(status, Reason.GENERATION_FAILED)
    if begun and status >= _SERVER_ERROR:
        # The video does not care that a question about it failed.
        reason = Reason.PROVIDER_UNAVAILABLE
    log.warning("replicate refused", status=status, reason=reason.name)
    if reason is Reason.VALIDATION_ERROR:
        return build_gone_error() if begun else _name_fields(status, body)
    return failure(
        reason, begun=begun or status not in _REFUSED_UNSEEN, retry_after_seconds=_retry_after(headers, body)
    )


def of_failed(status: str, error: object) -> MediaError:
    """Return the error for a video that ended without one.

    Args:
        status: failed, canceled or aborted.
        error: What Replicate says of it: free text, which may quote the prompt and goes nowhere.
    """
    if status == "canceled":
        return failure(Reason.CANCELLED, begun=True)
    if status == "aborted":
        # Its time was over before it began.
        return failure(Reason.PROVIDER_TIMEOUT)
    text = error if isinstance(error, str) else ""
    if _BLOCKED.search(text):
        return failure(Reason.CONTENT_BLOCKED, begun=True)
    return failure(Reason.PROVIDER_TIMEOUT if _TOO_SLOW.search(text) else Reason.GENERATION_FAILED, begun=True)


def build_gone_error() -> MediaError:
    """Return the error for a video that Replicate does not keep any more."""
    return MediaError(
        Reason.GENERATION_FAILED,
        "replicate no longer has this video; ask for it again.",
        metadata={"provider": PROVIDER, MAY_BE_CHARGED_KEY: "true"},
    )


def _name_fields(status: int, body: object) -> MediaError:
    """Return the error that names the fields which Replicate refuses."""
    if status == 404:  # noqa: PLR2004 - Not Found
        names = ["model"]
    else:
        fields: Any = body.get("invalid_fields") if isinstance(body, dict) else None
        given = (
            [str(item.get("field", "")) for item in fields if isinstance(item, dict)]
            if isinstance(fields, list)
            else []
        )
        names = [_FIELDS[name.rpartition(".")[2]] for name in given if name.rpartition(".")[2] in _FIELDS]
        detail = body.get("detail") if isinstance(body, dict) else None
        if not names and isinstance(detail, str) and "version" in detail.lower():
            names = ["model"]
    if not names:
        return failure(Reason.VALIDATION_ERROR)
    unknown = "must be a model that replicate knows and this account may use"
    violations = [FieldViolation(name, unknown if name == "model" else "is refused by replicate") for name in names]
    text = " ".join(f"{item.field}: {item.description}." for item in violations)
    return MediaError(Reason.VALIDATION_ERROR, text, violations=violations, metadata={"provider": PROVIDER})


def _retry_after(headers: Mapping[str, str], body: object) -> float | None:
    text = headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return min(_MAX_DELAY_SECONDS, float(text[:9]))
    if not isinstance(body, dict):
        return None
    seconds = body.get("retry_after")
    if isinstance(seconds, int | float) and seconds >= 0:
        return float(min(_MAX_DELAY_SECONDS, seconds))
    detail = body.get("detail")
    found = _RESET.search(detail) if isinstance(detail, str) else None
    return min(_MAX_DELAY_SECONDS, float(found.group(1)[:9])) if found else None
