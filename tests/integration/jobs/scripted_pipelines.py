"""Work that goes as a test says, and ears for what is told: of messages by workers, of jobs by the server."""

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
    """Does jobs of one kind."""

    def __init__(self) -> None:
        self.taken: list[JobRecord] = []
        """Records as they were when a job was begun, in order."""
        self.failures: deque[Exception] = deque()
        """What the next attempts fail with."""
        self.always: Exception | None = None
        """What every attempt fails with."""
        self.limiter: asyncio.Event | None = None
        """What attempts wait for, if they do."""
        self.stopped: list[str] = []
        """Ids of jobs that were stopped while they waited."""
        self.cancelled: list[JobRecord] = []
        """Records of jobs that were called off."""
        self.cancel_failures: deque[Exception] = deque()
        """What the next calls to call off fail with."""
        self.cancel_limiter: asyncio.Event | None = None
        """What calls to call off wait for, if they do."""
        self.most_at_once = 0
        self._at_once = 0

    @property
    def ids(self) -> list[str]:
        """Ids of the jobs that were begun, in order."""
        return [record.job_id for record in self.taken]

    def to_job_type(self, **options: Any) -> JobType:
        """Return the work, which hardly waits between attempts."""
        return JobType(self.run, self.cancel, **{"max_delay_seconds": 0.01, **options})

    async def run(self, lease: Lease) -> None:
        """Do a job."""
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
        """Take that a job is not wanted any more."""
        self.cancelled.append(record)
        if self.cancel_limiter is not None:
            await self.cancel_limiter.wait()
        if self.cancel_failures:
            raise self.cancel_failures.popleft()


class AckLog:
    """What workers have told the server of messages, in order."""

    def __init__(self) -> None:
        self.told: list[bytes] = []

    def count(self, what: bytes) -> int:
        """Return how often something that begins so was told."""
        return sum(told.startswith(what) for told in self.told)

    @property
    def done(self) -> int:
        """How many messages were done with; an answer of nothing says so, too."""
        return sum(told in (b"", b"+ACK") for told in self.told)

    @property
    def delays_seconds(self) -> list[float]:
        """After how long messages are to come again, in order."""
        found = (re.search(rb'"delay":\s*(\d+)', told) for told in self.told)
        return [int(delay[1]) / 1e9 for delay in found if delay is not None]


class SubscriptionSpy:
    """A connection that remembers what is listened to, and that may be deaf."""

    def __init__(self, streams: Streams, *, deaf: bool = False) -> None:
        self._client = streams.client
        self._prefix = "nowhere." if deaf else ""
        self.subscriptions: list[Subscription] = []
        self.streams = replace(streams, client=cast(Client, self))

    async def subscribe(self, subject: str, **options: Any) -> Subscription:
        """Listen."""
        self.subscriptions.append(await self._client.subscribe(self._prefix + subject, **options))
        return self.subscriptions[-1]


@asynccontextmanager
async def record_acks(streams: Streams) -> AsyncIterator[AckLog]:
    """Hear what workers tell of messages of the queue."""
    acks = AckLog()

    async def hear(message: Msg) -> None:
        acks.told.append(message.data)

    subscription = await streams.client.subscribe(f"$JS.ACK.{QUEUE}.>", cb=hear)
    yield acks
    await subscription.unsubscribe()
