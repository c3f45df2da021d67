"""Posting to callers' URLs: checked like fetching, without redirects, bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from services.common.errors import MediaError, Reason
from services.common.fetch import Fetcher, FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from tests.fakes.web_host import WebHost, run_web_host

DATA = b'{"type": "job.succeeded", "text": "\xc3\xa9\x00"}'
HEADERS = {"Content-Type": "application/json", "webhook-id": "job-7", "webhook-signature": "v1,x v1,y"}


class Receiver:
    """Records what is posted to /hook and answers with `status`."""

    def __init__(self, host: WebHost) -> None:
        self.host = host
        self.status = 204
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        host.pages["/hook"] = self.record_request

    async def record_request(self, request: web.Request) -> web.Response:
        """Record a request."""
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status, headers={"Location": self.host.url("/elsewhere")})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with run_web_host() as host:
        yield Receiver(host)


async def resolve_to_this_machine(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def open_guarded(*allowed: str, timeout_seconds: float = 5) -> AbstractAsyncContextManager[Fetcher]:
    return open_fetcher(FetchOptions(AddressPolicy.parse(allowed), timeout_seconds), resolve_to_this_machine)


def open_trusting(host: WebHost, timeout_seconds: float = 5) -> AbstractAsyncContextManager[Fetcher]:
    """Open a fetcher that may reach the server of the test."""
    return open_guarded(f"127.0.0.1:{host.port}", timeout_seconds=timeout_seconds)


async def get_error(fetcher: Fetcher, url: str) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await fetcher.post(url, field="webhook_url", data=DATA, headers=HEADERS)
    assert [item.field for item in caught.value.violations] == ["webhook_url"]
    return caught.value


async def test_body_and_headers_arrive_as_they_are(receiver: Receiver) -> None:
    async with open_trusting(receiver.host) as fetcher:
        url = receiver.host.url("/hook?sig=a%2Fb+c")
        assert await fetcher.post(url, field="webhook_url", data=DATA, headers=HEADERS) == 204
    # Not requoted, since that would break a signature in the query.
    assert receiver.host.requests == [("POST", "/hook?sig=a%2Fb+c")]
    assert receiver.bodies == [DATA]
    (arrived,) = receiver.headers
    assert {name: arrived[name] for name in HEADERS} == HEADERS
    assert arrived["Content-Length"] == str(len(DATA))
    assert arrived["User-Agent"].startswith("media-suite/")
    assert {"Authorization", "Cookie"}.isdisjoint(arrived)


async def test_an_empty_body_is_posted_too(receiver: Receiver) -> None:
    async with open_trusting(receiver.host) as fetcher:
        assert await fetcher.post(receiver.host.url("/hook"), field="webhook_url", data=b"", headers={}) == 204
    assert receiver.bodies == [b""]


@pytest.mark.parametrize("status", [200, 202, 400, 404, 410, 429, 500, 503])
async def test_the_status_of_the_response_is_returned(receiver: Receiver, status: int) -> None:
    receiver.status = status
    async with open_trusting(receiver.host) as fetcher:
        url = receiver.host.url("/hook")
        assert await fetcher.post(url, field="webhook_url", data=DATA, headers=HEADERS) == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    async with open_trusting(receiver.host) as fetcher:
        url = receiver.host.url("/hook")
        assert await fetcher.post(url, field="webhook_url", data=DATA, headers=HEADERS) == status
    assert receiver.host.requests == [("POST", "/hook")]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/hook",
        "http://localhost:{port}/hook",
        "http://hooks.example:{port}/hook",
        "http://[::ffff:127.0.0.1]:{port}/hook",
        "http://0x7f000001:{port}/hook",
        "http://127.1:{port}/hook",
        "http://169.254.169.254/latest/api/token",
        "http://10.0.0.1/hook",
        "http://user:pass@example.com/hook",
        "http://example.com:25/hook",
    ],
)
async def test_private_addresses_are_forbidden_and_get_no_request(receiver: Receiver, url: str) -> None:
    async with open_guarded() as fetcher:
        error = await get_error(fetcher, url.format(port=receiver.host.port))
    assert error.reason is Reason.URL_FORBIDDEN
    assert receiver.host.requests == []


@pytest.mark.parametrize("url", ["", "hook", "ftp://example.com/hook", "file:///etc/passwd", "http://"])
async def test_an_invalid_url_is_refused_by_field(url: str) -> None:
    async with open_guarded() as fetcher:
        assert (await get_error(fetcher, url)).reason is Reason.VALIDATION_ERROR


async def test_a_server_that_does_not_answer_times_out(receiver: Receiver) -> None:
    started = asyncio.Event()

    async def stay_silent(_: web.Request) -> web.Response:
        started.set()
        await asyncio.Event().wait()
        return web.Response()

    receiver.host.pages["/stay_silent"] = stay_silent
    async with open_trusting(receiver.host, timeout_seconds=1) as fetcher:
        error = await get_error(fetcher, receiver.host.url("/stay_silent"))
    assert error.reason is Reason.URL_UNREACHABLE
    assert "1 seconds" in error.message
    assert started.is_set()


async def test_the_body_of_the_response_is_not_read(receiver: Receiver) -> None:
    left = asyncio.Event()

    async def send_forever(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(4096))
        finally:
            left.set()

    receiver.host.pages["/send_forever"] = send_forever
    async with open_trusting(receiver.host) as fetcher:
        url = receiver.host.url("/send_forever")
        assert await fetcher.post(url, field="webhook_url", data=DATA, headers=HEADERS) == 200
        async with asyncio.timeout(5):
            await left.wait()


async def test_the_error_of_an_unreachable_server_does_not_contain_the_url(receiver: Receiver) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    receiver.host.pages["/hangs-up"] = hang_up
    async with open_trusting(receiver.host) as fetcher:
        error = await get_error(fetcher, receiver.host.url("/hangs-up?token=secret"))
    assert error.reason is Reason.URL_UNREACHABLE
    assert "secret" not in error.message
    assert receiver.host.requests == [("POST", "/hangs-up?token=secret")]


async def test_a_cancelled_post_is_aborted(receiver: Receiver) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def stay_silent(_: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    receiver.host.pages["/stay_silent"] = stay_silent
    async with open_trusting(receiver.host) as fetcher:
        url = receiver.host.url("/stay_silent")
        posting = asyncio.create_task(fetcher.post(url, field="webhook_url", data=DATA, headers=HEADERS))
        async with asyncio.timeout(5):
            await started.wait()
            posting.cancel()
            await ended.wait()
        # The cancellation is not mistaken for a timeout.
        with pytest.raises(asyncio.CancelledError):
            await posting
