"""Tests of the webhook receiver in docs/jobs.md: it accepts what the suite signed recently, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.common.webhooks import PREFIX, Webhook, build_headers, new_secret, verify
from tests.integration.jobs_examples.document import import_program

IsOurs = Callable[[Mapping[str, str], bytes, str], bool]

NEW, OLD, OTHER = new_secret(), new_secret(), new_secret()
BODY = b'{"type": "job.succeeded", "data": {"id": "\xc3\xa9"}}'
NONSENSE = ("", "now", "-5", "1.5", "1e9", " 7", "\u00b2", "\u0663", "9" * 5000, "\udcff")
"""Invalid timestamps; the last one is how frameworks represent a byte that is not UTF-8."""


@pytest.fixture(scope="module")
def is_ours(tmp_path_factory: pytest.TempPathFactory) -> IsOurs:
    found: IsOurs = import_program("is_ours", tmp_path_factory.mktemp("receiver")).is_ours
    return found


def make_headers(*secrets: str, seconds_ago: int = 0, body: bytes = BODY) -> dict[str, str]:
    """Return the headers of a webhook as the suite sends it."""
    return dict(build_headers("0123456789abcdef" * 2, int(time.time()) - seconds_ago, body, list(secrets)))


def sign_by_hand(timestamp: str) -> dict[str, str]:
    """Return the headers of a webhook that is signed with NEW, with any text as its timestamp."""
    key = base64.b64decode(NEW.removeprefix(PREFIX))
    digest = hmac.new(key, f"job-7.{timestamp}.".encode(errors="replace") + BODY, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": "job-7", "webhook-timestamp": timestamp, "webhook-signature": signature}


@given(st.binary(max_size=200))
def test_a_webhook_of_the_suite_verifies(is_ours: IsOurs, body: bytes) -> None:
    assert is_ours(make_headers(NEW, body=body), body, NEW)


def test_both_secrets_verify_during_a_rotation(is_ours: IsOurs) -> None:
    headers = make_headers(NEW, OLD)
    assert is_ours(headers, BODY, NEW)
    assert is_ours(headers, BODY, OLD)
    assert not is_ours(headers, BODY, OTHER)
    assert not is_ours(make_headers(NEW), BODY, OLD)


def test_header_names_are_case_insensitive(is_ours: IsOurs) -> None:
    headers = CIMultiDict({name.title(): value for name, value in make_headers(NEW).items()})
    assert is_ours(headers, BODY, NEW)


@pytest.mark.parametrize("seconds_ago", [290, 0, -290])
def test_a_recent_webhook_verifies(is_ours: IsOurs, seconds_ago: int) -> None:
    assert is_ours(make_headers(NEW, seconds_ago=seconds_ago), BODY, NEW)


@pytest.mark.parametrize("seconds_ago", [310, 86_400, -310, 1_700_000_000])
def test_a_signed_webhook_of_another_time_is_rejected(is_ours: IsOurs, seconds_ago: int) -> None:
    assert not is_ours(make_headers(NEW, seconds_ago=seconds_ago), BODY, NEW)


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY.replace(b"succeeded", b"failed"), b"\xff"])
def test_another_body_is_rejected(is_ours: IsOurs, body: bytes) -> None:
    assert not is_ours(make_headers(NEW), body, NEW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, *NONSENSE, "v1,", "v1, v1,", "v2,AAAA", "v1,\u00e4"])
def test_changed_or_missing_headers_are_rejected_without_an_exception(
    is_ours: IsOurs, name: str, value: str | None
) -> None:
    headers = {key: text for key, text in make_headers(NEW, OLD).items() if key != name}
    if value is not None:
        headers[name] = value
    assert is_ours(headers, BODY, NEW) is False


def test_a_changed_timestamp_is_rejected(is_ours: IsOurs) -> None:
    headers = make_headers(NEW, seconds_ago=310)
    assert not is_ours({**headers, "webhook-timestamp": str(int(time.time()))}, BODY, NEW)


@pytest.mark.parametrize("timestamp", [text for text in NONSENSE if len(text) < 10])
def test_a_signed_webhook_without_a_valid_time_is_rejected(is_ours: IsOurs, timestamp: str) -> None:
    assert is_ours(sign_by_hand(timestamp), BODY, NEW) is False


def test_empty_headers_are_rejected(is_ours: IsOurs) -> None:
    assert is_ours({}, b"", NEW) is False


@given(st.integers(-400, 400), st.sampled_from((NEW, OLD, OTHER)))
def test_the_example_and_the_suite_accept_the_same_webhooks(is_ours: IsOurs, seconds_ago: int, secret: str) -> None:
    if abs(abs(seconds_ago) - 300) < 5:
        return  # too near to the limit for two clocks that are read one after the other
    headers = make_headers(NEW, OLD, seconds_ago=seconds_ago)
    webhook = Webhook(headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"], BODY)
    assert is_ours(headers, BODY, secret) is is_accepted(webhook, secret)


def is_accepted(webhook: Webhook, secret: str) -> bool:
    """Return whether the suite itself accepts a webhook."""
    try:
        verify(webhook, secret, time.time())
    except Exception:  # noqa: BLE001 - whatever it says, it does not believe
        return False
    return True
