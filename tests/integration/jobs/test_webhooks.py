"""The end of a job is told to its webhook by a job of its own, which is in the queue before the first one leaves it."""

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
from services.jobs.webhooks.delivery import build_webhook_job_type
from services.jobs.webhooks.signing_secrets import SigningSecrets
from tests.fakes.waiting import until
from tests.fakes.web_host import WebHost, running_web_host
from tests.integration.jobs.conftest import QUOTA, SHORT_LEASE_SECONDS, Jobs
from tests.integration.jobs.scripted_pipelines import ScriptedPipeline

_SIGNED = ("id", "timestamp", "signature")


@dataclass
class Receiver:
    """A customer's web server."""

    host: WebHost
    fetcher: Fetcher
    statuses: deque[int] = field(default_factory=deque)
    """What is answered next; then 204."""
    webhooks: list[Webhook] = field(default_factory=list)
    """What came, in order."""

    @property
    def url(self) -> str:
        """Where webhooks go."""
        return self.host.url("/told")

    async def take(self, request: web.Request) -> web.Response:
        """Take a webhook."""
        webhook_id, sent_at, signature = (request.headers[f"webhook-{name}"] for name in _SIGNED)
        self.webhooks.append(Webhook(webhook_id, sent_at, signature, await request.read()))
        return web.Response(status=self.statuses.popleft() if self.statuses else 204)

    def work(self, jobs: Jobs) -> JobType:
        """Return what tells it, hardly waiting between attempts."""
        made = build_webhook_job_type(jobs.job_store, SigningSecrets(jobs.streams), self.fetcher)
        return replace(made, max_delay_seconds=0.01)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    options = FetchOptions(AddressPolicy.parse(["127.0.0.1"]), 5)
    async with running_web_host() as host, open_fetcher(options) as fetcher:
        made = Receiver(host, fetcher)
        host.pages["/told"] = made.take
        yield made


async def deliveries(jobs: Jobs, job_id: str) -> list[tuple[int, str]]:
    """Return what became of each attempt to tell of a job."""
    return [(sent["status"], sent["error"]) for sent in await jobs.job_store.list_deliveries(job_id, jobs.owner)]


async def telling_job(jobs: Jobs) -> JobRecord:
    """Return the one job that waits to tell of another."""
    assert await jobs.count_queued("webhook") == 1
    message = await jobs.streams.jetstream.get_last_msg("JOBS", jobs.build_subject("webhook"))
    return JobRecord.decode(message.data or b"")


