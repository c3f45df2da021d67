"""The fetcher: requests callers' URLs with checked and pinned addresses, bounded in bytes and time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from services.common import VERSION
from services.common.errors import MediaError, Reason, invalid
from services.common.fetch.addresses import (
    AddressPolicy,
    ForbiddenAddressError,
    Lookup,
    PolicyResolver,
    Target,
    build_forbidden_url_error,
    parse_target,
)

_CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEAD_REFUSED = frozenset({403, 405, 501})
_OK = range(200, 300)
_MAX_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Limits of a fetcher and the private addresses that it may reach."""

    allowed: AddressPolicy = AddressPolicy()
    """Private addresses that are allowed."""
    timeout_seconds: float = 20.0
    """Timeout of one URL, with redirects and the whole body, so that a slow body ends too."""
    max_redirects: int = 5
    """Most redirects to follow; each target is checked like the first URL."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that was read completely."""

    data: bytes
    content_type: str
    """Media type from the server, without parameters; empty if the server sends none."""
    final_url: str
    """URL after the redirects; its query may contain secrets."""


@dataclass(frozen=True, slots=True)
class StreamedFile:
    """A file that is read in chunks."""

    content_type: str
    size_bytes: int | None
    """Size from the server; None if the server sends none."""
    chunks: AsyncIterator[bytes]
    """The data; raises MediaError if the file is cut off, too long or too slow."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The response headers of a URL."""

    status: int
    content_type: str
    size_bytes: int | None
    final_url: str


class Fetcher:
    """Requests callers' URLs. Create it with `open_fetcher`.

    Args:
        session: Session that resolves names with a `PolicyResolver` only.
        options: Limits and allowed addresses.
    """

    def __init__(self, session: aiohttp.ClientSession, options: FetchOptions) -> None:
        self._session = session
        self._options = options

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        """Return the file at `url`.

        Args:
            url: URL from the caller.
            field: Name of the request field with the URL.
            max_bytes: Most bytes of the file.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN, URL_UNREACHABLE or PAYLOAD_TOO_LARGE, naming `field`.
        """
        async with self._request("GET", url, field) as response:
            streamed = _to_streamed_file(response, field, max_bytes)
            data = b"".join([chunk async for chunk in streamed.chunks])
            return FetchedFile(data, streamed.content_type, str(response.url))

    @asynccontextmanager
    async def stream(self, url: str, *, field: str, max_bytes: int) -> AsyncIterator[StreamedFile]:
        """Open the file at `url` for reading in chunks; raises like `fetch`.

        The timeout applies to the whole context, so a slow reader fails too.
        """
        async with self._request("GET", url, field) as response:
            yield _to_streamed_file(response, field, max_bytes)

    async def head(self, url: str, *, field: str) -> ResponseHead:
        """Return the response headers of `url`, whatever the status; raises like `fetch`."""
        async with self._request("HEAD", url, field, any_status=True) as response:
            if response.status not in _HEAD_REFUSED:
                return _to_head(response)
        # Many servers answer only GET requests; the body is not read.
        async with self._request("GET", url, field, any_status=True) as response:
            return _to_head(response)

    async def post(self, url: str, *, field: str, data: bytes, headers: Mapping[str, str]) -> int:
        """Send `data` to `url` and return the status of the response; redirects are not followed.

        Args:
            url: URL from the caller.
            field: Name of the request field with the URL.
            data: Body of the request.
            headers: Headers of the request.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN or URL_UNREACHABLE, naming `field`.
        """
        try:
            async with asyncio.timeout(self._options.timeout_seconds) as limit:
                with _translate_errors(field):
                    target = parse_target(url, field, self._options.allowed)
                    response = await self._session.post(
                        target.url, data=data, headers=dict(headers), allow_redirects=False
                    )
                    response.close()
                    return response.status
        except TimeoutError:
            if not limit.expired():
                raise
            raise _build_unreachable_error(
                field, f"must answer within {self._options.timeout_seconds:g} seconds"
            ) from None

    @asynccontextmanager
    async def _request(
        self, method: str, text: str, field: str, *, any_status: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with asyncio.timeout(self._options.timeout_seconds) as limit:
                with _translate_errors(field):
                    response = await self._follow(method, parse_target(text, field, self._options.allowed), field)
                try:
                    if not any_status and response.status not in _OK:
                        raise _build_unreachable_error(
                            field, f"must be publicly readable; the server answered with status {response.status}"
                        )
                    yield response
                finally:
                    response.close()
        except TimeoutError:
            if not limit.expired():
                raise
            seconds = self._options.timeout_seconds
            raise _build_unreachable_error(field, f"must deliver within {seconds:g} seconds") from None

    async def _follow(self, method: str, target: Target, field: str) -> aiohttp.ClientResponse:
        for _ in range(self._options.max_redirects + 1):
            response = await self._session.request(method, target.url, allow_redirects=False)
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            target = self._resolve_redirect(target, response.headers, field)
        raise _build_unreachable_error(field, f"must not need more than {self._options.max_redirects} redirects")

    def _resolve_redirect(self, target: Target, headers: Mapping[str, str], field: str) -> Target:
        location = headers["Location"]
        try:
            resolved = target.url.join(URL(location, encoded=True))
        except ValueError:
            raise _build_unreachable_error(field, "must not redirect to an invalid URL") from None
        next_target = parse_target(str(resolved), field, self._options.allowed)
        if target.url.scheme == "https" and next_target.url.scheme == "http":
            raise build_forbidden_url_error(field, "must not redirect from https to http")
        return next_target


@asynccontextmanager
async def open_fetcher(options: FetchOptions = FetchOptions(), lookup: Lookup | None = None) -> AsyncIterator[Fetcher]:
    """Yield the fetcher of a process and close its connections at the end.

    Args:
        options: Limits and allowed addresses.
        lookup: Called to resolve names; the resolver of the system by default.
    """
    resolver = PolicyResolver(options.allowed, lookup or resolve_with_system)
    # Connections are not reused: the address of a connection was checked for one name only.
    connector = aiohttp.TCPConnector(
        resolver=resolver, use_dns_cache=False, force_close=True, limit=_MAX_CONNECTIONS, enable_cleanup_closed=False
    )
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        # A compressed response could expand without bound.
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"media-suite/{VERSION}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
    ) as session:
        yield Fetcher(session, options)


