"""Error responses of every shape, and the errors of the service for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.common.errors import CONCURRENCY, LIMIT_KEY, MediaError, Reason
from services.common.providers.http_client import decode_body
from services.tts.providers.elevenlabs.error_mapping import MAX_RETRY_AFTER_SECONDS, map_response
from tests.fakes.elevenlabs_answers import (
    Answer,
    build_field_errors,
    build_html_error,
    build_legacy_error,
    build_refusal,
    build_text_error,
)


def map_answer(answer: Answer) -> MediaError:
    return map_response(answer.status, CIMultiDict(answer.headers), decode_body(answer.body), work_started=False)


WORDS = [
    (404, "voice_not_found", Reason.VOICE_NOT_FOUND),
    (400, "voice_not_found", Reason.VOICE_NOT_FOUND),
    (401, "quota_exceeded", Reason.PROVIDER_QUOTA_EXCEEDED),
    (401, "invalid_api_key", Reason.PROVIDER_REJECTED_KEY),
    (401, "needs_authorization", Reason.PROVIDER_REJECTED_KEY),
    (401, "missing_permissions", Reason.PROVIDER_REJECTED_KEY),
    (403, "only_for_creator+", Reason.PROVIDER_REJECTED_KEY),
    (403, "subscription_required", Reason.PROVIDER_REJECTED_KEY),
    (400, "max_character_limit_exceeded", Reason.TEXT_TOO_LONG),
    (400, "model_not_found", Reason.VALIDATION_ERROR),
    (400, "invalid_voice_settings", Reason.VALIDATION_ERROR),
    (400, "invalid_parameters", Reason.VALIDATION_ERROR),
    (429, "too_many_concurrent_requests", Reason.PROVIDER_BUSY),
    (429, "concurrent_limit_exceeded", Reason.PROVIDER_BUSY),
    (429, "system_busy", Reason.PROVIDER_BUSY),
    (429, "rate_limit_exceeded", Reason.PROVIDER_BUSY),
    (402, "a_payment_word_we_do_not_know", Reason.PROVIDER_QUOTA_EXCEEDED),
    (403, "a_tier_we_do_not_know", Reason.PROVIDER_REJECTED_KEY),
    (404, "not_our_word", Reason.GENERATION_FAILED),
    (400, "not_our_word", Reason.GENERATION_FAILED),
    (500, "not_our_word", Reason.PROVIDER_UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "word", "reason"), WORDS)
@pytest.mark.parametrize("shape", [build_refusal, build_legacy_error])
def test_both_shapes_with_both_sets_of_codes_are_mapped(
    status: int, word: str, reason: Reason, shape: type[Answer]
) -> None:
    assert map_answer(shape(status, word)).reason is reason  # type: ignore[arg-type]  # a function that returns an Answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (build_field_errors(("body", "text")), Reason.VALIDATION_ERROR),
        (build_text_error(401), Reason.PROVIDER_REJECTED_KEY),
        (build_text_error(404, "Not Found"), Reason.GENERATION_FAILED),
        (build_text_error(429), Reason.PROVIDER_BUSY),
        (build_html_error(403), Reason.PROVIDER_UNAVAILABLE),
        (build_html_error(429), Reason.PROVIDER_BUSY),
        (build_html_error(502), Reason.PROVIDER_UNAVAILABLE),
        (Answer(401), Reason.PROVIDER_REJECTED_KEY),
        (Answer(401, b"null"), Reason.PROVIDER_REJECTED_KEY),
        (Answer(503), Reason.PROVIDER_UNAVAILABLE),
        (Answer(408), Reason.PROVIDER_TIMEOUT),
        (Answer(418, b"[]"), Reason.GENERATION_FAILED),
        (Answer(307), Reason.GENERATION_FAILED),
        (Answer(204), Reason.GENERATION_FAILED),
    ],
)
def test_other_shapes_are_mapped_by_status(answer: Answer, reason: Reason) -> None:
    assert map_answer(answer).reason is reason


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (build_field_errors(("body", "text")), ["text"]),
        (
            build_field_errors(("body", "voice_settings", "speed"), ("query", "output_format")),
            ["speed", "output_format"],
        ),
        (build_field_errors(("path", "voice_id")), ["voice"]),
        (build_field_errors(("body", "previous_request_ids", "0")), ["previous_request_ids"]),
        (build_field_errors(("body", "something_new")), []),
        (build_refusal(400, "invalid_voice_settings", param="voice_settings.stability"), ["stability"]),
        (build_refusal(400, "invalid_parameters", param="body.seed"), ["seed"]),
        (build_refusal(400, "invalid_parameters"), []),
        (build_refusal(404, "voice_not_found"), ["voice"]),
        (build_refusal(400, "model_not_found"), ["model_id"]),
        (build_refusal(400, "max_character_limit_exceeded"), ["text"]),
        (build_refusal(401, "invalid_api_key", param="text"), []),
    ],
)
def test_the_wrong_field_is_named_as_in_the_request_to_the_service(answer: Answer, fields: list[str]) -> None:
    error = map_answer(answer)
    assert [violation.field for violation in error.violations] == fields
    if error.reason is Reason.VALIDATION_ERROR:
        assert all(field in error.message for field in fields)


@pytest.mark.parametrize(
    "answer",
    [
        build_refusal(400, "SECRET code", param="SECRET param"),
        build_legacy_error(401, "quota_exceeded"),
        build_text_error(400),
        build_html_error(500),
        build_field_errors(("body", "SECRET")),
    ],
)
def test_no_text_of_the_response_is_in_the_error(answer: Answer) -> None:
    error = map_answer(answer)
    shown = [error.message, *map(repr, error.violations), *error.metadata.values()]
    assert not any("SECRET" in item for item in shown)


def test_a_known_code_is_in_the_metadata() -> None:
    expected = {"provider": "elevenlabs", "provider_status": "401", "provider_code": "quota_exceeded"}
    assert map_answer(build_legacy_error(401, "quota_exceeded")).metadata == expected


@pytest.mark.parametrize("word", ["too_many_concurrent_requests", "concurrent_limit_exceeded"])
def test_a_concurrency_limit_differs_from_a_rate_limit(word: str) -> None:
    assert map_answer(build_refusal(429, word)).metadata[LIMIT_KEY] == CONCURRENCY
    assert LIMIT_KEY not in map_answer(build_refusal(429, "rate_limit_exceeded")).metadata


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1.0),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After-Ms": "250", "Retry-After": "7"}, 0.25),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "-3"}, 1.0),
        ({"Retry-After": "nan"}, 1.0),
        ({"Retry-After": "999999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_the_retry_delay_of_a_busy_provider_is_in_the_error(headers: dict[str, str], seconds: float) -> None:
    assert map_answer(build_refusal(429, "system_busy", headers=headers)).retry_after_seconds == seconds


def test_a_retry_date_becomes_a_delay() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    retry_after_seconds = map_answer(
        build_refusal(429, "system_busy", headers={"Retry-After": date})
    ).retry_after_seconds
    assert retry_after_seconds == pytest.approx(60, abs=5)


def test_a_retry_delay_is_present_only_for_retryable_errors() -> None:
    headers = {"Retry-After": "7"}
    assert map_answer(Answer(503, headers=headers)).retry_after_seconds == 7
    assert map_answer(Answer(503)).retry_after_seconds is None
    assert map_answer(build_refusal(401, "invalid_api_key", headers=headers)).retry_after_seconds is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["detail", "code", "status", "param", "loc", "msg"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.integers(201, 599),
    JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20),
    st.text(max_size=30),
)
def test_any_response_is_mapped(status: int, body: bytes, retry_after: str) -> None:
    error = map_response(status, CIMultiDict({"retry-after": retry_after}), decode_body(body), work_started=False)
    assert error.message
    assert error.retry_after_seconds is None or 0 <= error.retry_after_seconds <= MAX_RETRY_AFTER_SECONDS
