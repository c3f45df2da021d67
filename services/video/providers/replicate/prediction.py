"""Parses predictions and webhooks of Replicate; any field may be missing or malformed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.common.webhooks import Webhook, verify
from services.video.progress import ESTIMATE_CEILING_PERCENT

ENDED_BADLY = frozenset({"failed", "canceled", "aborted"})
"""Final states without a video. `aborted` is missing in Replicate's own clients."""
_SUCCEEDED = "succeeded"
_STARTING = "starting"
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?%")
_LOG_LETTERS = 2000
_TYPICAL_SECONDS = 60.0
_OUTPUT_DEPTH = 4
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction: one generation at Replicate."""

    prediction_id: str
    """Id; empty if it is missing or malformed."""
    status: str
    """starting, processing, succeeded, failed, canceled, aborted, or an unknown state."""
    output_url: str
    """URL of the video; empty until it exists."""
    percent: float | None
    """Progress from the model's log, 0 to 100; None if the log contains none."""
    error: object
    """Error text of Replicate."""
    is_removed: bool = False
    """Whether Replicate has deleted the output."""

    @property
    def is_done(self) -> bool:
        """Whether the prediction has succeeded."""
        return self.status == _SUCCEEDED

    @property
    def is_queued(self) -> bool:
        """Whether the model has not started."""
        return self.status == _STARTING


def parse_prediction(body: Mapping[str, Any]) -> Prediction:
    """Parse the JSON of a prediction."""
    prediction_id, status = body.get("id"), body.get("status")
    return Prediction(
        prediction_id=prediction_id if isinstance(prediction_id, str) and _ID.fullmatch(prediction_id) else "",
        status=status if isinstance(status, str) else "",
        output_url=_find_url(body.get("output")),
        percent=_find_percent(body.get("logs")),
        error=body.get("error"),
        is_removed=body.get("data_removed") is True,
    )


def parse_webhook(webhook: Webhook, secret: str, now_seconds: float) -> str:
    """Verify a webhook and return the prediction id in it; empty without one.

    Args:
        webhook: The webhook.
        secret: Signing secret: whsec_ and base64.
        now_seconds: Current time, in seconds since 1970.

    Raises:
        MediaError: PERMISSION_DENIED, the signature is wrong or too old.
    """
    verify(webhook, secret, now_seconds)
    try:
        found = orjson.loads(webhook.body)
    except orjson.JSONDecodeError:
        return ""
    prediction_id = found.get("id") if isinstance(found, dict) else None
    return prediction_id if isinstance(prediction_id, str) else ""


def estimate_percent(seconds: float) -> float:
    """Return the usual percentage after `seconds` of work; always below 100."""
    return ESTIMATE_CEILING_PERCENT * (1 - math.exp(-seconds / _TYPICAL_SECONDS))


def parse_created_at(body: Mapping[str, Any]) -> datetime | None:
    """Return the creation time in the JSON of a prediction; None if it is missing or malformed."""
    text = body.get("created_at")
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def _find_url(output: object, depth: int = _OUTPUT_DEPTH) -> str:
    """Return the first URL in an output; its shape depends on the model."""
    if not depth:
        return ""
    if isinstance(output, str):
        return output if output.startswith(("https://", "http://")) else ""
    items = output.values() if isinstance(output, dict) else output if isinstance(output, list) else ()
    return next((url for item in items if (url := _find_url(item, depth - 1))), "")


def _find_percent(logs: object) -> float | None:
    found = _PERCENT.findall(logs[-_LOG_LETTERS:]) if isinstance(logs, str) else []
    return min(100.0, float(found[-1])) if found else None