async def resolve_with_system(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host` from the resolver of the system."""
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _to_streamed_file(response: aiohttp.ClientResponse, field: str, max_bytes: int) -> StreamedFile:
    size_bytes = response.content_length
    if size_bytes is not None and size_bytes > max_bytes:
        raise _build_too_large_error(field, max_bytes)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _build_unreachable_error(field, "must deliver the file uncompressed")
    return StreamedFile(_parse_content_type(response), size_bytes, _read_chunks(response, field, max_bytes))


async def _read_chunks(response: aiohttp.ClientResponse, field: str, max_bytes: int) -> AsyncIterator[bytes]:
    read = 0
    with _translate_errors(field):
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            read += len(chunk)
            if read > max_bytes:
                raise _build_too_large_error(field, max_bytes)
            yield chunk


def _to_head(response: aiohttp.ClientResponse) -> ResponseHead:
    return ResponseHead(response.status, _parse_content_type(response), response.content_length, str(response.url))


def _parse_content_type(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@contextmanager
def _translate_errors(field: str) -> Iterator[None]:
    """Translate connection errors, without the URL, which may contain secrets."""
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, ForbiddenAddressError) or isinstance(error.__cause__, ForbiddenAddressError):
            raise build_forbidden_url_error(field) from None
        raise _build_unreachable_error(field, "must have an existing host") from None
    except ForbiddenAddressError:
        raise build_forbidden_url_error(field) from None
    except aiohttp.ClientPayloadError:
        raise _build_unreachable_error(field, "must deliver the whole file; the connection ended early") from None
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
            raise
        raise _build_unreachable_error(field, "must be reachable; the connection failed") from None
    except ValueError:
        raise _build_unreachable_error(field, "must be a URL that can be requested") from None


def _build_unreachable_error(field: str, description: str) -> MediaError:
    return invalid(field, description, Reason.URL_UNREACHABLE)


def _build_too_large_error(field: str, max_bytes: int) -> MediaError:
    return invalid(field, f"must deliver at most {max_bytes} bytes", Reason.PAYLOAD_TOO_LARGE)
