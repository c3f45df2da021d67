"""Signatures of webhooks: forged and old webhooks are denied."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.common.webhooks import Webhook, parse_secret
from services.video.providers.replicate.prediction import parse_webhook
from tests.fakes.replicate import compute_signature

VECTOR = json.loads(
    (Path(__file__).parents[4] / "golden" / "replicate" / "webhook.verification_vector.json").read_text()
)
SECRET: str = VECTOR["secret"]
SENT_AT = float(VECTOR["headers"]["webhook-timestamp"])
GIVEN = Webhook(
    VECTOR["headers"]["webhook-id"],
    VECTOR["headers"]["webhook-timestamp"],
    VECTOR["headers"]["webhook-signature"],
    VECTOR["body"].encode(),
)
WRONG, RIGHT = GIVEN.signature.split()


def sign_webhook(body: bytes, **changes: Any) -> Webhook:
    webhook = replace(GIVEN, body=body, **changes)
    text = compute_signature(SECRET, webhook.webhook_id, webhook.timestamp, body)
    return replace(webhook, signature=f"v1,{text}")


def get_denial(webhook: Webhook, now_seconds: float = SENT_AT, secret: str = SECRET) -> MediaError:
    with pytest.raises(MediaError) as caught:
        parse_webhook(webhook, secret, now_seconds)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    return caught.value


def test_the_vector_of_the_official_client_is_accepted() -> None:
    assert VECTOR["valid"]
    assert parse_webhook(GIVEN, SECRET, SENT_AT) == "p1"


def test_the_fake_signs_as_replicate_does() -> None:
    assert sign_webhook(GIVEN.body).signature == RIGHT


@pytest.mark.parametrize("given", [f"{WRONG} {RIGHT}", f"{RIGHT} {WRONG}", f"v2,x {RIGHT}", f"  {RIGHT}  junk"])
def test_one_signature_of_several_is_enough(given: str) -> None:
    assert parse_webhook(replace(GIVEN, signature=given), SECRET, SENT_AT) == "p1"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "v1,",
        WRONG,
        f"{WRONG} {WRONG}",
        RIGHT.removeprefix("v1,"),
        RIGHT.replace("v1,", "v2,"),
        RIGHT.replace("v1,", "v1a,"),
        RIGHT[:-1],
        RIGHT.lower(),
        "v1,\u00e4\u00f6",
    ],
)
def test_a_wrong_signature_is_denied(given: str) -> None:
    assert "not signed" in get_denial(replace(GIVEN, signature=given)).message


@pytest.mark.parametrize(
    "webhook",
    [
        replace(GIVEN, webhook_id="msg_other"),
        replace(GIVEN, timestamp="1614265331"),
        replace(GIVEN, body=GIVEN.body + b" "),
        replace(GIVEN, body=GIVEN.body.replace(b"p1", b"p2")),
        replace(GIVEN, body=b""),
    ],
)
def test_a_changed_webhook_is_denied(webhook: Webhook) -> None:
    get_denial(webhook)


def test_a_signature_with_another_secret_is_denied() -> None:
    get_denial(GIVEN, secret="whsec_" + "QUJD" * 8)


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_clocks_may_differ_by_some_minutes(seconds: float) -> None:
    assert parse_webhook(GIVEN, SECRET, SENT_AT + seconds) == "p1"


@pytest.mark.parametrize("seconds", [-100_000, -301, 301, 100_000])
def test_a_webhook_of_another_time_is_denied(seconds: float) -> None:
    assert "too old" in get_denial(GIVEN, SENT_AT + seconds).message


@pytest.mark.parametrize("timestamp", ["", "now", "-1614265330", "1614265330.5", " 1614265330", "\u00b2"])
def test_a_webhook_without_a_time_is_denied_although_it_is_signed(timestamp: str) -> None:
    assert "no valid time" in get_denial(sign_webhook(GIVEN.body, timestamp=timestamp)).message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"p1"', b"null", b"{}", b'{"id": 7}', b'{"id": null}', b"\xff"])
def test_a_signed_webhook_without_an_id_is_empty(body: bytes) -> None:
    assert parse_webhook(sign_webhook(body), SECRET, SENT_AT) == ""


def test_the_key_is_what_follows_the_prefix() -> None:
    assert parse_secret(SECRET) == b"0123456789abcdef01234567"
    assert parse_secret(f"whsec_{base64.b64encode(bytes(16)).decode()}") == bytes(16)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        SECRET.upper(),
        f" {SECRET}",
        f"{SECRET}\n",
        f"{SECRET}!",
        SECRET[:-1],
        "whsec_" + "QUJD" * 5,
        "whsec_\u00e4\u00f6" + "QUJD" * 8,
        "\ud800",
    ],
)
def test_a_malformed_secret_denies_everything(secret: str) -> None:
    assert parse_secret(secret) is None
    # Not even a webhook signed with an empty key.
    empty = base64.b64encode(hmac.digest(b"", f"{GIVEN.webhook_id}.{GIVEN.timestamp}.".encode() + GIVEN.body, "sha256"))
    for webhook in (GIVEN, replace(GIVEN, signature=f"v1,{empty.decode()}")):
        assert "not known" in get_denial(webhook, secret=secret).message


@pytest.mark.parametrize("secret", [None, 7, ["whsec_"], {"key": SECRET}, SECRET.encode()])
def test_a_secret_that_is_not_text_is_malformed(secret: object) -> None:
    assert parse_secret(secret) is None


def test_neither_secret_nor_signature_is_in_the_error() -> None:
    message = get_denial(replace(GIVEN, signature=WRONG)).message
    assert SECRET not in message
    assert RIGHT not in message
