"""Fetches what a caller's URL names: checked, pinned, bounded in bytes and time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from services.common.errors import MediaError, Reason, invalid
from services.common.fetch.addresses import AddressPolicy
from services.common.fetch.resolver import ForbiddenAddressError, Lookup, PolicyResolver
from services.common.fetch.urls import Target, forbidden_url_error, parse_target
from services.common.version import VERSION

_CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_HEAD = frozenset({403, 405, 501})
_OK = range(200, 300)
_MAX_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How the guard works."""

    allowed: AddressPolicy = AddressPolicy()
    """Private places that are allowed."""
    timeout_seconds: float = 20.0
    """Longest that one URL may take, redirects and all of the body included: a trickle ends then, too."""
    max_redirects: int = 5
    """Most redirects that are followed; each target is checked like a URL of its own."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file."""

    data: bytes
    content_type: str
    """Media type as the server says, without parameters; empty if it does not."""
    final_url: str
    """Where it was in the end; its query may hold secrets."""


@dataclass(frozen=True, slots=True)
class StreamedFile:
    """A file on its way."""

    content_type: str
    size_bytes: int | None
    """Its length as the server says; None if it does not."""
    chunks: AsyncIterator[bytes]
    """The file; raises MediaError if it is cut, too long or too slow."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a server says about a URL."""

    status: int
    content_type: str
    size_bytes: int | None
    final_url: str


