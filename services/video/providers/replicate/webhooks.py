"""Verifies webhooks by the scheme of standard-webhooks, which Replicate uses."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import orjson

from services.common.errors import MediaError, Reason

_TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"
_VERSION = "v1,"
_LEAST_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it came."""

    webhook_id: str
    timestamp: str
    """Seconds since 1970."""
    signature: str
    """Signatures with spaces between them."""
    body: bytes


def prediction_in(webhook: Webhook, secret: str, now_seconds: float) -> str:
    """Returns the id of the film that a webhook tells of.

    Args:
        webhook: The webhook.
        secret: What it must be signed with: whsec_ and base64.
        now_seconds: The time, since 1970.

    Raises:
        MediaError: PERMISSION_DENIED, it is not signed so, or is too old to be believed.
    """
    key = key_in(secret)
    if key is None:
        raise _denied("The secret of this account is not known, so that no webhook can be believed.")
    signed = f"{webhook.webhook_id}.{webhook.timestamp}.".encode() + webhook.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = [item.removeprefix(_VERSION).encode() for item in webhook.signature.split() if item.startswith(_VERSION)]
    if not any(hmac.compare_digest(expected, item) for item in given):
        raise _denied("The webhook is not signed with the secret of this account.")
    if not webhook.timestamp.isascii() or not webhook.timestamp.isdigit():
        raise _denied("The webhook does not tell when it was sent.")
    if abs(now_seconds - int(webhook.timestamp)) > _TOLERANCE_SECONDS:
        raise _denied("The webhook is too old, or this machine's clock is wrong.")
    try:
        found = orjson.loads(webhook.body)
    except orjson.JSONDecodeError:
        return ""
    prediction_id = found.get("id") if isinstance(found, dict) else None
    return prediction_id if isinstance(prediction_id, str) else ""


def key_in(secret: object) -> bytes | None:
    """Returns the key in a secret such as whsec_MDEy...; None if there is none that keeps a secret."""
    if not isinstance(secret, str) or not secret.startswith(_PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return None
    return key if len(key) >= _LEAST_KEY_BYTES else None


def _denied(message: str) -> MediaError:
    return MediaError(Reason.PERMISSION_DENIED, message)
