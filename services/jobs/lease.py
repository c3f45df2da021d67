"""The right to advance one job: every write is compare-and-set, so that who was superseded cannot write or spend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from nats.js.errors import KeyWrongLastSequenceError

from services.common.cancellation import raise_if_cancelled
from services.jobs.jetstream import Streams
from services.jobs.record import JobRecord, now

Result = Mapping[str, Any]
"""What a step leaves, as JSON."""


class LeaseLostError(Exception):
    """Another worker has advanced this job: stop without a trace."""


class Lease:
    """A job, as this worker knows it.

    Args:
        streams: Where its record is.
        key: The record's key.
        record: The record.
        revision: Number of its last change.
    """

    def __init__(self, streams: Streams, key: str, record: JobRecord, revision: int) -> None:
        self._streams = streams
        self.key = key
        self.record = record
        self.revision = revision

    async def write(self, record: JobRecord) -> None:
        """Write the next record.

        Raises:
            LeaseLostError: Somebody else has written meanwhile.
            asyncio.CancelledError: It is written, and somebody wants the current task to end.
            nats.errors.Error: The server does not answer; what it holds is not known then.
        """
        changed = replace(record, updated_at=now())
        try:
            self.revision = await self._streams.state.update(self.key, changed.encode(), last=self.revision)
        except KeyWrongLastSequenceError:
            raise LeaseLostError from None
        self.record = changed
        # A wish to end the job, or this process, that comes with the server's answer must not be lost over it.
        raise_if_cancelled()

    async def report_progress(self, stage: str, percent: float) -> None:
        """Tell how far the job is; a percentage never goes back, and small changes are not worth a write."""
        percent = max(self.record.percent, min(99.0, percent))
        if stage != self.record.stage or percent >= self.record.percent + 1:
            await self.write(replace(self.record, stage=stage, percent=percent))

    async def begin_step(self, step: str, percent: float, stage: str = "") -> None:
        """Tell that a step begins, as a stage of its name or another; of one that is done nobody hears again."""
        if step not in self.record.steps:
            await self.report_progress(stage or step, percent)

    async def run_step(self, name: str, run: Callable[[], Awaitable[Result]], *, paid: bool = False) -> Result:
        """Return what `run` leaves, from the record if it was done before.

        Args:
            name: Name of the step, unique in the job.
            run: Does it. A paid one must lead to the same call if it is run again: its request carries the job's id.
            paid: Whether it costs money: that it is about to be done is written down before.
        """
        if name in self.record.steps:
            stored: Result = self.record.steps[name]
            return stored
        if paid:
            # Written each time: who was superseded learns so before he spends.
            others = (intent for intent in self.record.intents if intent != name)
            await self.write(replace(self.record, intents=(*others, name)))
        result = dict(await run())
        await self.save_result(name, result)
        return result

    async def save_result(self, name: str, result: Result) -> None:
        """Write down what a step has left: the job has got on, and what comes next is waited for again."""
        await self.write(replace(self.record, steps={**self.record.steps, name: dict(result)}, failing_since=""))
