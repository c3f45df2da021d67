"""The errors of the providers, and the delay that they ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.common.errors import CONCURRENCY, LIMIT_KEY, MAY_BE_CHARGED_KEY, Reason
from services.common.providers import MAX_RETRY_AFTER_SECONDS, ErrorBuilder, parse_retry_after

build_error = ErrorBuilder(
    "fake",
    {Reason.PROVIDER_BUSY: "fake is busy; retry.", Reason.GENERATION_FAILED: "fake failed; retry."},
    metadata={Reason.PROVIDER_BUSY: {LIMIT_KEY: CONCURRENCY}},
)


def test_an_error_has_the_message_and_the_metadata_of_its_reason() -> None:
    error = build_error(Reason.PROVIDER_BUSY, retry_after_seconds=7)
    assert (error.reason, error.message, error.retry_after_seconds) == (Reason.PROVIDER_BUSY, "fake is busy; retry.", 7)
    assert error.metadata == {"provider": "fake", LIMIT_KEY: CONCURRENCY}


def test_an_error_says_whether_work_may_be_charged() -> None:
    assert build_error(Reason.GENERATION_FAILED).metadata == {"provider": "fake"}
    assert build_error(Reason.GENERATION_FAILED, may_be_charged=True).metadata == {
        "provider": "fake",
        MAY_BE_CHARGED_KEY: "true",
    }


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"Retry-After-Ms": "250", "Retry-After": "7"}, 0.25),
        ({"Retry-After-Ms": "soon", "Retry-After": "7"}, 7.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "\u0663"}, None),
        ({"Retry-After": "9" * 5000}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "999999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_the_delay_of_a_response(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(CIMultiDict(headers)) == seconds


def test_the_delay_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert parse_retry_after({"Retry-After": date}) == pytest.approx(60, abs=5)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_header_gives_a_delay_in_range_or_none(seconds: str, milliseconds: str) -> None:
    delay_seconds = parse_retry_after({"Retry-After": seconds, "Retry-After-Ms": milliseconds})
    assert delay_seconds is None or 0 <= delay_seconds <= MAX_RETRY_AFTER_SECONDS
