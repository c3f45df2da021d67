"""Maps failures of ElevenLabs to MediaError; the provider's own texts are not passed on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from services.common.errors import CONCURRENCY, LIMIT_KEY, FieldViolation, MediaError, Reason
from services.common.providers import ErrorBuilder, parse_retry_after
from services.tts.providers.elevenlabs.settings import PROVIDER

DEFAULT_RETRY_AFTER_SECONDS = 1.0
MAX_RETRY_AFTER_SECONDS = 300.0

_INVALID = 422
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_CALLERS_FAULT = frozenset({Reason.VALIDATION_ERROR, Reason.TEXT_TOO_LONG, Reason.VOICE_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The meaning of one error code or status."""

    reason: Reason
    message: str = ""
    field: str = ""
    """Field of the request to report if the response names none."""
    limit: str = ""
    """The limit that was reached, if the response names it."""


_REJECTED_KEY = _Meaning(
    Reason.PROVIDER_REJECTED_KEY, "ElevenLabs refuses the configured key; replace ELEVENLABS_API_KEY."
)
_LACKS_RIGHT = _Meaning(
    Reason.PROVIDER_REJECTED_KEY,
    "The configured ElevenLabs key lacks a permission; extend it, or replace ELEVENLABS_API_KEY.",
)
_LACKS_PLAN = _Meaning(
    Reason.PROVIDER_REJECTED_KEY,
    "The plan of the ElevenLabs account does not allow this; upgrade it, or choose another voice, model or format.",
)
_NO_CREDIT = _Meaning(
    Reason.PROVIDER_QUOTA_EXCEEDED, "The ElevenLabs account has no credit left; top it up, or use another provider."
)
_BUSY = _Meaning(Reason.PROVIDER_BUSY, "ElevenLabs limits the calls of this account; retry after the delay.")
_TOO_MANY_AT_ONCE = replace(_BUSY, limit=CONCURRENCY)
_NO_SUCH_VOICE = _Meaning(
    Reason.VOICE_NOT_FOUND, "ElevenLabs has no such voice for this account; GET /api/voices lists them.", "voice"
)
_WRONG_VALUE = _Meaning(Reason.VALIDATION_ERROR, "ElevenLabs rejects a value of the request; change it.")
_DOWN = _Meaning(
    Reason.PROVIDER_UNAVAILABLE, "ElevenLabs is down or unreachable; retry later, or check ELEVENLABS_BASE_URL."
)
_REFUSED = _Meaning(
    Reason.GENERATION_FAILED,
    "ElevenLabs rejected the request for an unknown reason; change it, or check ELEVENLABS_BASE_URL.",
)

# Codes of the current and of the legacy API, then the statuses, for codes not listed.
_MEANINGS: dict[str | int, _Meaning] = {
    "voice_not_found": _NO_SUCH_VOICE,
    "quota_exceeded": _NO_CREDIT,
    "invalid_api_key": _REJECTED_KEY,
    "needs_authorization": _REJECTED_KEY,
    "missing_permissions": _LACKS_RIGHT,
    "only_for_creator+": _LACKS_PLAN,
    "subscription_required": _LACKS_PLAN,
    "max_character_limit_exceeded": _Meaning(
        Reason.TEXT_TOO_LONG, "The text is too long for ElevenLabs; shorten it or choose another model.", "text"
    ),
    "model_not_found": _Meaning(Reason.VALIDATION_ERROR, "ElevenLabs has no such model; change model_id.", "model_id"),
    "invalid_voice_settings": _WRONG_VALUE,
    "invalid_parameters": _WRONG_VALUE,
    "too_many_concurrent_requests": _TOO_MANY_AT_ONCE,
    "concurrent_limit_exceeded": _TOO_MANY_AT_ONCE,
    "system_busy": _BUSY,
    "rate_limit_exceeded": _BUSY,
    401: _REJECTED_KEY,
    402: _NO_CREDIT,
    403: _LACKS_PLAN,
    408: _Meaning(Reason.PROVIDER_TIMEOUT),
    _INVALID: _WRONG_VALUE,
    _TOO_MANY_REQUESTS: _BUSY,
}

