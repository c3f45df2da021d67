"""Reads Replicate's webhooks, once they are known to be Replicate's."""

from __future__ import annotations

import orjson

from services.common.webhooks import Webhook, verify


def prediction_in(webhook: Webhook, secret: str, now_seconds: float) -> str:
    """Return the id of the video that a webhook tells of; empty if it tells none.

    Args:
        webhook: The webhook.
        secret: What it must be signed with: whsec_ and base64.
        now_seconds: The time, since 1970.

    Raises:
        MediaError: PERMISSION_DENIED, it is not signed so, or is too old to be believed.
    """
    verify(webhook, secret, now_seconds)
    try:
        found = orjson.loads(webhook.body)
    except orjson.JSONDecodeError:
        return ""
    prediction_id = found.get("id") if isinstance(found, dict) else None
    return prediction_id if isinstance(prediction_id, str) else ""
