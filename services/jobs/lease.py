"""The lease of one job: compare-and-set writes, so a superseded worker can neither write nor pay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from nats.js.errors import KeyWrongLastSequenceError

from services.common.cancellation import raise_if_cancelled
from services.jobs.jetstream import Streams
from services.jobs.record import JobRecord, format_now

Result = Mapping[str, Any]
"""Result of a step, as JSON."""


class LeaseLostError(Exception):
    """Raised when another worker has written the record: stop without further writes."""


class Lease:
    """The right to write the record of one job, for one worker.

    Not for concurrent use: each write replaces the revision that the next one needs.

    Args:
        streams: Connection with the bucket of records.
        key: Key of the record.
        record: Latest known version of the record.
        revision: Revision of that version in the bucket.
    """

    def __init__(self, streams: Streams, key: str, record: JobRecord, revision: int) -> None:
        self._streams = streams
        self.key = key
        self.record = record
        self.revision = revision

    async def write(self, record: JobRecord) -> None:
        """Write the next version of the record.

        Raises:
            LeaseLostError: Another worker has written in the meantime.
            asyncio.CancelledError: The record is written, and the current task was cancelled.
            nats.errors.Error: The server does not answer; the record may or may not be written.
        """
        changed = replace(record, updated_at=format_now())
        try:
            self.revision = await self._streams.state.update(self.key, changed.encode(), last=self.revision)
        except KeyWrongLastSequenceError:
            raise LeaseLostError from None
        self.record = changed
        # The client library may swallow a cancellation that arrives together with the server's reply.
        raise_if_cancelled()

    async def report_progress(self, stage: str, percent: float) -> None:
        """Store the progress. The percentage never decreases; changes below one percent are not written."""
        percent = max(self.record.percent, min(99.0, percent))
        if stage != self.record.stage or percent >= self.record.percent + 1:
            await self.write(replace(self.record, stage=stage, percent=percent))

    async def begin_step(self, step: str, percent: float, stage: str = "") -> None:
        """Store that a step begins, under its name or `stage`; does nothing for a finished step."""
        if step not in self.record.steps:
            await self.report_progress(stage or step, percent)

    async def run_step(self, name: str, run: Callable[[], Awaitable[Result]], *, paid: bool = False) -> Result:
        """Return the result of a step: from the record if it is finished, otherwise from `run`.

        Args:
            name: Name of the step, unique in the job.
            run: Runs the step. A second run of a paid step must repeat the same call: its request carries the job id.
            paid: Whether the step costs money: the record then names the step before it runs.
        """
        if name in self.record.steps:
            stored: Result = self.record.steps[name]
            return stored
        if paid:
            # Write before every run, also a repeated one: a superseded worker fails here, before it pays.
            others = (intent for intent in self.record.intents if intent != name)
            await self.write(replace(self.record, intents=(*others, name)))
        result = dict(await run())
        await self.save_result(name, result)
        return result

    async def save_result(self, name: str, result: Result) -> None:
        """Store the result of a step. This also restarts the wait budget for the next step."""
        await self.write(replace(self.record, steps={**self.record.steps, name: dict(result)}, failing_since=""))
