"""The HTTP client of the providers: what it sends, its time limits, and whether a failure may be charged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from services.common.errors import Reason
from services.common.providers import ProviderHttpClient, open_session
from tests.conftest import LogLines
from tests.fakes.tcp import run_tcp_peer
from tests.fakes.web_host import WebHost, run_web_host
from tests.unit.common.providers.rig import KEY, RefusedError, build_endpoint, catch_error

CUT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


@dataclass
class Provider:
    """A provider, its client, and the requests that it received."""

    host: WebHost
    client: ProviderHttpClient
    requests: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    requested: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request arrives at a page that hangs."""
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client of a page that hangs closes its connection."""

    @property
    def url(self) -> str:
        """A URL of its API."""
        return self.host.url("/v1/things")

    def respond_with(self, response: Callable[[], web.Response]) -> None:
        """Set the response."""

        async def answer(request: web.Request) -> web.Response:
            self.requests.append(request)
            self.bodies.append(await request.read())
            return response()

        self.host.pages["/v1/things"] = answer

    def hang(self, begins: bytes = b"") -> None:
        """Never respond, or stop after the first bytes."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.requested.set()
            response = web.StreamResponse()
            if begins:
                await response.prepare(request)
                await response.write(begins)
            try:
                await asyncio.Event().wait()
            finally:
                self.abandoned.set()
            return response

        self.host.pages["/v1/things"] = answer


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with run_web_host() as host, open_session() as session:
        created = Provider(host, ProviderHttpClient(session, build_endpoint(host.url("/v1"))))
        created.respond_with(lambda: web.json_response({"id": "p1"}, status=201, headers={"X-Cost": "3"}))
        yield created


async def test_json_is_sent_with_the_key_and_json_is_returned(provider: Provider) -> None:
    answer = await provider.client.request(
        "POST", provider.url, {"prompt": "ä"}, work_started=False, headers={"Prefer": "wait"}
    )
    assert (answer.status, answer.headers["x-cost"], answer.body) == (201, "3", {"id": "p1"})
    ((sent,), (body,)) = provider.requests, provider.bodies
    assert (sent.method, body) == ("POST", '{"prompt":"ä"}'.encode())
    assert sent.headers["Authorization"] == KEY
    assert (sent.headers["Content-Type"], sent.headers["Prefer"]) == ("application/json", "wait")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_without_a_body_there_is_no_content_type(provider: Provider, method: str) -> None:
    await provider.client.request(method, provider.url, work_started=True)
    (sent,) = provider.requests
    assert (sent.method, sent.headers["Authorization"], provider.bodies) == (method, KEY, [b""])
    assert "Content-Type" not in sent.headers


async def test_a_form_has_its_own_content_type(provider: Provider) -> None:
    form = aiohttp.MultipartWriter("form-data")
    form.append(b"image").set_content_disposition("form-data", name="content")
    await provider.client.request("POST", provider.url, form, work_started=False)
    assert provider.requests[0].headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b"image" in provider.bodies[0]


async def test_a_url_of_the_provider_is_used_unchanged(provider: Provider) -> None:
    await provider.client.request("GET", f"{provider.url}?sig=a%2Fb+c", work_started=True)
    assert provider.host.requests == [("GET", "/v1/things?sig=a%2Fb+c")]


@pytest.mark.parametrize("work_started", [False, True])
@pytest.mark.parametrize(
    ("status", "text", "decoded"),
    [
        (404, '{"detail": "no"}', {"detail": "no"}),
        (500, "<html>", None),
        (418, "[1]", [1]),
        (302, "", {}),
        (401, "null", {}),
        (401, " \n", {}),
    ],
)
async def test_the_endpoint_maps_a_response_outside_2xx(
    provider: Provider, status: int, text: str, decoded: object, work_started: bool
) -> None:
    provider.respond_with(lambda: web.Response(status=status, text=text, headers={"Retry-After": "7"}))
    with pytest.raises(RefusedError) as caught:
        await provider.client.request("POST", provider.url, {}, work_started=work_started)
    assert caught.value.arguments == (status, decoded, work_started)
    assert caught.value.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        # A GET may be repeated.
        ("GET", Reason.PROVIDER_UNAVAILABLE),
        ("POST", Reason.GENERATION_FAILED),
        ("PUT", Reason.GENERATION_FAILED),
    ],
)
@pytest.mark.parametrize(
    "text", ["", " \n", "<html>", "[]", "7", "null", '"text"', '{"cut":', "[" * 100_000, "x" * 5_000_000]
)
async def test_a_success_without_a_json_object_is_an_error(
    provider: Provider, method: str, text: str, reason: Reason
) -> None:
    provider.respond_with(lambda: web.Response(text=text))
    assert await catch_error(provider.client.request(method, provider.url, work_started=False)) == (reason, True)


