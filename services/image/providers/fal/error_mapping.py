"""Map errors of fal to reasons of the suite: one table by error type, one by HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.common.errors import CONCURRENCY, LIMIT_KEY, MediaError, Reason
from services.common.log import logger
from services.common.providers import ErrorBuilder, parse_retry_after
from services.image.providers.fal.settings import PROVIDER

log = logger(__name__)

build_error = ErrorBuilder(
    PROVIDER,
    {
        Reason.API_KEY_MISSING: "FAL_KEY is not set; set it, or choose another provider.",
        Reason.PROVIDER_REJECTED_KEY: "fal refuses FAL_KEY; replace the key or extend its permissions.",
        Reason.PROVIDER_QUOTA_EXCEEDED: "The fal account has no credit left; top it up or use another provider.",
        Reason.PROVIDER_BUSY: "fal has reached its limit of concurrent calls; retry later.",
        Reason.PROVIDER_UNAVAILABLE: "fal is down or unreachable; retry later.",
        Reason.PROVIDER_TIMEOUT: "fal did not return the image in time; retry.",
        Reason.CONTENT_BLOCKED: "fal's safety rules refuse this content; change the prompt.",
        Reason.VALIDATION_ERROR: "fal refuses a field of the request; change the prompt, the size or the image.",
        Reason.GENERATION_FAILED: "fal failed to generate the image; try again or use another provider.",
    },
    metadata={Reason.PROVIDER_BUSY: {LIMIT_KEY: CONCURRENCY}},
)
_BY_TYPE: Mapping[str, Reason] = {
    "content_policy_violation": Reason.CONTENT_BLOCKED,
    "request_timeout": Reason.PROVIDER_TIMEOUT,
    "startup_timeout": Reason.PROVIDER_UNAVAILABLE,
    "runner_scheduling_failure": Reason.PROVIDER_UNAVAILABLE,
    "runner_connection_timeout": Reason.PROVIDER_UNAVAILABLE,
    "runner_connection_refused": Reason.PROVIDER_UNAVAILABLE,
    "runner_connection_error": Reason.PROVIDER_UNAVAILABLE,
    "runner_disconnected": Reason.GENERATION_FAILED,
    "runner_incomplete_response": Reason.GENERATION_FAILED,
    "runner_server_error": Reason.GENERATION_FAILED,
    "internal_error": Reason.GENERATION_FAILED,
    "image_load_error": Reason.VALIDATION_ERROR,
    "image_too_large": Reason.VALIDATION_ERROR,
}
"""By the error type of fal, if the response has one (fal.ai error reference)."""
_BY_STATUS: Mapping[int, Reason] = {
    400: Reason.VALIDATION_ERROR,
    401: Reason.PROVIDER_REJECTED_KEY,
    402: Reason.PROVIDER_QUOTA_EXCEEDED,
    403: Reason.PROVIDER_REJECTED_KEY,
    404: Reason.GENERATION_FAILED,
    408: Reason.PROVIDER_TIMEOUT,
    413: Reason.VALIDATION_ERROR,
    422: Reason.VALIDATION_ERROR,
    429: Reason.PROVIDER_BUSY,
    502: Reason.PROVIDER_UNAVAILABLE,
    503: Reason.PROVIDER_UNAVAILABLE,
    504: Reason.PROVIDER_TIMEOUT,
}
_BALANCE = "balance"


def map_response(status: int, headers: Mapping[str, str], body: object, *, work_started: bool) -> MediaError:
    """Map an unsuccessful response to an error.

    Args:
        status: HTTP status.
        headers: Headers, with case-insensitive names.
        body: The JSON body, of any form.
        work_started: Whether fal may have started to generate.
    """
    kind = headers.get("X-Fal-Error-Type", "") or _find_error_type(body)
    reason = _BY_TYPE.get(kind) or _BY_STATUS.get(status, Reason.GENERATION_FAILED)
    if reason is Reason.PROVIDER_REJECTED_KEY and _is_about_balance(body):
        reason = Reason.PROVIDER_QUOTA_EXCEEDED
    log.warning("fal refused a call", status=status, kind=kind[:60], reason=reason.name)
    may_be_charged = work_started and reason not in (Reason.VALIDATION_ERROR, Reason.PROVIDER_BUSY)
    return build_error(reason, may_be_charged=may_be_charged, retry_after_seconds=parse_retry_after(headers))


def _find_error_type(body: object) -> str:
    if not isinstance(body, dict):
        return ""
    if isinstance(found := body.get("error_type"), str):
        return found
    detail: Any = body.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    kind = first.get("type") if isinstance(first, dict) else None
    return kind if isinstance(kind, str) else ""


def _is_about_balance(body: object) -> bool:
    detail = body.get("detail") if isinstance(body, dict) else None
    return isinstance(detail, str) and _BALANCE in detail.lower()
