"""Tests of webhooks: a job delivers each one, and is queued before the ended job leaves the queue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import orjson
import pytest
from aiohttp import web

from services.common.errors import MediaError, Reason
from services.common.fetch import Fetcher, FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.webhooks import Webhook, verify
from services.jobs.jetstream import QUEUE
from services.jobs.job_type import JobType
from services.jobs.record import JobRecord, Status
from services.jobs.webhooks import SigningSecrets, build_webhook_job_type
from tests.fakes.waiting import until
from tests.fakes.web_host import WebHost, run_web_host
from tests.integration.jobs.conftest import QUOTA, SHORT_LEASE_SECONDS, Jobs
from tests.integration.jobs.scripted_pipelines import ScriptedPipeline

_SIGNED = ("id", "timestamp", "signature")


@dataclass
class Receiver:
    """A web server of a caller."""

    host: WebHost
    fetcher: Fetcher
    statuses: deque[int] = field(default_factory=deque)
    """Next status codes; 204 after them."""
    webhooks: list[Webhook] = field(default_factory=list)
    """Received requests, in order."""

    @property
    def url(self) -> str:
        """URL of the server."""
        return self.host.url("/webhook")

    async def take(self, request: web.Request) -> web.Response:
        """Receive a webhook."""
        webhook_id, sent_at, signature = (request.headers[f"webhook-{name}"] for name in _SIGNED)
        self.webhooks.append(Webhook(webhook_id, sent_at, signature, await request.read()))
        return web.Response(status=self.statuses.popleft() if self.statuses else 204)

    def build_job_type(self, jobs: Jobs) -> JobType:
        """Return the job type of webhook jobs, with short delays."""
        job_type = build_webhook_job_type(jobs.job_store, SigningSecrets(jobs.streams), self.fetcher)
        return replace(job_type, max_delay_seconds=0.01)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    options = FetchOptions(AddressPolicy.parse(["127.0.0.1"]), 5)
    async with run_web_host() as host, open_fetcher(options) as fetcher:
        opened = Receiver(host, fetcher)
        host.pages["/webhook"] = opened.take
        yield opened


async def list_deliveries(jobs: Jobs, job_id: str) -> list[tuple[int, str]]:
    """Return the deliveries of a job."""
    return [(sent["status"], sent["error"]) for sent in await jobs.job_store.list_deliveries(job_id, jobs.owner)]


async def get_webhook_job(jobs: Jobs) -> JobRecord:
    """Return the one queued webhook job."""
    assert await jobs.count_queued("webhook") == 1
    message = await jobs.streams.jetstream.get_last_msg("JOBS", jobs.build_subject("webhook"))
    return JobRecord.decode(message.data or b"")


async def test_the_end_of_a_job_is_delivered_with_the_signature_of_its_owner(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        job_id = await jobs.submit(webhook_url=receiver.url, request_id="order-7")
        await until(lambda: len(receiver.webhooks) == 1)
        await jobs.wait_for_queued(0)
    (webhook,) = receiver.webhooks
    (secret,) = await SigningSecrets(jobs.streams).get(jobs.owner)
    verify(webhook, secret, time.time())
    assert webhook.webhook_id == job_id
    content = orjson.loads(webhook.body)
    assert content["type"] == "job.succeeded"
    assert content["data"] == {"id": job_id, "kind": "animate", "status": "succeeded", "requestId": "order-7"}
    assert await list_deliveries(jobs, job_id) == [(204, "")]


async def test_a_failure_is_delivered_with_its_reason(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = MediaError(Reason.CONTENT_BLOCKED, "Ask for something else.")
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 1)
    content = orjson.loads(receiver.webhooks[0].body)
    assert content["type"] == "job.failed"
    assert content["data"]["error"] == {
        "reason": "CONTENT_BLOCKED",
        "message": "Ask for something else.",
        "stage": "video",
    }


async def test_a_cancelled_job_is_delivered_too(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    job_id = await jobs.submit(webhook_url=receiver.url)
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        await until(lambda: len(receiver.webhooks) == 1)
    assert orjson.loads(receiver.webhooks[0].body)["type"] == "job.cancelled"


async def test_a_refused_delivery_is_retried_and_every_attempt_is_listed(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    receiver.statuses += [500, 302, 503]
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        job_id = await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 4)
        await jobs.wait_for_queued(0)
    assert await list_deliveries(jobs, job_id) == [(500, ""), (302, ""), (503, ""), (204, "")]
    assert len({(webhook.webhook_id, webhook.body) for webhook in receiver.webhooks}) == 1
    assert {path for _, path in receiver.host.requests} == {"/webhook"}


async def test_a_gone_receiver_is_not_retried(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    receiver.statuses.append(410)
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        job_id = await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 1)
        await jobs.wait_for_queued(0)
    assert await list_deliveries(jobs, job_id) == [(410, "")]


async def test_a_forbidden_address_gets_no_request(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        job_id = await jobs.submit(webhook_url="http://10.0.0.1/webhook")
        await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0)
    assert await list_deliveries(jobs, job_id) == [(0, "URL_FORBIDDEN")]
    assert receiver.host.requests == []


async def test_a_receiver_that_never_accepts_is_given_up(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    receiver.statuses += [500] * 3
    build_job_type = replace(receiver.build_job_type(jobs), max_failures=3)
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": build_job_type}):
        job_id = await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 3)
        await jobs.wait_for_queued(0)
    assert await list_deliveries(jobs, job_id) == [(500, "")] * 3
    assert (await jobs.get_record(job_id)).status is Status.SUCCEEDED


async def test_deliveries_of_another_job_are_not_listed(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.build_job_type(jobs)}):
        notified, silent = await jobs.submit(webhook_url=receiver.url), await jobs.submit()
        await asyncio.gather(jobs.wait_until_ended(notified), jobs.wait_until_ended(silent))
        await jobs.wait_for_queued(0)
    assert (await list_deliveries(jobs, notified), await list_deliveries(jobs, silent)) == ([(204, "")], [])


async def test_a_job_leaves_the_queue_after_its_webhook_job_is_queued(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        job_id = await jobs.submit(webhook_url="https://example.com/webhook")
        await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0, "animate")
    webhook_job = await get_webhook_job(jobs)
    assert webhook_job.spec == {"jobId": job_id, "url": "https://example.com/webhook"}
    assert (webhook_job.principal, webhook_job.webhook_url) == (jobs.owner, "")


async def test_a_job_stays_in_the_queue_until_its_webhook_job_is_queued(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    queue = (await jobs.streams.jetstream.stream_info(QUEUE)).config
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, lease_seconds=SHORT_LEASE_SECONDS):
        job_id = await jobs.submit(webhook_url="https://example.com/webhook")
        # The queue of webhooks is full.
        await jobs.streams.jetstream.update_stream(queue.evolve(max_msgs=1))
        await jobs.wait_until_ended(job_id)
        assert (await jobs.count_queued("animate"), await jobs.count_queued("webhook")) == (1, 0)
        await jobs.streams.jetstream.update_stream(queue)
        await jobs.wait_for_queued(0, "animate")
    webhook_job = await get_webhook_job(jobs)
    assert webhook_job.spec["jobId"] == job_id
    assert len(pipeline.taken) == 1


async def test_unaccepted_webhooks_do_not_block_jobs_of_their_owner(jobs: Jobs) -> None:
    async with jobs.run_worker({"animate": ScriptedPipeline().to_job_type()}):
        for _ in range(2 * QUOTA):
            await jobs.wait_until_ended(await jobs.submit(webhook_url="https://example.com/webhook"))
            await jobs.wait_for_queued(0, "animate")
    assert await jobs.count_queued("webhook") == 2 * QUOTA


async def test_a_crash_before_the_acknowledgement_does_not_deliver_twice(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        job_id = await jobs.submit(webhook_url="https://example.com/webhook")
        record = await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0, "animate")
        await jobs.enqueue(record)
        await jobs.wait_for_queued(0, "animate")
    assert await jobs.count_queued("webhook") == 1
