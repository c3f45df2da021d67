"""Fetching for callers: what is refused before anybody is asked, and what a server cannot do to us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from services.common.errors import MediaError, Reason
from services.common.fetch import Fetcher, FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from tests.fakes.web_host import WebHost, running_web_host

FILE = b"\x89PNG" + bytes(1000)


@pytest.fixture
async def host() -> AsyncIterator[WebHost]:
    async with running_web_host() as running:
        running.file("/cat.png", FILE)
        yield running


class Names:
    """Leads every name where a test wants it, and counts the questions."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if not self.answers:
            raise OSError("unknown")
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def guarded(
    names: Names | None = None, timeout_seconds: float = 5, *allowed: str
) -> AbstractAsyncContextManager[Fetcher]:
    return open_fetcher(FetchOptions(AddressPolicy.parse(allowed), timeout_seconds), names or Names(["127.0.0.1"]))


def trusting(host: WebHost, timeout_seconds: float = 5) -> AbstractAsyncContextManager[Fetcher]:
    """Allow the test's own server."""
    return guarded(None, timeout_seconds, f"127.0.0.1:{host.port}", f"cats.example:{host.port}")


async def refusal(fetcher: Fetcher, url: str, max_bytes: int = 5000) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await fetcher.fetch(url, field="image_url", max_bytes=max_bytes)
    assert [item.field for item in caught.value.violations] == ["image_url"]
    return caught.value


async def test_a_file_is_fetched(host: WebHost) -> None:
    async with trusting(host) as fetcher:
        fetched = await fetcher.fetch(host.url("/cat.png?sig=a%2Fb+c", "cats.example"), field="f", max_bytes=5000)
    assert (fetched.data, fetched.content_type) == (FILE, "image/png")
    # Not requoted: a signature in it would break.
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
async def test_private_places_are_forbidden_and_never_asked(host: WebHost, url: str) -> None:
    async with guarded() as fetcher:
        error = await refusal(fetcher, url.format(port=host.port))
    assert error.reason is Reason.URL_FORBIDDEN
    assert host.requests == []


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1%eth0"]]
)
async def test_a_name_that_leads_to_a_private_address_is_forbidden(host: WebHost, answer: list[str]) -> None:
    async with guarded(Names(answer)) as fetcher:
        assert (await refusal(fetcher, host.url("/cat.png", "rebound.example"))).reason is Reason.URL_FORBIDDEN
    assert host.requests == []


async def test_the_address_that_was_checked_is_the_one_that_is_asked(host: WebHost) -> None:
    # A second question would be answered otherwise: nobody asks it.
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    async with guarded(names, 5, "127.0.0.2/32") as fetcher:
        await refusal(fetcher, host.url("/cat.png", "rebound.example"))
    assert names.asked == ["rebound.example"]
    assert host.requests == []


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/x", "http://169.254.169.254/", "http://[::1]/", "//10.0.0.1/x", "ftp://x/"],
)
async def test_a_redirect_is_checked_like_a_url_of_its_own(host: WebHost, location: str) -> None:
    host.redirect("/away", location)
    async with trusting(host) as fetcher:
        error = await refusal(fetcher, host.url("/away"))
    assert error.reason in (Reason.URL_FORBIDDEN, Reason.VALIDATION_ERROR, Reason.URL_UNREACHABLE)
    assert host.requests == [("GET", "/away")]


async def test_redirects_are_followed_a_few_times(host: WebHost) -> None:
    for number in range(5):
        host.redirect(f"/{number}", f"/{number + 1}" if number < 4 else "/cat.png")
    host.redirect("/round", "/round")
    async with trusting(host) as fetcher:
        assert (await fetcher.fetch(host.url("/0"), field="f", max_bytes=5000)).data == FILE
        assert (await refusal(fetcher, host.url("/round"))).reason is Reason.URL_UNREACHABLE


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
async def test_what_is_no_url_is_refused_by_name(url: str) -> None:
    async with guarded() as fetcher:
        assert (await refusal(fetcher, url)).reason is Reason.VALIDATION_ERROR


async def test_what_is_too_long_is_not_read(host: WebHost) -> None:
    async def boasts(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(20 * 2**30)})
        await response.prepare(request)
        return response

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(4096))

    host.pages |= {"/boasts": boasts, "/endless": endless}
    async with trusting(host) as fetcher:
        for path in ("/boasts", "/endless"):
            assert (await refusal(fetcher, host.url(path))).reason is Reason.PAYLOAD_TOO_LARGE
        assert (await refusal(fetcher, host.url("/cat.png"), len(FILE) - 1)).reason is Reason.PAYLOAD_TOO_LARGE


async def test_a_trickle_ends_with_the_time_it_may_take(host: WebHost) -> None:
    begun = asyncio.Event()

    async def trickles(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        begun.set()
        await asyncio.Event().wait()
        return response

    host.pages["/slow"] = trickles
    async with trusting(host, timeout_seconds=1) as fetcher:
        error = await refusal(fetcher, host.url("/slow"))
    assert error.reason is Reason.URL_UNREACHABLE
    assert "1 seconds" in error.message
    assert begun.is_set()


async def test_a_file_that_is_cut_is_refused(host: WebHost) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    host.pages["/cut"] = cut
    async with trusting(host) as fetcher:
        assert (await refusal(fetcher, host.url("/cut"))).reason is Reason.URL_UNREACHABLE


async def test_compressed_answers_are_not_unpacked(host: WebHost) -> None:
    async def packed(_: web.Request) -> web.Response:
        return web.Response(body=b"packed", headers={"Content-Encoding": "gzip"})

    host.pages["/packed"] = packed
    async with trusting(host) as fetcher:
        assert (await refusal(fetcher, host.url("/packed"))).reason is Reason.URL_UNREACHABLE


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/gone?token=secret", "http://nobody.example/?token=secret"])
async def test_what_is_unreachable_is_told_without_the_url(host: WebHost, url: str) -> None:
    async with guarded(Names(), 5, f"127.0.0.1:{host.port}") as fetcher:
        error = await refusal(fetcher, url.format(port=host.port))
    assert error.reason is Reason.URL_UNREACHABLE
    assert "secret" not in error.message
    assert "nothing here" not in error.message


@pytest.mark.parametrize("refuses_head", [False, True])
async def test_the_head_of_a_url_is_told(host: WebHost, refuses_head: bool) -> None:
    async def answer(request: web.Request) -> web.Response:
        if refuses_head and request.method == "HEAD":
            return web.Response(status=405)
        return web.Response(body=FILE, content_type="image/png")

    host.pages["/head"] = answer
    async with trusting(host) as fetcher:
        head = await fetcher.head(host.url("/head"), field="url")
        gone = await fetcher.head(host.url("/gone"), field="url")
    assert (head.status, head.content_type, head.size_bytes) == (200, "image/png", len(FILE))
    assert gone.status == 404


async def test_a_stream_is_read_as_it_comes(host: WebHost) -> None:
    async with trusting(host) as fetcher, fetcher.stream(host.url("/cat.png"), field="f", max_bytes=5000) as streamed:
        assert streamed.size_bytes == len(FILE)
        assert b"".join([chunk async for chunk in streamed.chunks]) == FILE
