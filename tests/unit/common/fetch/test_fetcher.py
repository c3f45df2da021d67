"""The fetcher: refused URLs, and hostile or broken servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from services.common.errors import MediaError, Reason
from services.common.fetch import Fetcher, FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from tests.fakes.web_host import WebHost, run_web_host

FILE = b"\x89PNG" + bytes(1000)


@pytest.fixture
async def host() -> AsyncIterator[WebHost]:
    async with run_web_host() as running:
        running.file("/cat.png", FILE)
        yield running


class FakeLookup:
    """Resolves every name to the given addresses and records the lookups."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.hosts: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.hosts.append(host)
        if not self.answers:
            raise OSError("unknown")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def open_guarded(
    lookup: FakeLookup | None = None, timeout_seconds: float = 5, *allowed: str
) -> AbstractAsyncContextManager[Fetcher]:
    return open_fetcher(
        FetchOptions(AddressPolicy.parse(allowed), timeout_seconds), lookup or FakeLookup(["127.0.0.1"])
    )


def open_trusting(host: WebHost, timeout_seconds: float = 5) -> AbstractAsyncContextManager[Fetcher]:
    """Open a fetcher that may reach the server of the test."""
    return open_guarded(None, timeout_seconds, f"127.0.0.1:{host.port}", f"cats.example:{host.port}")


async def get_error(fetcher: Fetcher, url: str, max_bytes: int = 5000) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await fetcher.fetch(url, field="image_url", max_bytes=max_bytes)
    assert [item.field for item in caught.value.violations] == ["image_url"]
    return caught.value


async def test_a_file_is_fetched(host: WebHost) -> None:
    async with open_trusting(host) as fetcher:
        fetched = await fetcher.fetch(host.url("/cat.png?sig=a%2Fb+c", "cats.example"), field="f", max_bytes=5000)
    assert (fetched.data, fetched.content_type) == (FILE, "image/png")
    # Not requoted, since that would break a signature in the query.
    assert host.requests == [("GET", "/cat.png?sig=a%2Fb+c")]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://127.0.0.1:{port}/cat.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[fe80::1%25eth0]/x",
        "http://user:pass@example.com/",
        "http://example.com:22/",
        "http://localhost:{port}/cat.png",
        "http://cats.example:{port}/cat.png",
        "http://cats.example.:{port}/cat.png",
        "http://2130706433:{port}/cat.png",
        "http://0x7f000001:{port}/cat.png",
        "http://127.1:{port}/cat.png",
        "http://0:{port}/cat.png",
    ],
)
async def test_private_addresses_are_forbidden_without_a_lookup(host: WebHost, url: str) -> None:
    async with open_guarded() as fetcher:
        error = await get_error(fetcher, url.format(port=host.port))
    assert error.reason is Reason.URL_FORBIDDEN
    assert host.requests == []


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1%eth0"]]
)
async def test_a_name_that_resolves_to_a_private_address_is_forbidden(host: WebHost, answer: list[str]) -> None:
    async with open_guarded(FakeLookup(answer)) as fetcher:
        assert (await get_error(fetcher, host.url("/cat.png", "rebound.example"))).reason is Reason.URL_FORBIDDEN
    assert host.requests == []


async def test_the_connection_uses_the_checked_address(host: WebHost) -> None:
    # A second lookup would return another address, so there must be none.
    lookup = FakeLookup(["127.0.0.2"], ["127.0.0.1"])
    async with open_guarded(lookup, 5, "127.0.0.2/32") as fetcher:
        await get_error(fetcher, host.url("/cat.png", "rebound.example"))
    assert lookup.hosts == ["rebound.example"]
    assert host.requests == []


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/x", "http://169.254.169.254/", "http://[::1]/", "//10.0.0.1/x", "ftp://x/"],
)
async def test_a_redirect_is_checked_like_a_url(host: WebHost, location: str) -> None:
    host.redirect("/away", location)
    async with open_trusting(host) as fetcher:
        error = await get_error(fetcher, host.url("/away"))
    assert error.reason in (Reason.URL_FORBIDDEN, Reason.VALIDATION_ERROR, Reason.URL_UNREACHABLE)
    assert host.requests == [("GET", "/away")]


