"""Tests of the events of a job: form, heartbeats, resume after a disconnect, and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from media.jobs.v1 import jobs_pb2
from yarl import URL

from gateway.envoy.settings import EdgeSettings
from gateway.errors import handle_errors
from gateway.http_server import run_http
from gateway.routes.jobs import HEARTBEAT_SECONDS, JobRoutes
from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS
from services.common.storage import RouteLinks
from services.common.storage.signed_urls import UrlSigner
from tests.fakes.jobs import JOB_ID, FakeJobService, make_failed_job, make_job, make_succeeded_job, serve_jobs
from tests.fakes.waiting import until

PATH = f"/api/jobs/{JOB_ID}/events"
LINKS = RouteLinks(UrlSigner(b"secret"), "", 60)
ALICE = {"X-Media-Principal": "alice"}
RUNNING = make_job(jobs_pb2.JOB_STATUS_RUNNING, 2, stage="video", percent=1.0)
DONE = make_succeeded_job(3, video="https://example.com/video.mp4")


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    name: str
    event_id: str
    data: Any


def parse_events(text: str) -> list[Event]:
    """Parse a stream of events as browsers do, without comments and blocks that have no data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            found.append(Event(fields["event"], fields["id"], orjson.loads(fields["data"])))
    return found


@asynccontextmanager
async def run_with_heartbeats(jobs: FakeJobService, seconds: float) -> AsyncIterator[aiohttp.ClientSession]:
    """Run the job routes with a heartbeat every `seconds`, and yield a session with their base URL."""
    async with serve_jobs(jobs) as service:
        app = web.Application(middlewares=[handle_errors])
        app.router.add_routes(
            JobRoutes(service.channel, LINKS, DEFAULT_CALL_LIMITS, heartbeat_seconds=seconds).build_routes()
        )
        async with (
            run_http(app, "127.0.0.1", 0, grace_seconds=1) as http,
            aiohttp.ClientSession(f"http://127.0.0.1:{http.port}") as session,
        ):
            yield session


