"""Pull jobs from the queue, run them under a lease, and acknowledge each one when it has ended."""

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
from services.common.log import describe_error, logger, request_id
from services.jobs.jetstream import CANCELS, QUEUE, RUN, UPDATES, Streams, open_pull_subscription
from services.jobs.job_store import JobStore, build_webhook_request_id
from services.jobs.job_type import JobType
from services.jobs.lease import Lease, LeaseLostError
from services.jobs.metrics import JobMetrics
from services.jobs.record import WEBHOOK, JobFailure, JobRecord, JobRequest, Status
from services.jobs.retry_policy import RETRYABLE, compute_delay_seconds, decide_retry

log = logger(__name__)

_FETCH_SECONDS = 2.0
"""Longest time that one pull stays open: a pull that is open when the server dies is never answered."""
_REQUEUE_DELAY_SECONDS = 0.5
"""Delay of a job that a stopping worker gives back: without it the open pull of the same worker could get it again."""
_UNREADABLE_SECONDS = 60.0
_MAX_LOST = 40
"""Attempts that may end without a failure: a job that crashes its workers must not go on for ever."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of a worker."""

    name: str
    """Name of the worker in records."""
    max_jobs: int = 8
    """Most jobs that run at once in this process."""
    lease_seconds: float = 30.0
    """Time after which the server gives a job to another worker, unless the lease is extended."""


