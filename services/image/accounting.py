"""Record usage and metrics of each call, whether it succeeds, fails or is cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from services.common.metrics import record_outcome
from services.common.usage import UsageRecord, UsageRecorder
from services.image.generation import Generation
from services.image.metrics import ImageMetrics

SERVICE = "image"


class Account:
    """Facts that a call reports while it runs."""

    def __init__(self) -> None:
        self.generation: Generation | None = None

    def record_generation(self, generation: Generation) -> None:
        """Remember the generation, so that the call reports its cost."""
        self.generation = generation


class Accounting:
    """Records every call once, when it ends.

    Args:
        usage: Recorder of usage; None records metrics only.
        metrics: Metrics of the service.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, usage: UsageRecorder | None, metrics: ImageMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._usage = usage
        self._metrics = metrics
        self._clock = clock

    @contextmanager
    def watch(self, method: str, principal: str, characters: int) -> Iterator[Account]:
        """Record the call that runs within the context when the context ends.

        Args:
            method: Name of the RPC.
            principal: The caller.
            characters: Code points of the prompt.
        """
        account = Account()

        def finish(outcome: str, seconds: float) -> None:
            self._record_usage(method, principal, characters, account.generation, outcome, seconds)

        with record_outcome(finish, self._clock):
            yield account

    def _record_usage(
        self, method: str, principal: str, characters: int, generation: Generation | None, outcome: str, seconds: float
    ) -> None:
        status = generation.cache_status if generation is not None else "bypass"
        provider = generation.candidate.provider.name if generation is not None else ""
        cost = generation.cost_units if generation is not None else None
        shared = status in ("hit", "joined")
        self._metrics.record_call(method, provider, status, outcome, seconds)
        if self._usage is None:
            return
        self._usage.record(
            UsageRecord(
                at=datetime.now(UTC),
                principal=principal,
                service=SERVICE,
                characters=characters,
                cost_units=None if shared else cost,
                cache_status=status,
                saved_cost_units=(cost or 0) if shared else 0,
                cached_characters=characters if shared else 0,
                latency_seconds=seconds,
                outcome=outcome,
            )
        )