async def test_every_change_is_an_event_with_its_id_and_the_end_is_last(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    jobs.watch_steps = (make_job(), RUNNING, DONE)
    async with jobs_http.get(PATH, headers=ALICE) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
        events = parse_events(await answer.text())
    assert [(event.name, event.event_id) for event in events] == [("job", "1"), ("job", "2"), ("end", "3")]
    assert [event.data["status"] for event in events] == [
        "queued",
        "running",
        "succeeded",
    ]
    assert events[-1].data["result"]["video"]["url"] == "https://example.com/video.mp4"
    assert jobs.calls[0].principal == "alice"


async def test_the_stream_has_the_form_of_server_sent_events(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    jobs.watch_steps = (make_failed_job("CONTENT_BLOCKED", "No.\n\ndata: {}\r\rid: 99", 7),)
    async with jobs_http.get(PATH, headers={"X-Request-Id": "order-1"}) as answer:
        assert answer.headers["X-Request-Id"] == "order-1"
        head, event, rest = (await answer.text()).split("\n\n")
    assert (head, rest) == ("retry: 1000", "")
    identity, name, data = event.split("\n")
    assert (identity, name, data[:7]) == ("id: 7", "event: end", "data: {")
    assert "\r" not in event
    assert orjson.loads(data[6:])["error"]["message"] == "No.\n\ndata: {}\r\rid: 99"


@pytest.mark.parametrize(
    "last",
    [DONE, make_failed_job("INTERNAL"), make_job(jobs_pb2.JOB_STATUS_CANCELLED, 3)],
    ids=["succeeded", "failed", "cancelled"],
)
async def test_every_final_status_is_sent_as_the_end_event(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, last: jobs_pb2.Job
) -> None:
    jobs.watch_steps = (last,)
    async with jobs_http.get(PATH) as answer:
        (event,) = parse_events(await answer.text())
    assert (event.name, event.event_id) == ("end", "3")


async def test_a_repeated_unchanged_job_is_no_event(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (make_job(), RUNNING, RUNNING, DONE)
    async with jobs_http.get(PATH) as answer:
        text = await answer.text()
    assert [event.event_id for event in parse_events(text)] == ["1", "2", "3"]
    assert text.count(": still here") == 1


async def test_an_event_is_sent_when_it_happens(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    goes_on = asyncio.Event()
    jobs.watch_steps = (make_job(), goes_on, DONE)
    async with jobs_http.get(PATH) as answer:
        head = await answer.content.readuntil(b"\n\n") + await answer.content.readuntil(b"\n\n")
        assert [event.name for event in parse_events(head.decode())] == ["job"]
        assert jobs.watching.now == 1
        goes_on.set()
        assert [event.name for event in parse_events((await answer.content.read()).decode())] == ["end"]


@pytest.mark.parametrize(
    ("last_event_id", "expected"), [("", ["1", "2", "3"]), ("0", ["1", "2", "3"]), ("1", ["2", "3"])]
)
async def test_a_client_that_reconnects_gets_the_later_events(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, last_event_id: str, expected: list[str]
) -> None:
    jobs.watch_steps = (make_job(), RUNNING, DONE)
    async with jobs_http.get(PATH, headers={"Last-Event-ID": last_event_id}) as answer:
        assert [event.event_id for event in parse_events(await answer.text())] == expected
    assert jobs.requests("WatchJob") == [jobs_pb2.WatchJobRequest(id=JOB_ID, after_revision=int(last_event_id or 0))]


async def test_a_client_with_the_last_event_gets_204(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (make_job(), RUNNING, DONE)
    async with jobs_http.get(PATH, headers={"Last-Event-ID": "3"}) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_largest_id_that_fits_is_passed_on(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    async with jobs_http.get(PATH, headers={"Last-Event-ID": "9" * 19}) as answer:
        assert answer.status in (200, 204)
    assert jobs.requests("WatchJob")[0].after_revision == int("9" * 19)


@pytest.mark.parametrize("nonsense", ["x", "-1", "1.5", "1 2", "0x10", "1e3", "9" * 20, "9" * 5000, "\u00b2", "\u0663"])
async def test_an_invalid_last_event_id_is_refused_by_name(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, nonsense: str
) -> None:
    async with jobs_http.get(PATH, headers={"Last-Event-ID": nonsense}) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (400, "VALIDATION_ERROR")
    assert [item["field"] for item in error["details"]] == ["Last-Event-ID"]
    assert jobs.calls == []


async def test_comments_are_sent_while_the_job_does_not_change(jobs: FakeJobService) -> None:
    goes_on = asyncio.Event()
    jobs.watch_steps = (make_job(), goes_on, DONE)
    async with run_with_heartbeats(jobs, 0.01) as http, http.get(PATH) as answer:
        # On a slow machine, heartbeats come before the first event, too.
        while not (await answer.content.readuntil(b"\n\n")).startswith(b"id: 1\n"):
            pass
        assert [await answer.content.readuntil(b"\n\n") for _ in range(2)] == [b": still here\n\n"] * 2
        goes_on.set()
        rest = (await answer.content.read()).decode()
    # The event after the heartbeats is not lost, and `end` is the last.
    assert [event.name for event in parse_events(rest)] == ["end"]
    assert rest.split("\n\n")[-2].startswith("id: 3\n")


async def test_a_job_without_an_early_event_begins_with_a_comment(jobs: FakeJobService) -> None:
    goes_on = asyncio.Event()
    jobs.watch_steps = (goes_on, DONE)
    async with run_with_heartbeats(jobs, 0.01) as http, http.get(PATH) as answer:
        assert await answer.content.readuntil(b"\n\n") == b"retry: 1000\n\n"
        assert await answer.content.readuntil(b"\n\n") == b": still here\n\n"
        goes_on.set()
        assert [event.name for event in parse_events((await answer.content.read()).decode())] == ["end"]


def test_heartbeats_are_shorter_than_the_idle_timeout_of_the_edge() -> None:
    cut_after = EdgeSettings.model_fields["stream_idle_timeout_seconds"].default
    assert 0 < HEARTBEAT_SECONDS < cut_after / 2


@pytest.mark.parametrize("beginning", [(), (make_job(),)], ids=["before the first event", "between two events"])
async def test_a_disconnect_ends_the_watch(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, beginning: tuple[jobs_pb2.Job, ...]
) -> None:
    jobs.watch_steps = (*beginning, asyncio.Event())
    listening = asyncio.create_task(_read_events(jobs_http))
    await jobs.watching.wait_for(1)
    listening.cancel()
    await jobs.watching.wait_for(0)
    assert [call.method for call in jobs.calls] == ["WatchJob"]


async def test_a_disconnect_between_two_comments_ends_the_watch(jobs: FakeJobService) -> None:
    jobs.watch_steps = (make_job(), asyncio.Event())
    async with run_with_heartbeats(jobs, 0.01) as http:
        async with http.get(PATH) as answer:
            for _ in range(4):
                await answer.content.readuntil(b"\n\n")
            answer.close()
        await jobs.watching.wait_for(0)
    assert [call.method for call in jobs.calls] == ["WatchJob"]


@pytest.mark.parametrize("reason", [Reason.JOB_NOT_FOUND, Reason.PERMISSION_DENIED, Reason.UNAVAILABLE])
async def test_an_error_before_the_first_event_has_its_status(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, reason: Reason
) -> None:
    # Twice, because the channel retries UNAVAILABLE once.
    jobs.failures["WatchJob"] += [MediaError(reason, "No."), MediaError(reason, "No.")]
    async with jobs_http.get(PATH) as answer:
        assert (answer.status, answer.content_type) == (reason.info.http_status, "application/json")
        error = (await answer.json())["error"]
    assert (error["code"], error["message"]) == (reason.name, "No.")
    assert jobs.watching.now == 0


async def test_an_invalid_job_id_is_named(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    async with jobs_http.get("/api/jobs/7/events") as answer:
        error = (await answer.json())["error"]
        assert (answer.status, [item["field"] for item in error["details"]]) == (400, ["id"])
    assert jobs.calls == []


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.INTERNAL])
async def test_an_error_between_two_events_cuts_the_stream_and_a_reconnect_misses_no_event(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, reason: Reason
) -> None:
    breaks = asyncio.Event()
    jobs.watch_steps = (make_job(), RUNNING, breaks, MediaError(reason))
    async with jobs_http.get(PATH) as answer:
        head = b"".join([await answer.content.readuntil(b"\n\n") for _ in range(3)])
        breaks.set()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
    events = parse_events(head.decode())
    jobs.watch_steps = (make_job(), RUNNING, DONE)
    async with jobs_http.get(PATH, headers={"Last-Event-ID": events[-1].event_id}) as answer:
        events += parse_events(await answer.text())
    assert [event.event_id for event in events] == ["1", "2", "3"]
    assert events[-1].name == "end"


async def test_listeners_are_independent(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    goes_on = asyncio.Event()
    jobs.watch_steps = (make_job(), goes_on, DONE)
    listening = [asyncio.create_task(_read_events(jobs_http)) for _ in range(5)]
    await jobs.watching.wait_for(5)
    goes_on.set()
    for text in await asyncio.gather(*listening):
        assert [event.event_id for event in parse_events(text)] == ["1", "3"]
    await until(lambda: jobs.watching.now == 0)


async def test_events_allow_only_get(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    for method in ("POST", "HEAD"):
        async with jobs_http.request(method, PATH) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert jobs.calls == []


async def _read_events(http: aiohttp.ClientSession) -> str:
    async with http.get(PATH) as answer:
        return await answer.text()


async def test_a_signed_link_reads_the_events_as_its_owner_without_a_header(jobs: FakeJobService) -> None:
    jobs.watch_steps = (RUNNING, DONE)
    link = LINKS.build(PATH, "auth0|123").url
    async with run_with_heartbeats(jobs, HEARTBEAT_SECONDS) as http:
        async with http.get(URL(link, encoded=True), headers={"Last-Event-ID": "1"}) as answer:
            assert answer.status == 200
            assert [event.event_id for event in parse_events(await answer.text())] == ["2", "3"]
        assert (jobs.calls[0].principal, jobs.calls[0].request.after_revision) == ("auth0|123", 1)
        for wrong in (link.replace("123", "124"), link.replace(JOB_ID, "f" * 32), link[:-1]):
            # A caller that the edge named does not make a wrong signature right.
            async with http.get(URL(wrong, encoded=True), headers=ALICE) as answer:
                assert answer.status == 403
    assert len(jobs.calls) == 1
