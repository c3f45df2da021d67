"""Takes jobs from the queue: pulls, keeps the lease alive, runs, and settles, so that each job ends once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from prometheus_client import CollectorRegistry

from services.common.cancellation import is_cancelled, raise_if_cancelled
from services.common.errors import MediaError, Reason
from services.common.log import logger, request_id
from services.jobs.jetstream import CANCELS, QUEUE, RUN, UPDATES, Streams, open_pull_subscription
from services.jobs.job_store import JobStore, build_webhook_request_id
from services.jobs.job_type import JobType
from services.jobs.lease import Lease, LeaseLostError
from services.jobs.metrics import JobMetrics
from services.jobs.record import JobFailure, JobRecord, Status
from services.jobs.request import WEBHOOK, JobRequest
from services.jobs.retry_policy import RETRYABLE, build_failure, compute_delay_seconds, is_last_attempt

log = logger(__name__)

_FETCH_SECONDS = 2.0
"""Longest that one pull is open: one that is open when the server dies is never answered."""
_REQUEUE_DELAY_SECONDS = 0.5
"""Delay of a job that a stopping worker gives back: without one it could come to the same worker again."""
_UNREADABLE_SECONDS = 60.0
_MAX_LOST = 40
"""How often a job may be taken at all: one that takes its workers down with it ends here."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works."""

    name: str
    """What records call it."""
    max_jobs: int = 8
    """Most jobs at once in this process."""
    lease_seconds: float = 30.0
    """How long a job is ours without a sign of life."""


