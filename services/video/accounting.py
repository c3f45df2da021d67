"""Writes down what each call took, whichever way it ends: for the caller's usage and for the operator's metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from services.common.rpc.outcome import record_outcome
from services.common.usage import UsageRecord, UsageRecorder
from services.video.metrics import VideoMetrics

SERVICE = "video"


class Account:
    """What becomes known of a call while it goes on."""

    def __init__(self) -> None:
        self.provider = ""


class Accounting:
    """Watches calls go by.

    Args:
        usage: Where records go; None for nowhere.
        metrics: What is counted for the operator.
        clock: Seconds that never go back.
    """

    def __init__(
        self, usage: UsageRecorder | None, metrics: VideoMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._usage = usage
        self._metrics = metrics
        self._clock = clock

    @contextmanager
    def watch(self, method: str, principal: str, characters: int = 0) -> Iterator[Account]:
        """Record the call that is made within the context when it ends.

        Args:
            method: Name of the RPC.
            principal: Who calls.
            characters: Code points of the prompt.
        """
        account = Account()

        def finish(outcome: str, seconds: float) -> None:
            self._metrics.call_ended(method, account.provider, outcome, seconds)
            if self._usage is not None:
                self._usage.record(_record(principal, characters, outcome, seconds))

        with record_outcome(finish, self._clock):
            yield account


def _record(principal: str, characters: int, outcome: str, seconds: float) -> UsageRecord:
    return UsageRecord(
        at=datetime.now(UTC),
        principal=principal,
        service=SERVICE,
        characters=characters,
        # Providers of videos do not tell what they charge.
        cost_units=None,
        cache_status="bypass",
        saved_cost_units=0,
        cached_characters=0,
        latency_seconds=seconds,
        outcome=outcome,
    )