async def test_the_end_of_a_job_is_told_signed_with_its_owners_secret(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        job_id = await jobs.submit(webhook_url=receiver.url, request_id="order-7")
        await until(lambda: len(receiver.webhooks) == 1)
        await jobs.wait_for_queued(0)
    (webhook,) = receiver.webhooks
    (secret,) = await SigningSecrets(jobs.streams).get(jobs.owner)
    verify(webhook, secret, time.time())
    assert webhook.webhook_id == job_id
    told = orjson.loads(webhook.body)
    assert told["type"] == "job.succeeded"
    assert told["data"] == {"id": job_id, "kind": "animate", "status": "succeeded", "requestId": "order-7"}
    assert await deliveries(jobs, job_id) == [(204, "")]


async def test_a_failure_is_told_with_its_reason(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = MediaError(Reason.CONTENT_BLOCKED, "Ask for something else.")
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 1)
    told = orjson.loads(receiver.webhooks[0].body)
    assert told["type"] == "job.failed"
    assert told["data"]["error"] == {
        "reason": "CONTENT_BLOCKED",
        "message": "Ask for something else.",
        "stage": "video",
    }


async def test_a_cancelled_job_is_told_of_as_well(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    job_id = await jobs.submit(webhook_url=receiver.url)
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        await until(lambda: len(receiver.webhooks) == 1)
    assert orjson.loads(receiver.webhooks[0].body)["type"] == "job.cancelled"


async def test_what_is_not_taken_is_sent_again_and_every_attempt_is_listed(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    receiver.statuses += [500, 302, 503]
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        job_id = await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 4)
        await jobs.wait_for_queued(0)
    assert await deliveries(jobs, job_id) == [(500, ""), (302, ""), (503, ""), (204, "")]
    assert len({(webhook.webhook_id, webhook.body) for webhook in receiver.webhooks}) == 1
    assert {path for _, path in receiver.host.requests} == {"/told"}


async def test_a_receiver_that_wants_nothing_more_is_left_alone(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    receiver.statuses.append(410)
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        job_id = await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 1)
        await jobs.wait_for_queued(0)
    assert await deliveries(jobs, job_id) == [(410, "")]


async def test_an_address_that_may_not_be_asked_is_not_asked(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        job_id = await jobs.submit(webhook_url="http://10.0.0.1/told")
        await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0)
    assert await deliveries(jobs, job_id) == [(0, "URL_FORBIDDEN")]
    assert receiver.host.requests == []


async def test_a_receiver_that_never_takes_it_is_given_up(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    receiver.statuses += [500] * 3
    work = replace(receiver.work(jobs), max_failures=3)
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": work}):
        job_id = await jobs.submit(webhook_url=receiver.url)
        await until(lambda: len(receiver.webhooks) == 3)
        await jobs.wait_for_queued(0)
    assert await deliveries(jobs, job_id) == [(500, "")] * 3
    assert (await jobs.get_record(job_id)).status is Status.SUCCEEDED


async def test_what_was_sent_for_one_job_is_not_listed_for_another(jobs: Jobs, receiver: Receiver) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type(), "webhook": receiver.work(jobs)}):
        told, silent = await jobs.submit(webhook_url=receiver.url), await jobs.submit()
        await asyncio.gather(jobs.wait_until_ended(told), jobs.wait_until_ended(silent))
        await jobs.wait_for_queued(0)
    assert (await deliveries(jobs, told), await deliveries(jobs, silent)) == ([(204, "")], [])


async def test_a_job_leaves_the_queue_when_the_one_that_tells_of_it_is_in(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        job_id = await jobs.submit(webhook_url="https://example.com/told")
        await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0, "animate")
    telling = await telling_job(jobs)
    assert telling.spec == {"jobId": job_id, "url": "https://example.com/told"}
    assert (telling.principal, telling.webhook_url) == (jobs.owner, "")


async def test_a_job_stays_in_the_queue_until_the_one_that_tells_of_it_is_in(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    queue = (await jobs.streams.jetstream.stream_info(QUEUE)).config
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, lease_seconds=SHORT_LEASE_SECONDS):
        job_id = await jobs.submit(webhook_url="https://example.com/told")
        # There is room for nothing else.
        await jobs.streams.jetstream.update_stream(queue.evolve(max_msgs=1))
        await jobs.wait_until_ended(job_id)
        assert (await jobs.count_queued("animate"), await jobs.count_queued("webhook")) == (1, 0)
        await jobs.streams.jetstream.update_stream(queue)
        await jobs.wait_for_queued(0, "animate")
    telling = await telling_job(jobs)
    assert telling.spec["jobId"] == job_id
    assert len(pipeline.taken) == 1


async def test_webhooks_that_nobody_takes_keep_no_job_of_their_owner_from_ending(jobs: Jobs) -> None:
    async with jobs.run_worker({"animate": ScriptedPipeline().to_job_type()}):
        for _ in range(2 * QUOTA):
            await jobs.wait_until_ended(await jobs.submit(webhook_url="https://example.com/told"))
            await jobs.wait_for_queued(0, "animate")
    assert await jobs.count_queued("webhook") == 2 * QUOTA


async def test_whoever_dies_before_the_message_is_done_with_does_not_tell_twice(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        job_id = await jobs.submit(webhook_url="https://example.com/told")
        record = await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0, "animate")
        await jobs.enqueue(record)
        await jobs.wait_for_queued(0, "animate")
    assert await jobs.count_queued("webhook") == 1
