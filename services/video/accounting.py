"""Records each call when it ends: usage of the caller, and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from services.common.cache import CacheStatus
from services.common.metrics import record_outcome
from services.common.usage import UsageRecord, UsageRecorder
from services.video.metrics import VideoMetrics

SERVICE = "video"


class Account:
    """Facts about a call that become known while it runs."""

    def __init__(self) -> None:
        self.provider = ""
        self.cache_status: CacheStatus = "bypass"


class Accounting:
    """Records calls, however they end: with a result, an error or a cancellation.

    Args:
        usage: Receives usage records; None to record no usage.
        metrics: Receives the counts.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, usage: UsageRecorder | None, metrics: VideoMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._usage = usage
        self._metrics = metrics
        self._clock = clock

    @contextmanager
    def record_call(self, method: str, principal: str, characters: int = 0) -> Iterator[Account]:
        """Record the call that runs within the context when it ends.

        Args:
            method: Name of the RPC.
            principal: The caller.
            characters: Code points of the prompt.
        """
        account = Account()

        def finish(outcome: str, seconds: float) -> None:
            self._metrics.count_call(method, account.provider, outcome, seconds)
            if self._usage is not None:
                self._usage.record(_to_usage_record(principal, characters, account.cache_status, outcome, seconds))

        with record_outcome(finish, self._clock):
            yield account


def _to_usage_record(
    principal: str, characters: int, cache_status: CacheStatus, outcome: str, seconds: float
) -> UsageRecord:
    return UsageRecord(
        at=datetime.now(UTC),
        principal=principal,
        service=SERVICE,
        characters=characters,
        # Video providers do not report their charges.
        cost_units=None,
        cache_status=cache_status,
        saved_cost_units=0,
        cached_characters=characters if cache_status in ("hit", "joined") else 0,
        latency_seconds=seconds,
        outcome=outcome,
    )