class Worker:
    """Runs jobs of all kinds until the task of `run` is cancelled.

    Args:
        streams: Connection with the queue; the caller closes it.
        job_store: Reads records, and accepts the jobs that deliver webhooks.
        job_types: Pipeline and limits of each kind.
        options: Name, concurrency and lease.
        metrics: Counts what ends and fails here; None to count without a registry.
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
        """Number of jobs that run at the moment."""
        return len(self._running)

    async def run(self) -> None:
        """Run jobs until cancelled; unfinished jobs then return to the queue."""
        cancels = await self._streams.client.subscribe(f"{UPDATES}.{CANCELS}.>", cb=self._handle_cancel)
        try:
            async with asyncio.TaskGroup() as kinds:
                for kind in self._job_types:
                    kinds.create_task(self._pull(kind))
        finally:
            with suppress(nats.errors.Error):
                await cancels.unsubscribe()

    async def _pull(self, kind: str) -> None:
        """Pull jobs of one kind, one message at a time, while a permit is free."""
        subscription: JetStreamContext.PullSubscription | None = None
        own = self._job_types[kind].own_permits
        permits = asyncio.Semaphore(own) if own else self._free
        try:
            async with asyncio.TaskGroup() as jobs:
                while True:
                    # Wait for a permit, but do not hold it during the pull: a kind without jobs must not block others.
                    async with permits:
                        raise_if_cancelled()
                    try:
                        subscription = subscription or await self._subscribe(kind)
                        message = (await subscription.fetch(1, timeout=_FETCH_SECONDS))[0]
                    except nats.errors.TimeoutError:
                        continue
                    except nats.errors.Error as error:
                        log.warning("cannot pull jobs", kind=kind, error_type=type(error).__name__)
                        # The consumer may be gone: subscribe again.
                        await _close_subscription(subscription)
                        subscription = None
                        await asyncio.sleep(_REQUEUE_DELAY_SECONDS)
                        continue
                    if permits.locked() or is_cancelled():
                        # Another kind took the last permit, or this worker stops: another worker gets the job.
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
                # The record counts attempts. With a limit here, a message beyond it would stay in the queue for ever.
                max_deliver=-1,
                max_ack_pending=self._job_types[kind].max_running,
            ),
        )

    async def _process_message(self, message: Msg, permits: asyncio.Semaphore) -> None:
        try:
            record = JobRecord.decode(message.data)
        except (ValueError, TypeError, KeyError):
            permits.release()
            log.error("cannot read a message in the queue", subject=message.subject, bytes=len(message.data))
            # Keep it: a newer version may have written it, and its workers can read it.
            with suppress(nats.errors.Error):
                await message.nak(delay=_UNREADABLE_SECONDS)
            return
        key = self._job_store.build_key(record.principal, record.job_id)
        request_id.set(record.job_id)
        alive = asyncio.create_task(self._extend_lease(message, key))
        try:
            await self._process_job(message, record)
        except asyncio.CancelledError:
            # This process stops: give the job back with a delay, so that its own open pull does not get it.
            await _give_back(message)
            with suppress(nats.errors.Error):
                await self._streams.client.flush()
            raise
        except LeaseLostError:
            self._metrics.count_lost_lease(record.kind)
            log.warning("another worker has this job", job=record.job_id)
        except Exception as error:  # noqa: BLE001 - this worker must go on; the lease expires and the job is delivered again
            log.warning("leaving a job to be delivered again", job=record.job_id, **describe_error(error))
        finally:
            alive.cancel()
            permits.release()

    async def _extend_lease(self, message: Msg, key: str) -> None:
        """Extend the lease, and cancel the job if that was requested: the notification may be lost."""
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
                Reason.GENERATION_FAILED.name,
                "The workers of this job crashed too often; try another input.",
                lease.record.stage,
            )
            await self._give_up(lease, message, job_type, lost)
            return
        delivery = message.metadata.num_delivered
        if lease.record.status is Status.RUNNING and delivery < lease.record.delivery:
            # This process was suspended: the server has delivered the job to another worker since.
            raise LeaseLostError
        await lease.write(lease.record.start_attempt(self._options.name, delivery))
        try:
            await self._run(lease, job_type)
        except asyncio.CancelledError:
            await self._handle_task_cancel(lease, message, job_type)
        except (LeaseLostError, nats.errors.Error):
            raise
        except Exception as error:  # noqa: BLE001 - any error must end the job or lead to a retry
            await self._handle_failure(lease, message, job_type, error)
        else:
            await self._end(lease, message, Status.SUCCEEDED)

    async def _run(self, lease: Lease, job_type: JobType) -> None:
        self._running[lease.key] = task = asyncio.ensure_future(job_type.pipeline(lease))
        try:
            # The cancellation may have been requested before this task existed.
            if await self._job_store.is_cancelled(lease.key):
                task.cancel()
            # The read above may have swallowed the cancellation of this worker: check before the long wait.
            raise_if_cancelled()
            await task
        finally:
            task.cancel()
            # This worker may have received the job a second time.
            if self._running.get(lease.key) is task:
                del self._running[lease.key]

    async def _handle_task_cancel(self, lease: Lease, message: Msg, job_type: JobType) -> None:
        if is_cancelled():
            raise asyncio.CancelledError
        # The cancellation may have interrupted a write: read the record again.
        current = await self._job_store.open_lease(lease.record)
        if current.record.worker == self._options.name and not current.record.status.is_final:
            await self._cancel_at_provider(current, message, job_type)

    async def _cancel_at_provider(self, lease: Lease, message: Msg, job_type: JobType) -> None:
        """Cancel at the provider with a bounded number of retries, then end the job."""
        if (error := await self._try_cancel(lease.record, job_type)) is not None:
            failed = lease.record.failed_attempts + 1
            if error.reason in RETRYABLE and failed < job_type.max_failures:
                await lease.write(replace(lease.record, failed_attempts=failed))
                await message.nak(delay=compute_delay_seconds(job_type, failed, error))
                return
        await self._end(lease, message, Status.CANCELLED)

    async def _try_cancel(self, record: JobRecord, job_type: JobType) -> MediaError | None:
        """Cancel a job at its providers; return the error if that failed."""
        try:
            if job_type.cancel_at_provider is not None:
                await job_type.cancel_at_provider(record)
        except MediaError as error:
            log.warning("cannot cancel a job at its provider", job=record.job_id, reason=error.reason.name)
            return error
        return None

    async def _handle_failure(self, lease: Lease, message: Msg, job_type: JobType, error: Exception) -> None:
        decision = decide_retry(error, lease.record, job_type)
        self._metrics.count_failure(lease.record.kind, decision.failure.reason)
        log.warning(
            "an attempt failed",
            job=lease.record.job_id,
            kind=lease.record.kind,
            attempt=lease.record.attempt,
            reason=decision.failure.reason,
            **({} if isinstance(error, MediaError) else describe_error(error)),
        )
        if decision.delay_seconds is None:
            await self._give_up(lease, message, job_type, decision.failure)
            return
        await lease.write(lease.record.end_attempt(Status.QUEUED, decision.failure))
        await message.nak(delay=decision.delay_seconds)

    async def _give_up(self, lease: Lease, message: Msg, job_type: JobType, failure: JobFailure) -> None:
        # Stop provider work that no caller waits for any more.
        await self._try_cancel(lease.record, job_type)
        await self._end(lease, message, Status.FAILED, failure)

    async def _end(self, lease: Lease, message: Msg, status: Status, failure: JobFailure | None = None) -> None:
        await lease.write(lease.record.end_attempt(status, failure))
        self._metrics.count_end(lease.record)
        log.info("a job ended", job=lease.record.job_id, kind=lease.record.kind, status=status.value)
        await self._finish(lease, message)

    async def _finish(self, lease: Lease, message: Msg) -> None:
        """Submit the webhook job, then acknowledge; after a crash in between, the redelivery does both again."""
        record = lease.record
        if record.webhook_url:
            spec = {"jobId": record.job_id, "url": record.webhook_url}
            # If this fails, the message stays in the queue and its redelivery submits the webhook again.
            await self._job_store.submit(
                JobRequest(WEBHOOK, spec, request_id=build_webhook_request_id(record.job_id)), record.principal
            )
        await message.ack_sync()


async def _give_back(message: Msg) -> None:
    with suppress(nats.errors.Error):
        await message.nak(delay=_REQUEUE_DELAY_SECONDS)


async def _close_subscription(subscription: JetStreamContext.PullSubscription | None) -> None:
    """Unsubscribe: an open pull would receive a job that no worker runs."""
    if subscription is not None:
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()
