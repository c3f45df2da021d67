"""Errors of Replicate: every response has a reason, and its text is not returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason
from services.video.providers.replicate.error_mapping import build_error, map_failed_prediction, map_response
from tests.conftest import LogLines
from tests.fakes.replicate import (
    BAD_VERSION,
    BROKEN,
    DOWN,
    NO_CREDIT,
    NOT_FOUND,
    THROTTLED_BY_BODY,
    THROTTLED_BY_HEADER,
    THROTTLED_BY_TEXT,
    UNAUTHENTICATED,
    Failure,
    build_field_error,
    build_problem,
)

SECRET = "the prompt of somebody, $4.20 left"


def map_failure(answer: Failure, *, work_started: bool = False) -> MediaError:
    return map_response(answer.status, CIMultiDict(answer.headers), answer.body, work_started=work_started)


def is_charged(error: MediaError) -> bool:
    return MAY_BE_CHARGED_KEY in error.metadata


def get_fields(error: MediaError) -> list[str]:
    return [item.field for item in error.violations]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (build_problem(400, "bad"), Reason.VALIDATION_ERROR),
        (UNAUTHENTICATED, Reason.PROVIDER_REJECTED_KEY),
        (NO_CREDIT, Reason.PROVIDER_QUOTA_EXCEEDED),
        (build_problem(403, "no"), Reason.PROVIDER_REJECTED_KEY),
        (NOT_FOUND, Reason.VALIDATION_ERROR),
        (build_problem(408, "slow"), Reason.PROVIDER_TIMEOUT),
        (BAD_VERSION, Reason.VALIDATION_ERROR),
        (THROTTLED_BY_TEXT, Reason.PROVIDER_BUSY),
        (Failure(502), Reason.PROVIDER_UNAVAILABLE),
        (DOWN, Reason.PROVIDER_UNAVAILABLE),
        (Failure(504), Reason.PROVIDER_TIMEOUT),
    ],
)
def test_an_error_response_has_a_reason(answer: Failure, reason: Reason) -> None:
    error = map_failure(answer)
    assert error.reason is reason
    assert error.metadata["provider"] == "replicate"


@pytest.mark.parametrize(
    "answer", [build_problem(400, "bad"), UNAUTHENTICATED, NO_CREDIT, NOT_FOUND, BAD_VERSION, THROTTLED_BY_BODY, DOWN]
)
def test_a_rejection_before_the_begin_costs_nothing(answer: Failure) -> None:
    assert not is_charged(map_failure(answer))


@pytest.mark.parametrize("answer", [BROKEN, Failure(418, "tea"), Failure(302), Failure(520)])
def test_an_unclear_status_may_come_after_the_begin(answer: Failure) -> None:
    error = map_failure(answer)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (BROKEN, Reason.GENERATION_FAILED),
        (Failure(502), Reason.PROVIDER_UNAVAILABLE),
        (Failure(504), Reason.PROVIDER_TIMEOUT),
        (build_problem(408, "slow"), Reason.PROVIDER_TIMEOUT),
    ],
)
def test_an_error_after_the_begin_may_be_charged(answer: Failure, reason: Reason) -> None:
    error = map_failure(answer)
    assert (error.reason, is_charged(error)) == (reason, True)


@pytest.mark.parametrize("answer", [BROKEN, Failure(502), DOWN, Failure(504), Failure(520), Failure(599)])
def test_a_failed_poll_does_not_fail_the_video(answer: Failure) -> None:
    error = map_failure(answer, work_started=True)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_UNAVAILABLE, True)


@pytest.mark.parametrize("answer", [UNAUTHENTICATED, NO_CREDIT, THROTTLED_BY_HEADER, DOWN, Failure(504), BROKEN])
def test_a_rejection_after_the_begin_may_be_charged(answer: Failure) -> None:
    assert is_charged(map_failure(answer, work_started=True))


@pytest.mark.parametrize("answer", [NOT_FOUND, BAD_VERSION, build_field_error("prompt"), build_problem(400, "bad")])
def test_a_deleted_prediction_is_not_a_validation_error(answer: Failure) -> None:
    error = map_failure(answer, work_started=True)
    assert (error.reason, is_charged(error), error.violations) == (Reason.GENERATION_FAILED, True, ())
    assert "no longer has this video" in error.message


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (build_field_error("input.first_frame_image", "prompt"), ["image_url", "prompt"]),
        (build_field_error("input.duration", "input.resolution"), ["seconds", "resolution"]),
        (build_field_error("version"), ["model"]),
        (build_field_error("input.something_new", "prompt"), ["prompt"]),
        (NOT_FOUND, ["model"]),
        (BAD_VERSION, ["model"]),
    ],
)
def test_rejected_fields_have_our_names(answer: Failure, fields: list[str]) -> None:
    error = map_failure(answer)
    assert (error.reason, get_fields(error)) == (Reason.VALIDATION_ERROR, fields)
    assert all(field in error.message for field in fields)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "no",
        {},
        {"invalid_fields": None},
        {"invalid_fields": "prompt"},
        {"invalid_fields": ["prompt", None, {}, {"field": 3}, {"field": "something_new"}]},
        {"detail": ["version"]},
        {"detail": "Input validation failed"},
    ],
)
def test_a_body_of_any_shape_is_an_error_without_fields(body: Any) -> None:
    error = map_failure(Failure(422, body))
    assert (error.reason, get_fields(error)) == (Reason.VALIDATION_ERROR, [])
    assert error.message


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        (THROTTLED_BY_HEADER.headers, THROTTLED_BY_HEADER.body, 7),
        (THROTTLED_BY_BODY.headers, THROTTLED_BY_BODY.body, 11),
        (THROTTLED_BY_TEXT.headers, THROTTLED_BY_TEXT.body, 30),
        ({"retry-after": "7"}, {"retry_after": 11, "detail": "resets in ~30s"}, 7),
        ({}, {"retry_after": 1.5, "detail": "resets in ~30s"}, 1.5),
        ({}, {"retry_after": "soon", "detail": "resets in ~30s"}, 30),
        ({}, {"retry_after": -1, "detail": "later"}, None),
        ({}, {"retry_after": 86_400}, 3600),
        ({}, {"retry_after": 1e300}, 3600),
        ({}, {"detail": "resets in ~86400s"}, 3600),
        ({}, {"detail": f"resets in ~{'9' * 5000}s"}, 3600),
        ({"Retry-After": "86400"}, None, 3600),
        ({"Retry-After": "9" * 5000}, None, 3600),
        ({"Retry-After": "3600"}, None, 3600),
        ({"Retry-After": "-1"}, None, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {"retry_after": 2}, 2),
        ({"Retry-After": "\u00b2"}, None, None),
        ({}, None, None),
        ({}, [], None),
    ],
)
def test_the_delay_is_read_from_header_body_or_text(
    headers: Mapping[str, str], body: Any, seconds: float | None
) -> None:
    error = map_failure(Failure(429, body, headers))
    assert (error.reason, error.retry_after_seconds) == (Reason.PROVIDER_BUSY, seconds)


@pytest.mark.parametrize(
    ("status", "error", "reason", "charged"),
    [
        ("canceled", None, Reason.CANCELLED, True),
        ("aborted", None, Reason.PROVIDER_TIMEOUT, False),
        ("aborted", "NSFW", Reason.PROVIDER_TIMEOUT, False),
        ("failed", None, Reason.GENERATION_FAILED, True),
        ("failed", "", Reason.GENERATION_FAILED, True),
        ("failed", {"odd": "NSFW"}, Reason.GENERATION_FAILED, True),
        ("failed", "CUDA out of memory", Reason.GENERATION_FAILED, True),
        ("failed", "NSFW content detected", Reason.CONTENT_BLOCKED, True),
        ("failed", "The input or output was flagged as sensitive. (E005)", Reason.CONTENT_BLOCKED, True),
        ("failed", "blocked by our content policy", Reason.CONTENT_BLOCKED, True),
        ("failed", "Prediction timed out", Reason.PROVIDER_TIMEOUT, True),
        ("failed", "upstream timeout", Reason.PROVIDER_TIMEOUT, True),
        ("succeeded", None, Reason.GENERATION_FAILED, True),
    ],
)
def test_a_failed_prediction_has_a_reason(status: str, error: object, reason: Reason, charged: bool) -> None:
    found = map_failed_prediction(status, error)
    assert (found.reason, is_charged(found)) == (reason, charged)


def test_no_text_of_replicate_is_returned_or_logged(log_lines: LogLines) -> None:
    body = {"title": SECRET, "detail": SECRET, "invalid_fields": [{"field": "prompt", "description": SECRET}]}
    errors = [
        map_response(status, {"X": SECRET}, body, work_started=False) for status in (400, 401, 402, 404, 422, 429, 500)
    ]
    errors += [map_failed_prediction("failed", SECRET), map_failed_prediction("failed", f"flagged: {SECRET}")]
    texts = [*(f"{error.message} {error.violations} {error.metadata}" for error in errors), str(log_lines())]
    assert not any("4.20" in text or "somebody" in text for text in texts)


def test_messages_say_what_to_do() -> None:
    assert "REPLICATE_API_TOKEN" in build_error(Reason.API_KEY_MISSING).message
    assert "REPLICATE_API_TOKEN" in map_failure(UNAUTHENTICATED).message
    assert "top it up" in map_failure(NO_CREDIT).message