class Worker:
    """One process of the fleet.

    Args:
        streams: Where jobs live.
        job_store: Accepts webhooks, which are jobs, too.
        job_types: What each kind is done by.
        options: How it works.
        metrics: Counts what it does; None where nobody asks.
    """

    def __init__(
        self,
        streams: Streams,
        job_store: JobStore,
        job_types: Mapping[str, JobType],
        options: WorkerOptions,
        metrics: JobMetrics | None = None,
    ) -> None:
        self._streams = streams
        self._job_store = job_store
        self._job_types = job_types
        self._options = options
        self._running: dict[str, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(options.max_jobs)
        self._metrics = metrics or JobMetrics(CollectorRegistry())
        self._metrics.expose_running(lambda: self.running_jobs)

    @property
    def running_jobs(self) -> int:
        """How many jobs are done at the moment."""
        return len(self._running)

    async def run(self) -> None:
        """Work until it is cancelled; what it has not done then is given back."""
        cancels = await self._streams.client.subscribe(f"{UPDATES}.{CANCELS}.>", cb=self._handle_cancel)
        try:
            async with asyncio.TaskGroup() as kinds:
                for kind in self._job_types:
                    kinds.create_task(self._pull(kind))
        finally:
            with suppress(nats.errors.Error):
                await cancels.unsubscribe()

    async def _pull(self, kind: str) -> None:
        """Take jobs of one kind, one at a time, whenever there is a place."""
        subscription: JetStreamContext.PullSubscription | None = None
        own = self._job_types[kind].own_permits
        permits = asyncio.Semaphore(own) if own else self._free
        try:
            async with asyncio.TaskGroup() as jobs:
                while True:
                    # A pull that hears of nothing must not keep its place from other kinds.
                    async with permits:
                        raise_if_cancelled()
                    try:
                        subscription = subscription or await self._subscribe(kind)
                        message = (await subscription.fetch(1, timeout=_FETCH_SECONDS))[0]
                    except nats.errors.TimeoutError:
                        continue
                    except nats.errors.Error as error:
                        log.warning("jobs cannot be taken", kind=kind, error_type=type(error).__name__)
                        # What it was taken by may be gone, and is made again.
                        await _close_subscription(subscription)
                        subscription = None
                        await asyncio.sleep(_REQUEUE_DELAY_SECONDS)
                        continue
                    if permits.locked() or is_cancelled():
                        # Another kind was faster, or this worker stops: the job is for one that has a place.
                        await _give_back(message)
                        continue
                    await permits.acquire()
                    jobs.create_task(self._process_message(message, permits))
        finally:
            await _close_subscription(subscription)

    async def _subscribe(self, kind: str) -> JetStreamContext.PullSubscription:
        return await open_pull_subscription(
            self._streams.jetstream,
            QUEUE,
            api.ConsumerConfig(
                durable_name=f"worker-{kind}",
                filter_subject=f"{RUN}.{kind}.*",
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=self._options.lease_seconds,
                # The record counts attempts: a message that was delivered too often would stay in the queue for ever.
                max_deliver=-1,
                max_ack_pending=self._job_types[kind].max_running,
            ),
        )

    async def _process_message(self, message: Msg, permits: asyncio.Semaphore) -> None:
        try:
            record = JobRecord.decode(message.data)
        except (ValueError, TypeError, KeyError):
            permits.release()
            log.error("a message in the queue is no job", subject=message.subject, bytes=len(message.data))
            # Not thrown away: it may be from a newer version, whose workers can read it.
            with suppress(nats.errors.Error):
                await message.nak(delay=_UNREADABLE_SECONDS)
            return
        key = self._job_store.build_key(record.principal, record.job_id)
        request_id.set(record.job_id)
        alive = asyncio.create_task(self._extend_lease(message, key))
        try:
            await self._process_job(message, record)
        except asyncio.CancelledError:
            # This process stops: the job is another's, soon, but not this worker's own open pull's.
            await _give_back(message)
            with suppress(nats.errors.Error):
                await self._streams.client.flush()
            raise
        except LeaseLostError:
            self._metrics.count_lost_lease(record.kind)
            log.warning("another worker has this job", job=record.job_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, this worker goes on, and the lease runs out
            log.warning("a job is left to be taken again", job=record.job_id, error_type=type(error).__name__)
        finally:
            alive.cancel()
            permits.release()

    async def _extend_lease(self, message: Msg, key: str) -> None:
        """Keep the lease, and looks whether the job is still wanted: a wish to end may have gone unheard."""
        while True:
            with suppress(nats.errors.Error):
                await message.in_progress()
                task = self._running.get(key)
                if task is not None and await self._job_store.is_cancelled(key):
                    task.cancel()
            await asyncio.sleep(self._options.lease_seconds / 3)

    async def _handle_cancel(self, message: Msg) -> None:
        task = self._running.get(message.subject.removeprefix(f"{UPDATES}.{CANCELS}."))
        if task is not None:
            task.cancel()

    async def _process_job(self, message: Msg, record: JobRecord) -> None:
        lease = await self._job_store.open_lease(record)
        job_type = self._job_types[record.kind]
        if lease.record.status.is_final:
            await self._finish(lease, message)
            return
        if await self._job_store.is_cancelled(lease.key):
            await self._cancel_at_provider(lease, message, job_type)
            return
        if lease.record.attempt - lease.record.failed_attempts >= _MAX_LOST:
            lost = JobFailure(
                Reason.GENERATION_FAILED.name, "Its workers were lost again and again.", lease.record.stage
            )
            await self._give_up(lease, message, job_type, lost)
            return
        delivery = message.metadata.num_delivered
        if lease.record.status is Status.RUNNING and delivery < lease.record.delivery:
            # It came while this process stood still, and has been given to somebody else since.
            raise LeaseLostError
        await lease.write(lease.record.start_attempt(self._options.name, delivery))
        try:
            await self._run(lease, job_type)
        except asyncio.CancelledError:
            await self._handle_task_cancel(lease, message, job_type)
        except (LeaseLostError, nats.errors.Error):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end or be done again
            await self._handle_failure(lease, message, job_type, error)
        else:
            await self._end(lease, message, Status.SUCCEEDED)

    async def _run(self, lease: Lease, job_type: JobType) -> None:
        self._running[lease.key] = task = asyncio.ensure_future(job_type.pipeline(lease))
        try:
            # Somebody may have wished so before there was anything to cancel.
            if await self._job_store.is_cancelled(lease.key):
                task.cancel()
            # Lost over that question, a wish to stop would be heard of when the job is done.
            raise_if_cancelled()
            await task
        finally:
            task.cancel()
            # The job may have come to this worker a second time.
            if self._running.get(lease.key) is task:
                del self._running[lease.key]

    async def _handle_task_cancel(self, lease: Lease, message: Msg, job_type: JobType) -> None:
        if is_cancelled():
            raise asyncio.CancelledError
        # A write may have been cut short: what is true is in the record.
        again = await self._job_store.open_lease(lease.record)
        if again.record.worker == self._options.name and not again.record.status.is_final:
            await self._cancel_at_provider(again, message, job_type)

    async def _cancel_at_provider(self, lease: Lease, message: Msg, job_type: JobType) -> None:
        """Tell the provider, again and again if need be, but not for ever: then the job ends without that."""
        if (error := await self._try_cancel(lease.record, job_type)) is not None:
            failed = lease.record.failed_attempts + 1
            if error.reason in RETRYABLE and failed < job_type.max_failures:
                await lease.write(replace(lease.record, failed_attempts=failed))
                await message.nak(delay=compute_delay_seconds(job_type, failed, error))
                return
        await self._end(lease, message, Status.CANCELLED)

    async def _try_cancel(self, record: JobRecord, job_type: JobType) -> MediaError | None:
        """Tell providers that a job is not wanted any more; returns why they could not be told."""
        try:
            if job_type.cancel_at_provider is not None:
                await job_type.cancel_at_provider(record)
        except MediaError as error:
            log.warning("a job could not be called off", job=record.job_id, reason=error.reason.name)
            return error
        return None

    async def _handle_failure(self, lease: Lease, message: Msg, job_type: JobType, error: Exception) -> None:
        failure = build_failure(error, lease.record.stage)
        self._metrics.count_failure(lease.record.kind, failure.reason)
        log.warning(
            "an attempt failed",
            job=lease.record.job_id,
            kind=lease.record.kind,
            attempt=lease.record.attempt,
            reason=failure.reason,
            error_type=type(error).__name__,
        )
        failed = 1 + lease.record.failed_attempts
        if is_last_attempt(failure, lease.record, job_type):
            await self._give_up(lease, message, job_type, failure)
            return
        await lease.write(lease.record.end_attempt(Status.QUEUED, failure))
        await message.nak(delay=compute_delay_seconds(job_type, failed, error))

    async def _give_up(self, lease: Lease, message: Msg, job_type: JobType, failure: JobFailure) -> None:
        # What a provider still does for it is not waited for by anybody.
        await self._try_cancel(lease.record, job_type)
        await self._end(lease, message, Status.FAILED, failure)

    async def _end(self, lease: Lease, message: Msg, status: Status, failure: JobFailure | None = None) -> None:
        await lease.write(lease.record.end_attempt(status, failure))
        self._metrics.count_end(lease.record)
        log.info("a job ended", job=lease.record.job_id, kind=lease.record.kind, status=status.value)
        await self._finish(lease, message)

    async def _finish(self, lease: Lease, message: Msg) -> None:
        """Tell the webhook, and only then lets go of the message: who dies in between does both again."""
        record = lease.record
        if record.webhook_url:
            spec = {"jobId": record.job_id, "url": record.webhook_url}
            # Refused, it leaves the message where it is: the job is taken again, and does this again.
            await self._job_store.submit(
                JobRequest(WEBHOOK, spec, request_id=build_webhook_request_id(record.job_id)), record.principal
            )
        await message.ack_sync()


async def _give_back(message: Msg) -> None:
    with suppress(nats.errors.Error):
        await message.nak(delay=_REQUEUE_DELAY_SECONDS)


async def _close_subscription(subscription: JetStreamContext.PullSubscription | None) -> None:
    """Stop taking: a pull that stays open would swallow a job that nobody does."""
    if subscription is not None:
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()
