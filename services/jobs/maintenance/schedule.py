"""Run maintenance sweeps that the NATS server schedules: one at a time, on one worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from services.common.cancellation import raise_if_cancelled
from services.common.log import describe_error, logger
from services.jobs.jetstream import DUE, MAINTENANCE, SCHEDULED, Streams, open_pull_subscription

log = logger(__name__)

SWEEP = "round"
"""Name of the sweep in subjects."""
_FETCH_SECONDS = 30.0
_AGAIN_SECONDS = 5.0
_FAILED_SECONDS = 60.0
"""Delay before a failed sweep runs again."""


class Schedule:
    """Runs sweeps when they are due.

    Args:
        streams: Connection with the schedule.
        sweep: Called for each due sweep; must be idempotent and safe beside another sweep.
        every_seconds: Time between two sweeps, at least 1. The last worker to start decides for all.
        lease_seconds: Time after which another worker gets the sweep, unless the lease is extended.
    """

    def __init__(
        self, streams: Streams, sweep: Callable[[], Awaitable[None]], every_seconds: int, lease_seconds: float
    ) -> None:
        self._streams = streams
        self._sweep = sweep
        self._spec = f"@every {every_seconds}s"
        self._lease_seconds = lease_seconds

    async def run(self) -> None:
        """Run due sweeps until cancelled."""
        subscription: JetStreamContext.PullSubscription | None = None
        while True:
            raise_if_cancelled()
            try:
                subscription = subscription or await self._subscribe()
                message = (await subscription.fetch(1, timeout=_FETCH_SECONDS))[0]
            except nats.errors.TimeoutError:
                continue
            except nats.errors.Error as error:
                log.warning("cannot pull maintenance sweeps", error_type=type(error).__name__)
                # The consumer may be gone: subscribe again.
                subscription = None
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            await self._run_sweep(message)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        await self._ensure_schedule()
        return await open_pull_subscription(
            self._streams.jetstream,
            MAINTENANCE,
            api.ConsumerConfig(
                durable_name=f"upkeep-{SWEEP}",
                filter_subject=f"{DUE}.{SWEEP}",
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=self._lease_seconds,
                max_deliver=-1,
                max_ack_pending=1,
            ),
        )

    async def _ensure_schedule(self) -> None:
        """Write the schedule unless it exists: writing it again would restart the interval."""
        subject = f"{SCHEDULED}.{SWEEP}"
        with suppress(NotFoundError):
            found = await self._streams.jetstream.get_last_msg(MAINTENANCE, subject)
            if (found.headers or {}).get(api.Header.SCHEDULE) == self._spec:
                return
        headers = {api.Header.SCHEDULE.value: self._spec, api.Header.SCHEDULE_TARGET.value: f"{DUE}.{SWEEP}"}
        await self._streams.jetstream.publish(subject, b"", headers=headers)

    async def _run_sweep(self, message: Msg) -> None:
        alive = asyncio.create_task(self._extend_lease(message))
        try:
            await self._sweep()
        except Exception as error:  # noqa: BLE001 - a failed sweep must not end the worker; it runs again
            log.warning("a maintenance sweep failed", **describe_error(error))
            with suppress(nats.errors.Error):
                await message.nak(delay=_FAILED_SECONDS)
        else:
            with suppress(nats.errors.Error):
                await message.ack()
        finally:
            alive.cancel()

    async def _extend_lease(self, message: Msg) -> None:
        while True:
            with suppress(nats.errors.Error):
                await message.in_progress()
            await asyncio.sleep(self._lease_seconds / 3)