class Fetcher:
    """Fetches for callers.

    Args:
        session: Connects only where the guard's resolver leads.
        options: How the guard works.
    """

    def __init__(self, session: aiohttp.ClientSession, options: FetchOptions) -> None:
        self._session = session
        self._options = options

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        """Return the file at `url`.

        Args:
            url: What the caller gave.
            field: Name of the request field that holds it.
            max_bytes: Longest file.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN, URL_UNREACHABLE or PAYLOAD_TOO_LARGE, naming `field`.
        """
        async with self._answer("GET", url, field) as answer:
            streamed = _open_stream(answer, field, max_bytes)
            data = b"".join([chunk async for chunk in streamed.chunks])
            return FetchedFile(data, streamed.content_type, str(answer.url))

    @asynccontextmanager
    async def stream(self, url: str, *, field: str, max_bytes: int) -> AsyncIterator[StreamedFile]:
        """Return the context in which the file at `url` is read; raises as `fetch` does.

        The time of the whole context counts: who reads slowly is cut off, too.
        """
        async with self._answer("GET", url, field) as answer:
            yield _open_stream(answer, field, max_bytes)

    async def head(self, url: str, *, field: str) -> Head:
        """Return what the server says about `url`, whatever its status; raises as `fetch` does."""
        async with self._answer("HEAD", url, field, any_status=True) as answer:
            if answer.status not in _NO_HEAD:
                return _head(answer)
        # Many servers answer only to GET; its body is left where it is.
        async with self._answer("GET", url, field, any_status=True) as answer:
            return _head(answer)

    async def post(self, url: str, *, field: str, data: bytes, headers: Mapping[str, str]) -> int:
        """Send `data` to `url` and returns the status of the answer; no redirect is followed.

        Args:
            url: What a caller gave.
            field: Name of the request field that holds it.
            data: The body.
            headers: Its headers.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN or URL_UNREACHABLE, naming `field`.
        """
        try:
            async with asyncio.timeout(self._options.timeout_seconds) as limit:
                with _translate_errors(field):
                    target = parse_target(url, field, self._options.allowed)
                    answer = await self._session.post(
                        target.url, data=data, headers=dict(headers), allow_redirects=False
                    )
                    answer.close()
                    return answer.status
        except TimeoutError:
            if not limit.expired():
                raise
            raise _unreachable_error(field, f"must answer within {self._options.timeout_seconds:g} seconds") from None

    @asynccontextmanager
    async def _answer(
        self, method: str, text: str, field: str, *, any_status: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with asyncio.timeout(self._options.timeout_seconds) as limit:
                with _translate_errors(field):
                    answer = await self._follow(method, parse_target(text, field, self._options.allowed), field)
                try:
                    if not any_status and answer.status not in _OK:
                        raise _unreachable_error(field, f"must be readable for everybody; it answers {answer.status}")
                    yield answer
                finally:
                    answer.close()
        except TimeoutError:
            if not limit.expired():
                raise
            seconds = self._options.timeout_seconds
            raise _unreachable_error(field, f"must deliver within {seconds:g} seconds") from None

    async def _follow(self, method: str, target: Target, field: str) -> aiohttp.ClientResponse:
        for _ in range(self._options.max_redirects + 1):
            answer = await self._session.request(method, target.url, allow_redirects=False)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            answer.close()
            target = self._next(target, answer.headers, field)
        raise _unreachable_error(field, f"must lead to its target by at most {self._options.max_redirects} redirects")

    def _next(self, target: Target, headers: Mapping[str, str], field: str) -> Target:
        location = headers["Location"]
        try:
            joined = target.url.join(URL(location, encoded=True))
        except ValueError:
            raise _unreachable_error(field, "must not redirect to what is no URL") from None
        following = parse_target(str(joined), field, self._options.allowed)
        if target.url.scheme == "https" and following.url.scheme == "http":
            raise forbidden_url_error(field, "must not redirect from https to http")
        return following


@asynccontextmanager
async def open_fetcher(options: FetchOptions = FetchOptions(), lookup: Lookup | None = None) -> AsyncIterator[Fetcher]:
    """Yield the fetcher of a process and closes its connections afterwards.

    Args:
        options: How the guard works.
        lookup: Finds addresses; the system's own way if not given.
    """
    resolver = PolicyResolver(options.allowed, lookup or system_lookup)
    # Connections are not kept: one that was checked for one name may not serve another.
    connector = aiohttp.TCPConnector(
        resolver=resolver, use_dns_cache=False, force_close=True, limit=_MAX_CONNECTIONS, enable_cleanup_closed=False
    )
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        # Compressed answers could grow without bound while they are unpacked.
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"media-suite/{VERSION}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
    ) as session:
        yield Fetcher(session, options)


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host`, as the system finds them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def _open_stream(answer: aiohttp.ClientResponse, field: str, max_bytes: int) -> StreamedFile:
    size_bytes = answer.content_length
    if size_bytes is not None and size_bytes > max_bytes:
        raise _too_large_error(field, max_bytes)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _unreachable_error(field, "must deliver the file as it is, not compressed")
    return StreamedFile(_content_type(answer), size_bytes, _chunks(answer, field, max_bytes))


async def _chunks(answer: aiohttp.ClientResponse, field: str, max_bytes: int) -> AsyncIterator[bytes]:
    read = 0
    with _translate_errors(field):
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            read += len(chunk)
            if read > max_bytes:
                raise _too_large_error(field, max_bytes)
            yield chunk


def _head(answer: aiohttp.ClientResponse) -> Head:
    return Head(answer.status, _content_type(answer), answer.content_length, str(answer.url))


def _content_type(answer: aiohttp.ClientResponse) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@contextmanager
def _translate_errors(field: str) -> Iterator[None]:
    """Say in our words what went wrong, and nothing of where: a URL may hold secrets."""
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, ForbiddenAddressError) or isinstance(error.__cause__, ForbiddenAddressError):
            raise forbidden_url_error(field) from None
        raise _unreachable_error(field, "must have a host that exists") from None
    except ForbiddenAddressError:
        raise forbidden_url_error(field) from None
    except aiohttp.ClientPayloadError:
        raise _unreachable_error(
            field, "must deliver the whole file; the connection ended before it was complete"
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
            raise
        raise _unreachable_error(field, "must be reachable; the connection failed") from None
    except ValueError:
        raise _unreachable_error(field, "must be a URL that can be asked for") from None


def _unreachable_error(field: str, description: str) -> MediaError:
    return invalid(field, description, Reason.URL_UNREACHABLE)


def _too_large_error(field: str, max_bytes: int) -> MediaError:
    return invalid(field, f"must lead to at most {max_bytes} bytes", Reason.PAYLOAD_TOO_LARGE)
