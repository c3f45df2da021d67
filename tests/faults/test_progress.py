"""Tests of watches and webhooks during failures: the client learns how the job ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from services.common.webhooks import Webhook, verify
from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.record import Status
from services.jobs.webhooks import SigningSecrets
from tests.fakes.replicate import FakeReplicate
from tests.fakes.waiting import eventually, until
from tests.fakes.web_host import WebHost, run_web_host
from tests.faults.conftest import ALICE, Jobs, make_pending_run
from tests.faults.suite_processes import SuiteProcesses

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def sink() -> AsyncIterator[WebHost]:
    async with run_web_host() as host:
        yield host


async def test_a_webhook_is_retried_until_accepted_and_signed_each_time(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate, sink: WebHost
) -> None:
    received: list[tuple[Webhook, float]] = []
    statuses = [503, 503, 200]

    async def receive(request: web.Request) -> web.Response:
        name, sent_at, signature = (request.headers[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
        webhook = Webhook(name, sent_at, signature, await request.read())
        received.append((webhook, float(webhook.timestamp)))
        return web.Response(status=statuses[len(received) - 1])

    sink.pages["/hook"] = receive
    job_id = await jobs.submit_animate(webhook_url=sink.url("/hook"))
    assert (await jobs.wait_until_ended(job_id)).status is Status.SUCCEEDED
    await until(lambda: len(received) == 3)
    async with open_streams(StreamOptions((suite.nats_url,)), "test") as streams:
        (secret,) = await SigningSecrets(streams).get(ALICE)
    for webhook, now in received:
        verify(webhook, secret, now)
        assert webhook.webhook_id == job_id
        payload = orjson.loads(webhook.body)
        assert (payload["type"], payload["data"]["id"]) == ("job.succeeded", job_id)

    async def list_all_deliveries() -> list[Any] | None:
        sent = [item["status"] for item in await jobs.job_store.list_deliveries(job_id, ALICE)]
        return sent if len(sent) == len(statuses) else None

    assert await eventually(list_all_deliveries) == statuses


async def test_events_continue_after_their_id_when_the_gateway_was_killed(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    await suite.start("jobs")
    await suite.start("image", "gateway")
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_animate()
    url, alice = f"{suite.gateway_url}/api/jobs/{job_id}/events", {"X-Media-Principal": ALICE}
    async with aiohttp.ClientSession(headers=alice) as http:
        async with http.get(url) as response:
            last_event = await _read_event(response)
            await suite.restart("gateway")
            last_event = await _read_last_event(response, last_event)
        await replicate.until(lambda: replicate.created == 1)
        replicate.move("p1", "succeeded")
        async with http.get(url, headers={"Last-Event-ID": last_event["id"]}) as response:
            event = await _read_event(response)
            while event["event"] != "end":
                assert int(event["id"]) > int(last_event["id"])
                event = await _read_event(response)
    assert orjson.loads(event["data"])["status"] == "succeeded"


async def _read_last_event(response: aiohttp.ClientResponse, event: dict[str, str]) -> dict[str, str]:
    """Return the last event before a stream breaks; `event` if there is none."""
    with suppress(aiohttp.ClientPayloadError):
        while True:
            event = await _read_event(response)
    return event


async def _read_event(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the next event, without comments."""
    fields: dict[str, str] = {}
    while "data" not in fields:
        line = (await response.content.readline()).decode()
        assert line, "the stream ended"
        name, colon, value = line.rstrip("\n").partition(": ")
        if colon and name:
            fields[name] = value
    return fields