@pytest.mark.parametrize(("max_bytes", "is_accepted"), [(11, True), (10, False)])
async def test_an_answer_may_have_max_bytes(provider: Provider, max_bytes: int, is_accepted: bool) -> None:
    provider.respond_with(lambda: web.Response(text='{"id":"p1"}'))
    call = provider.client.request("GET", provider.url, work_started=True, max_bytes=max_bytes)
    if is_accepted:
        assert (await call).body == {"id": "p1"}
    else:
        assert await catch_error(call) == (Reason.PROVIDER_UNAVAILABLE, True)


async def test_an_endless_answer_is_not_read_forever(provider: Provider) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(64 * 1024))

    provider.host.pages["/v1/things"] = endless
    async with asyncio.timeout(10):
        outcome = await catch_error(provider.client.request("GET", provider.url, work_started=True))
    assert outcome == (Reason.PROVIDER_UNAVAILABLE, True)


@pytest.mark.parametrize(
    ("method", "work_started", "may_be_charged"), [("GET", False, False), ("GET", True, True), ("POST", False, True)]
)
@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200", CUT_HEAD, b"no HTTP at all\r\n\r\n"])
async def test_a_cut_connection_may_have_been_charged_after_a_post(
    method: str, work_started: bool, may_be_charged: bool, reply: bytes
) -> None:
    async with run_tcp_peer(reply) as server, open_session() as session:
        url = f"http://127.0.0.1:{server.port}"
        call = ProviderHttpClient(session, build_endpoint(url)).request(
            method, f"{url}/things", work_started=work_started
        )
        assert await catch_error(call) == (Reason.PROVIDER_UNAVAILABLE, may_be_charged)


async def test_a_malformed_host_is_an_error() -> None:
    async with open_session() as session:
        call = ProviderHttpClient(session, build_endpoint("https://api.example")).request(
            "GET", "https://queue..provider.example/", work_started=True
        )
        assert await catch_error(call) == (Reason.GENERATION_FAILED, True)


async def test_a_malformed_key_is_an_error_that_is_logged_without_it(provider: Provider, log_lines: LogLines) -> None:
    call = provider.client.request("GET", provider.url, work_started=False, headers={"Authorization": "Bearer a\nKEY"})
    assert await catch_error(call) == (Reason.GENERATION_FAILED, False)
    assert provider.requests == []
    (line,) = log_lines()
    assert (line["level"], line["error_type"]) == ("error", "ValueError")
    assert "KEY" not in str(line)


@pytest.mark.parametrize("work_started", [False, True])
async def test_a_refused_connection_was_not_charged(work_started: bool) -> None:
    async with open_session() as session:
        call = ProviderHttpClient(session, build_endpoint("http://127.0.0.1:9")).request(
            "POST", "http://127.0.0.1:9/", {}, work_started=work_started
        )
        assert await catch_error(call) == (Reason.PROVIDER_UNAVAILABLE, work_started)


@pytest.mark.parametrize(
    ("method", "work_started", "may_be_charged"), [("GET", False, False), ("GET", True, True), ("POST", False, True)]
)
@pytest.mark.parametrize("begins", [b"", b'{"id": '])
async def test_a_late_answer_is_a_timeout(
    provider: Provider, method: str, work_started: bool, may_be_charged: bool, begins: bytes
) -> None:
    provider.hang(begins)
    call = provider.client.request(method, provider.url, work_started=work_started, timeout_seconds=0.2)
    assert await catch_error(call) == (Reason.PROVIDER_TIMEOUT, may_be_charged)
    async with asyncio.timeout(5):
        await provider.abandoned.wait()


async def test_an_answer_in_time_is_returned(provider: Provider) -> None:
    assert (await provider.client.request("GET", provider.url, work_started=True, timeout_seconds=30)).body == {
        "id": "p1"
    }


@pytest.mark.parametrize("timeout_seconds", [None, 60])
async def test_the_timeout_of_the_caller_is_raised_as_timeout_error(
    provider: Provider, timeout_seconds: float | None
) -> None:
    provider.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await provider.client.request("GET", provider.url, work_started=True, timeout_seconds=timeout_seconds)


async def test_a_caller_that_leaves_closes_the_connection(provider: Provider) -> None:
    provider.hang()
    task = asyncio.create_task(provider.client.request("GET", provider.url, work_started=True, timeout_seconds=60))
    async with asyncio.timeout(5):
        await provider.requested.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.abandoned.wait()
