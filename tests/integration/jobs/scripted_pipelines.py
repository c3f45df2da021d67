"""Test doubles of workers: a pipeline that a test scripts, a log of acknowledgements, a spy on subscriptions."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.jobs.jetstream import QUEUE, Streams
from services.jobs.job_type import JobType
from services.jobs.lease import Lease
from services.jobs.record import JobRecord


class ScriptedPipeline:
    """A pipeline of one kind of job that a test controls."""

    def __init__(self) -> None:
        self.taken: list[JobRecord] = []
        """Records at the start of each run, in order."""
        self.failures: deque[Exception] = deque()
        """Errors of the next attempts."""
        self.always: Exception | None = None
        """Error of every attempt."""
        self.limiter: asyncio.Event | None = None
        """Event that attempts wait for; None to run at once."""
        self.stopped: list[str] = []
        """Ids of jobs that were stopped while they waited for the event."""
        self.cancelled: list[JobRecord] = []
        """Records of jobs that were cancelled at the provider."""
        self.cancel_failures: deque[Exception] = deque()
        """Errors of the next cancels at the provider."""
        self.cancel_limiter: asyncio.Event | None = None
        """Event that cancels at the provider wait for; None to run at once."""
        self.most_at_once = 0
        self._at_once = 0

    @property
    def ids(self) -> list[str]:
        """Ids of the started jobs, in order."""
        return [record.job_id for record in self.taken]

    def to_job_type(self, **options: Any) -> JobType:
        """Return the job type, with short delays between attempts."""
        return JobType(self.run, self.cancel, **{"max_delay_seconds": 0.01, **options})

    async def run(self, lease: Lease) -> None:
        """Run one attempt."""
        self.taken.append(lease.record)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.limiter is not None:
                await self.limiter.wait()
        except asyncio.CancelledError:
            self.stopped.append(lease.record.job_id)
            raise
        finally:
            self._at_once -= 1
        await lease.report_progress("video", 40)
        failure = self.failures.popleft() if self.failures else self.always
        if failure is not None:
            raise failure

    async def cancel(self, record: JobRecord) -> None:
        """Cancel a job at the provider."""
        self.cancelled.append(record)
        if self.cancel_limiter is not None:
            await self.cancel_limiter.wait()
        if self.cancel_failures:
            raise self.cancel_failures.popleft()


class AckLog:
    """Acknowledgements that workers sent for queued messages, in order."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []

    def count(self, what: bytes) -> int:
        """Return the number of acknowledgements with a prefix."""
        return sum(entry.startswith(what) for entry in self.entries)

    @property
    def done(self) -> int:
        """Number of positive acknowledgements; an empty one counts."""
        return sum(entry in (b"", b"+ACK") for entry in self.entries)

    @property
    def delays_seconds(self) -> list[float]:
        """Delays of negative acknowledgements, in order."""
        found = (re.search(rb'"delay":\s*(\d+)', entry) for entry in self.entries)
        return [int(delay[1]) / 1e9 for delay in found if delay is not None]


class SubscriptionSpy:
    """A connection that records subscriptions, and that can lose all notifications."""

    def __init__(self, streams: Streams, *, lossy: bool = False) -> None:
        self._client = streams.client
        self._prefix = "nowhere." if lossy else ""
        self.subscriptions: list[Subscription] = []
        self.streams = replace(streams, client=cast(Client, self))

    async def subscribe(self, subject: str, **options: Any) -> Subscription:
        """Subscribe, and record it."""
        self.subscriptions.append(await self._client.subscribe(self._prefix + subject, **options))
        return self.subscriptions[-1]


@asynccontextmanager
async def record_acks(streams: Streams) -> AsyncIterator[AckLog]:
    """Record the acknowledgements of workers."""
    acks = AckLog()

    async def record(message: Msg) -> None:
        acks.entries.append(message.data)

    subscription = await streams.client.subscribe(f"$JS.ACK.{QUEUE}.>", cb=record)
    yield acks
    await subscription.unsubscribe()
