"""Sign and verify webhooks by the scheme of standard-webhooks: base64 of HMAC-SHA256 over id, timestamp and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from services.common.errors import MediaError, Reason

PREFIX = "whsec_"
"""Prefix of every secret."""
TOLERANCE_SECONDS = 300
"""Largest difference between a timestamp and the clock of the receiver."""
_VERSION = "v1,"
_KEY_BYTES = 32
_LEAST_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Webhook:
    """A received webhook."""

    webhook_id: str
    timestamp: str
    """Seconds since 1970."""
    signature: str
    """Signatures, separated by spaces."""
    body: bytes


def new_secret() -> str:
    """Return a new random secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def parse_secret(secret: object) -> bytes | None:
    """Return the key in a secret such as whsec_MDEy...; None if the secret is malformed or too short."""
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        return None
    return key if len(key) >= _LEAST_KEY_BYTES else None


def build_headers(webhook_id: str, sent_at_seconds: int, body: bytes, signed_with: list[str]) -> Mapping[str, str]:
    """Return the headers for sending a webhook.

    Args:
        webhook_id: Id of the webhook, the same in every attempt.
        sent_at_seconds: Time of sending, in seconds since 1970.
        body: Body of the webhook.
        signed_with: Secrets, the newest first; during a rotation, the old and the new one both sign.
    """
    keys = [key for key in map(parse_secret, signed_with) if key is not None]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(sent_at_seconds),
        "webhook-signature": " ".join(
            _VERSION + _compute_signature(key, webhook_id, str(sent_at_seconds), body).decode() for key in keys
        ),
    }


def verify(webhook: Webhook, secret: str, now_seconds: float) -> None:
    """Check that a webhook was signed with a secret, and recently.

    Args:
        webhook: The webhook.
        secret: The secret that must have signed it.
        now_seconds: The current time, in seconds since 1970.

    Raises:
        MediaError: PERMISSION_DENIED; the signature is wrong or too old, or the secret is unusable.
    """
    key = parse_secret(secret)
    if key is None:
        raise _build_denied_error("The secret of this account is not known; no webhook can be verified.")
    expected = _compute_signature(key, webhook.webhook_id, webhook.timestamp, webhook.body)
    signatures = [
        item.removeprefix(_VERSION).encode() for item in webhook.signature.split() if item.startswith(_VERSION)
    ]
    if not any(hmac.compare_digest(expected, item) for item in signatures):
        raise _build_denied_error("The webhook is not signed with the secret of this account.")
    if not webhook.timestamp.isascii() or not webhook.timestamp.isdigit():
        raise _build_denied_error("The webhook has no valid time; send it again.")
    if abs(now_seconds - int(webhook.timestamp)) > TOLERANCE_SECONDS:
        raise _build_denied_error("The webhook is too old, or this machine's clock is wrong.")


def _compute_signature(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> bytes:
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _build_denied_error(message: str) -> MediaError:
    return MediaError(Reason.PERMISSION_DENIED, message)