# Fields of our request, by the last word of the location in the response.
_OUR_FIELDS = {
    "voice_id": "voice",
    **{
        name: name
        for name in (
            "text",
            "model_id",
            "output_format",
            "language_code",
            "stability",
            "similarity_boost",
            "style",
            "speed",
            "use_speaker_boost",
            "seed",
            "previous_text",
            "next_text",
            "previous_request_ids",
            "next_request_ids",
            "apply_text_normalization",
        )
    },
}


build_error = ErrorBuilder(
    PROVIDER,
    {
        Reason.API_KEY_MISSING: "No ElevenLabs key is configured; set ELEVENLABS_API_KEY or use another provider.",
        Reason.PROVIDER_TIMEOUT: "ElevenLabs did not answer in time; retry.",
        Reason.PROVIDER_UNAVAILABLE: _DOWN.message,
        Reason.GENERATION_FAILED: (
            "ElevenLabs sent an incomplete or unusable response; try again, or check ELEVENLABS_BASE_URL."
        ),
    },
)
"""Builds the errors of calls without a usable response."""


def map_response(status: int, headers: Mapping[str, str], body: object, *, work_started: bool) -> MediaError:
    """Map a response outside 2xx to an error.

    Args:
        status: HTTP status.
        headers: Headers of the response; names are case-insensitive.
        body: Decoded JSON of any type; None if the body is not JSON, and so comes from a proxy.
        work_started: Not used: a refused request is not charged.
    """
    del work_started
    detail = body.get("detail") if isinstance(body, dict) else None
    code = _parse_code(detail)
    meaning = _find_meaning(code, status, detail, readable=body is not None)
    fields = (
        (_find_fields_at_fault(detail) or list(filter(None, [meaning.field])))
        if meaning.reason in _CALLERS_FAULT
        else []
    )
    message = meaning.message
    if meaning is _WRONG_VALUE and fields:
        message = f"ElevenLabs refuses the value of {', '.join(fields)}; change it."
    return MediaError(
        meaning.reason,
        message,
        violations=[FieldViolation(name, "is refused by ElevenLabs") for name in fields],
        retry_after_seconds=_find_retry_after(meaning.reason, headers),
        metadata={"provider": PROVIDER, "provider_status": str(status)}
        | ({"provider_code": code} if code else {})
        | ({LIMIT_KEY: meaning.limit} if meaning.limit else {}),
    )


def _find_meaning(code: str, status: int, detail: object, *, readable: bool) -> _Meaning:
    if code:
        return _MEANINGS[code]
    if status >= _SERVER_ERRORS or (not readable and status != _TOO_MANY_REQUESTS):
        return _DOWN
    return _MEANINGS.get(_INVALID if isinstance(detail, list) else status, _REFUSED)


def _parse_code(detail: object) -> str:
    """Return the known error code of the response; unknown codes could contain anything and are dropped."""
    words = (detail.get("code"), detail.get("status")) if isinstance(detail, dict) else ()
    return next((word for word in words if isinstance(word, str) and word in _MEANINGS), "")


def _find_fields_at_fault(detail: object) -> list[str]:
    return list(dict.fromkeys(field for place in _iterate_locations(detail) if (field := _to_request_field(place))))


def _iterate_locations(detail: object) -> Iterator[str]:
    if isinstance(detail, dict):
        yield str(detail.get("param") or "")
    elif isinstance(detail, list):
        for item in detail:
            place = item.get("loc") if isinstance(item, dict) else None
            yield ".".join(map(str, place)) if isinstance(place, list) else ""


def _to_request_field(place: str) -> str:
    return next((_OUR_FIELDS[word] for word in reversed(re.findall(r"[a-z_]+", place)) if word in _OUR_FIELDS), "")


def _find_retry_after(reason: Reason, headers: Mapping[str, str]) -> float | None:
    if not reason.info.retryable:
        return None
    delay_seconds = parse_retry_after(headers)
    if delay_seconds is None:
        return DEFAULT_RETRY_AFTER_SECONDS if reason is Reason.PROVIDER_BUSY else None
    return min(delay_seconds, MAX_RETRY_AFTER_SECONDS)
