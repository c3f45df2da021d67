"""Signed webhooks are accepted for a while; all others are denied."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.webhooks import PREFIX, TOLERANCE_SECONDS, Webhook, build_headers, new_secret, parse_secret, verify

SENT_AT = 1_800_000_000
BODY = b'{"type": "job.succeeded"}'
NEW, OLD, OTHER = (PREFIX + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
NO_SECRETS = (
    "",
    PREFIX,
    NEW.removeprefix(PREFIX),
    f"{NEW}=",
    f"{NEW}\n",
    NEW.replace("=", "!"),
    NEW[:-1],
    PREFIX + base64.b64encode(bytes(15)).decode(),
    PREFIX + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    PREFIX + "\u00e4" * 44,
)

in_bytes = st.binary(max_size=200)
moments = st.integers(0, 2**40)
secrets = st.binary(min_size=16, max_size=80).map(lambda key: PREFIX + base64.b64encode(key).decode())
# HMAC pads keys with zeros, so two keys of different lengths may be equal.
secrets_of_one_length = st.binary(min_size=32, max_size=32).map(lambda key: PREFIX + base64.b64encode(key).decode())
ids = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64)


def sign_webhook(
    *secrets: str, body: bytes = BODY, webhook_id: str = "f" * 32, sent_at_seconds: int = SENT_AT, **changes: Any
) -> Webhook:
    """Return a webhook that is signed with these secrets, and changed afterwards."""
    sent_headers = build_headers(webhook_id, sent_at_seconds, body, list(secrets))
    webhook = Webhook(
        sent_headers["webhook-id"], sent_headers["webhook-timestamp"], sent_headers["webhook-signature"], body
    )
    return replace(webhook, **changes)


def catch_denial(webhook: Webhook, secret: str = NEW, now_seconds: float = SENT_AT) -> str:
    """Return the message with which a webhook is denied."""
    with pytest.raises(MediaError) as caught:
        verify(webhook, secret, now_seconds)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert secret == "" or secret not in caught.value.message
    return caught.value.message


def is_accepted(webhook: Webhook, secret: str = NEW, now_seconds: float = SENT_AT) -> bool:
    """Return whether a webhook is accepted; any other error than a denial fails the test."""
    try:
        verify(webhook, secret, now_seconds)
    except MediaError as error:
        if error.reason is not Reason.PERMISSION_DENIED:
            raise
        return False
    return True


def test_the_vector_of_the_specification_is_signed_alike() -> None:
    # From the specification of standard-webhooks.
    body = b'{"test": 2432232314}'
    sent_headers = build_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )
    assert sent_headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(ids, moments, in_bytes, secrets, st.integers(-TOLERANCE_SECONDS, TOLERANCE_SECONDS))
def test_a_signed_webhook_is_accepted(webhook_id: str, at: int, body: bytes, secret: str, later: int) -> None:
    webhook = sign_webhook(secret, body=body, webhook_id=webhook_id, sent_at_seconds=at)
    assert is_accepted(webhook, secret, at + later)


@given(st.lists(secrets, min_size=1, max_size=4, unique=True), in_bytes, st.data())
def test_each_of_several_secrets_verifies(several: Sequence[str], body: bytes, data: st.DataObject) -> None:
    webhook = sign_webhook(*several, body=body)
    assert len(webhook.signature.split(" ")) == len(several)
    assert is_accepted(webhook, data.draw(st.sampled_from(several)))


@given(in_bytes, in_bytes)
@example(BODY, BODY + b" ")
@example(BODY, b"")
def test_another_body_is_denied(body: bytes, other: bytes) -> None:
    assert is_accepted(replace(sign_webhook(NEW, body=body), body=other)) is (body == other)


@given(ids, ids)
def test_another_id_is_denied(webhook_id: str, other: str) -> None:
    webhook = replace(sign_webhook(NEW, webhook_id=webhook_id), webhook_id=other)
    assert is_accepted(webhook) is (webhook_id == other)


@given(st.integers(-TOLERANCE_SECONDS, TOLERANCE_SECONDS))
def test_another_time_is_denied(later: int) -> None:
    assert is_accepted(sign_webhook(NEW, timestamp=str(SENT_AT + later))) is (later == 0)


@given(secrets_of_one_length, secrets_of_one_length)
def test_another_secret_is_denied(secret: str, other: str) -> None:
    assert is_accepted(sign_webhook(secret), other) is (secret == other)


@given(st.text())
@example("v1,")
@example("v1, v1,")
@example("v1a,AAAA")
@example("v1,\u00e4\u00f6")
def test_a_malformed_signature_is_denied(signature: str) -> None:
    assert "not signed" in catch_denial(sign_webhook(NEW, signature=signature))


def test_a_signature_of_another_version_is_ignored() -> None:
    signed = sign_webhook(NEW)
    assert "not signed" in catch_denial(replace(signed, signature=signed.signature.replace("v1,", "v2,")))
    assert "not signed" in catch_denial(replace(signed, signature=signed.signature.removeprefix("v1,")))
    assert is_accepted(replace(signed, signature=f"v2,AAAA {signed.signature} v1a,BBBB"))


def test_during_a_rotation_the_new_secret_signs_first_and_both_verify() -> None:
    webhook = sign_webhook(NEW, OLD)
    assert webhook.signature == f"{sign_webhook(NEW).signature} {sign_webhook(OLD).signature}"
    assert is_accepted(webhook, NEW)
    assert is_accepted(webhook, OLD)
    assert "not signed" in catch_denial(webhook, OTHER)
    assert "not signed" in catch_denial(sign_webhook(NEW), OLD)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, -0.5, 0, 0.5, TOLERANCE_SECONDS])
def test_clocks_may_differ_by_some_minutes(seconds: float) -> None:
    assert is_accepted(sign_webhook(NEW), NEW, SENT_AT + seconds)


@pytest.mark.parametrize("seconds", [-1e9, -TOLERANCE_SECONDS - 0.5, TOLERANCE_SECONDS + 0.5, 1e9])
def test_a_webhook_of_another_time_is_denied_although_it_is_signed(seconds: float) -> None:
    assert "too old" in catch_denial(sign_webhook(NEW), NEW, SENT_AT + seconds)


@pytest.mark.parametrize("timestamp", ["", "now", "-5", "1.5", " 1800000000", "1_800_000_000", "\u00b2", "0x10"])
def test_a_webhook_without_a_time_is_denied_although_it_is_signed(timestamp: str) -> None:
    assert "no valid time" in catch_denial(sign_by_hand(timestamp))


@pytest.mark.parametrize("secret", NO_SECRETS)
def test_without_a_usable_secret_every_webhook_is_denied(secret: str) -> None:
    assert parse_secret(secret) is None
    assert "not known" in catch_denial(sign_webhook(NEW), secret)
    # Not even a webhook that is signed with an empty key.
    assert "not known" in catch_denial(sign_by_hand(str(SENT_AT), key=b""), secret)


@pytest.mark.parametrize("secret", NO_SECRETS)
def test_a_malformed_secret_signs_nothing(secret: str) -> None:
    assert build_headers("id", SENT_AT, BODY, [secret])["webhook-signature"] == ""
    assert sign_webhook(secret, OLD).signature == sign_webhook(OLD).signature


@pytest.mark.parametrize("secret", [None, 7, NEW.encode(), [NEW]])
def test_a_secret_that_is_not_text_is_malformed(secret: object) -> None:
    assert parse_secret(secret) is None


def test_new_secrets_are_unique_and_long_enough() -> None:
    created = {new_secret() for _ in range(100)}
    assert len(created) == 100
    for secret in created:
        assert secret.startswith(PREFIX)
        assert len(parse_secret(secret) or b"") == 32


def test_the_headers_are_those_of_the_specification_and_hold_no_secret() -> None:
    sent_headers = build_headers("job-7", SENT_AT, BODY, [NEW, OLD])
    assert set(sent_headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert (sent_headers["webhook-id"], sent_headers["webhook-timestamp"]) == ("job-7", str(SENT_AT))
    for secret in (NEW, OLD):
        assert secret.removeprefix(PREFIX) not in "".join(sent_headers.values())


def sign_by_hand(timestamp: str, key: bytes | None = None) -> Webhook:
    """Return a webhook that is signed with NEW, or with a key, over any text in place of a time."""
    signing_key = parse_secret(NEW) if key is None else key
    assert signing_key is not None
    digest = hmac.new(signing_key, f"job-7.{timestamp}.".encode() + BODY, hashlib.sha256).digest()
    return Webhook("job-7", timestamp, f"v1,{base64.b64encode(digest).decode()}", BODY)