async def test_a_bounded_number_of_redirects_is_followed(host: WebHost) -> None:
    for number in range(5):
        host.redirect(f"/{number}", f"/{number + 1}" if number < 4 else "/cat.png")
    host.redirect("/round", "/round")
    async with open_trusting(host) as fetcher:
        assert (await fetcher.fetch(host.url("/0"), field="f", max_bytes=5000)).data == FILE
        assert (await get_error(fetcher, host.url("/round"))).reason is Reason.URL_UNREACHABLE


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cat.png",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://exa mple.com",
        "\x00",
        "http://example.com/" + "x" * 5000,
        "http://exämple.com/",
        "http://example.com:99999/",
        "javascript:alert(1)",
    ],
)
async def test_an_invalid_url_is_refused_by_field(url: str) -> None:
    async with open_guarded() as fetcher:
        assert (await get_error(fetcher, url)).reason is Reason.VALIDATION_ERROR


async def test_a_file_that_is_too_long_is_not_read(host: WebHost) -> None:
    async def declare_too_much(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(20 * 2**30)})
        await response.prepare(request)
        return response

    async def send_forever(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(4096))

    host.pages |= {"/declare_too_much": declare_too_much, "/send_forever": send_forever}
    async with open_trusting(host) as fetcher:
        for path in ("/declare_too_much", "/send_forever"):
            assert (await get_error(fetcher, host.url(path))).reason is Reason.PAYLOAD_TOO_LARGE
        assert (await get_error(fetcher, host.url("/cat.png"), len(FILE) - 1)).reason is Reason.PAYLOAD_TOO_LARGE


async def test_a_slow_body_times_out(host: WebHost) -> None:
    started = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        started.set()
        await asyncio.Event().wait()
        return response

    host.pages["/slow"] = trickle
    async with open_trusting(host, timeout_seconds=1) as fetcher:
        error = await get_error(fetcher, host.url("/slow"))
    assert error.reason is Reason.URL_UNREACHABLE
    assert "1 seconds" in error.message
    assert started.is_set()


async def test_a_file_that_is_cut_off_is_refused(host: WebHost) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    host.pages["/cut"] = cut
    async with open_trusting(host) as fetcher:
        assert (await get_error(fetcher, host.url("/cut"))).reason is Reason.URL_UNREACHABLE


async def test_compressed_responses_are_refused(host: WebHost) -> None:
    async def send_compressed(_: web.Request) -> web.Response:
        return web.Response(body=b"send_compressed", headers={"Content-Encoding": "gzip"})

    host.pages["/send_compressed"] = send_compressed
    async with open_trusting(host) as fetcher:
        assert (await get_error(fetcher, host.url("/send_compressed"))).reason is Reason.URL_UNREACHABLE


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/gone?token=secret", "http://unknown.example/?token=secret"])
async def test_the_error_of_an_unreachable_url_does_not_contain_it(host: WebHost, url: str) -> None:
    async with open_guarded(FakeLookup(), 5, f"127.0.0.1:{host.port}") as fetcher:
        error = await get_error(fetcher, url.format(port=host.port))
    assert error.reason is Reason.URL_UNREACHABLE
    assert "secret" not in error.message
    assert "nothing here" not in error.message


@pytest.mark.parametrize("refuses_head", [False, True])
async def test_the_headers_of_a_url_are_returned(host: WebHost, refuses_head: bool) -> None:
    async def answer(request: web.Request) -> web.Response:
        if refuses_head and request.method == "HEAD":
            return web.Response(status=405)
        return web.Response(body=FILE, content_type="image/png")

    host.pages["/head"] = answer
    async with open_trusting(host) as fetcher:
        head = await fetcher.head(host.url("/head"), field="url")
        gone = await fetcher.head(host.url("/gone"), field="url")
    assert (head.status, head.content_type, head.size_bytes) == (200, "image/png", len(FILE))
    assert gone.status == 404


async def test_a_stream_is_read_in_chunks(host: WebHost) -> None:
    async with (
        open_trusting(host) as fetcher,
        fetcher.stream(host.url("/cat.png"), field="f", max_bytes=5000) as streamed,
    ):
        assert streamed.size_bytes == len(FILE)
        assert b"".join([chunk async for chunk in streamed.chunks]) == FILE
