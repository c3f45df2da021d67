"""Reads what Replicate tells of a video; nothing in it is taken for granted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ENDED_BADLY = frozenset({"failed", "canceled", "aborted"})
"""States without a video that do not change any more. Replicate's own clients do not know of `aborted`."""
_SUCCEEDED = "succeeded"
_STARTING = "starting"
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?%")
_LOG_LETTERS = 2000
_TYPICAL_SECONDS = 60.0
_ALMOST = 95.0
_OUTPUT_DEPTH = 4
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is known of a video."""

    prediction_id: str
    """Its id; empty if Replicate told none that can be used."""
    status: str
    """starting, processing, succeeded, failed, canceled, aborted, or something new."""
    output_url: str
    """Where the video is; empty if it is not there."""
    percent: float | None
    """What the model says of its progress, 0 to 100; None if it says nothing."""
    error: object
    """What Replicate says went wrong."""
    is_removed: bool = False
    """Whether Replicate has removed what it made."""

    @property
    def is_done(self) -> bool:
        """Whether there is a video."""
        return self.status == _SUCCEEDED

    @property
    def is_queued(self) -> bool:
        """Whether the model has not begun."""
        return self.status == _STARTING


def parse_prediction(body: Mapping[str, Any]) -> Prediction:
    """Return what `body` tells."""
    prediction_id, status = body.get("id"), body.get("status")
    return Prediction(
        prediction_id=prediction_id if isinstance(prediction_id, str) and _ID.fullmatch(prediction_id) else "",
        status=status if isinstance(status, str) else "",
        output_url=_url_in(body.get("output")),
        percent=_percent_in(body.get("logs")),
        error=body.get("error"),
        is_removed=body.get("data_removed") is True,
    )


def estimate_percent(seconds: float) -> float:
    """Return the percentage that is usual after `seconds` of work; never complete."""
    return _ALMOST * (1 - math.exp(-seconds / _TYPICAL_SECONDS))


def parse_created_at(body: Mapping[str, Any]) -> datetime | None:
    """Return when a video was begun, if `body` tells."""
    text = body.get("created_at")
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def _url_in(output: object, depth: int = _OUTPUT_DEPTH) -> str:
    """Return the first address in an output, which each model shapes as it likes."""
    if not depth:
        return ""
    if isinstance(output, str):
        return output if output.startswith(("https://", "http://")) else ""
    items = output.values() if isinstance(output, dict) else output if isinstance(output, list) else ()
    return next((url for item in items if (url := _url_in(item, depth - 1))), "")


def _percent_in(logs: object) -> float | None:
    found = _PERCENT.findall(logs[-_LOG_LETTERS:]) if isinstance(logs, str) else []
    return min(100.0, float(found[-1])) if found else None
