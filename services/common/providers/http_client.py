"""HTTP client of the paid providers: sends requests and translates every failure to a MediaError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_OK = range(200, 300)
_NETWORK_ERRORS = (aiohttp.ClientError, OSError, HttpProcessingError)
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

Body = Mapping[str, Any] | bytes | aiohttp.MultipartWriter | None
"""A request body: an object to send as JSON, JSON as bytes, a form, or None."""
Origin = tuple[URL, str | None, str | None]
"""Origin of a URL, with its user and password."""


class BuildError(Protocol):
    """Called with a reason to build the error of a provider that gave no usable response."""

    def __call__(self, reason: Reason, *, may_be_charged: bool = False) -> MediaError:
        """Return the error; `may_be_charged` says whether the provider may have started to work."""


class MapResponse(Protocol):
    """Called with a response outside 2xx to build its error."""

    def __call__(self, status: int, headers: Mapping[str, str], body: object, *, work_started: bool) -> MediaError:
        """Return the error.

        Args:
            status: HTTP status.
            headers: Headers of the response; names are case-insensitive.
            body: Decoded JSON of any type; an empty object if the body is empty or null, None if it is not JSON.
            work_started: Whether the provider had accepted the work before this request.
        """


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """Address, credentials and error builders of a provider."""

    name: str
    """Name of the provider, for the log."""
    credentials: Mapping[str, str] = field(repr=False)
    """Headers that carry the key."""
    base_urls: tuple[str, ...]
    """Base URLs of the API; the key is sent there."""
    build_error: BuildError
    """Builds errors by reason."""
    map_response: MapResponse
    """Builds errors from responses."""
    host_suffix: str = ""
    """Suffix of the provider's own hosts, with a leading dot; the key is sent there too, over https only."""
    cut_reason: Reason = Reason.PROVIDER_UNAVAILABLE
    """Reason of a response that ended too early."""
    max_error_bytes: int = _MAX_ANSWER_BYTES
    """How much of the body of an error is read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response with a JSON object."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ProviderResponse:
    """A successful response, whose body is read as the network delivers it.

    Args:
        response: The response.
        endpoint: The provider.
        may_be_charged: Whether the provider may charge for the request.
    """

    def __init__(self, response: aiohttp.ClientResponse, endpoint: ProviderEndpoint, *, may_be_charged: bool) -> None:
        self._response = response
        self._endpoint = endpoint
        self._may_be_charged = may_be_charged
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content_type: str = response.content_type

    async def read(self) -> bytes:
        """Return the bytes that have arrived, waiting for at least one; empty at the end.

        Raises:
            MediaError: The connection was lost before the end.
        """
        try:
            return await self._response.content.readany()
        except _NETWORK_ERRORS as error:
            log.warning("provider cut its response", provider=self._endpoint.name, error_type=type(error).__name__)
            raise self._endpoint.build_error(self._endpoint.cut_reason, may_be_charged=self._may_be_charged) from None

    async def read_all(self, max_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            MediaError: The connection was lost before the end; GENERATION_FAILED, the body exceeds `max_bytes`.
        """
        content = bytearray()
        await _collect(self.read, content, max_bytes)
        if len(content) > max_bytes:
            raise self._endpoint.build_error(Reason.GENERATION_FAILED, may_be_charged=True)
        return bytes(content)

    async def pause(self, seconds: float) -> None:
        """Leave what arrives in the kernel for `seconds`; return at once if the whole body has arrived."""
        connection = self._response.connection
        protocol = None if connection is None else connection.protocol
        if protocol is None:
            return
        protocol.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            protocol.resume_reading()


class ProviderHttpClient:
    """Sends requests to one provider.

    Args:
        session: Connections to the provider; the caller closes it.
        endpoint: The provider.
    """

    def __init__(self, session: aiohttp.ClientSession, endpoint: ProviderEndpoint) -> None:
        self._session = session
        self._endpoint = endpoint
        self._origins = _parse_origins(endpoint.base_urls)

    async def request(
        self,
        method: str,
        url: str,
        body: Body = None,
        *,
        work_started: bool,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
        max_bytes: int = _MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send a request and return the JSON object that the provider answers.

        Args:
            method: HTTP method.
            url: One that we built, or one that the provider returned, which is used unchanged.
            body: What to send.
            work_started: Whether the provider has accepted the work, so that a failure now may be charged.
            headers: Further headers.
            timeout_seconds: Longest wait for the whole answer; None if the caller limits it.
            max_bytes: Largest answer.

        Raises:
            MediaError: The provider refused, failed, could not be reached, or took too long.
        """
        async with (
            self._limit_time(method, work_started, timeout_seconds),
            self.open_response(method, url, body, work_started=work_started, headers=headers) as response,
        ):
            content = bytearray()
            await _collect(response.read, content, max_bytes)
        found = _parse_object(content) if len(content) <= max_bytes else None
        if found is None:
            # Probably the page of a proxy. A GET changed nothing, so it may be retried.
            reason = Reason.PROVIDER_UNAVAILABLE if method == "GET" else Reason.GENERATION_FAILED
            raise self._endpoint.build_error(reason, may_be_charged=True)
        return Answer(response.status, response.headers, found)

    @asynccontextmanager
    async def open_response(
        self,
        method: str,
        url: str,
        body: Body = None,
        *,
        work_started: bool,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[ProviderResponse]:
        """Send a request and yield the response once the provider has accepted it; arguments as for `request`.

        `timeout_seconds` limits the wait for the headers; the caller limits the time for the body. Leaving the context
        closes the connection, unless the body was read to its end: then the next request can use the connection.

        Raises:
            MediaError: The provider refused, failed, could not be reached, or sent no headers in time.
        """
        target = self._check_origin(url, work_started=work_started)
        async with self._limit_time(method, work_started, timeout_seconds):
            response = await self._send(method, target, body, work_started, headers or {})
        try:
            yield ProviderResponse(response, self._endpoint, may_be_charged=_may_be_charged(method, work_started))
        finally:
            response.close()

    @asynccontextmanager
    async def _limit_time(self, method: str, work_started: bool, seconds: float | None) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("provider did not answer in time", provider=self._endpoint.name)
            raise self._endpoint.build_error(
                Reason.PROVIDER_TIMEOUT, may_be_charged=_may_be_charged(method, work_started)
            ) from None

    async def _send(
        self, method: str, target: URL, body: Body, work_started: bool, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        try:
            response = await self._session.request(
                method,
                target,
                data=orjson.dumps(body) if isinstance(body, Mapping) else body,
                headers=self._build_headers(body) | dict(headers),
                # aiohttp sends a content type even for a request without a body.
                skip_auto_headers=() if body is not None else ("Content-Type",),
                # A redirect would carry the key to another host.
                allow_redirects=False,
            )
        except _BEFORE_SENDING as error:
            log.warning("provider is unreachable", provider=self._endpoint.name, error_type=type(error).__name__)
            raise self._endpoint.build_error(Reason.PROVIDER_UNAVAILABLE, may_be_charged=work_started) from None
        except _NETWORK_ERRORS as error:
            # The request may have arrived; to send it again might be charged twice.
            log.warning("provider closed the connection", provider=self._endpoint.name, error_type=type(error).__name__)
            raise self._endpoint.build_error(
                Reason.PROVIDER_UNAVAILABLE, may_be_charged=_may_be_charged(method, work_started)
            ) from None
        except ValueError as error:
            # A malformed host or key. The text of the error may contain it.
            log.error(
                "request to the provider is malformed", provider=self._endpoint.name, error_type=type(error).__name__
            )
            raise self._endpoint.build_error(
                Reason.GENERATION_FAILED, may_be_charged=_may_be_charged(method, work_started)
            ) from None
        if response.status in _OK:
            return response
        try:
            content = await _read_error_body(response, self._endpoint.max_error_bytes)
        finally:
            response.close()
        raise self._endpoint.map_response(
            response.status, response.headers, decode_body(content), work_started=work_started
        )

    def _build_headers(self, body: Body) -> dict[str, str]:
        is_json = isinstance(body, Mapping | bytes)
        return {**self._endpoint.credentials, **({"Content-Type": "application/json"} if is_json else {})}

    def _check_origin(self, url: str, *, work_started: bool) -> URL:
        """Return `url` if it belongs to the provider; the key must not be sent to another host."""
        endpoint = self._endpoint
        if not self._origins:
            log.error("the base URL of the provider is not an http address", provider=endpoint.name)
            raise endpoint.build_error(Reason.PROVIDER_UNAVAILABLE, may_be_charged=work_started)
        try:
            target = URL(url, encoded=True)
            suffix = endpoint.host_suffix
            own = bool(suffix) and target.scheme == "https" and (target.host or "").endswith(suffix)
            has_login = target.raw_user is not None or target.raw_password is not None
            if (own and not has_login) or _split_origin(target) in self._origins:
                return target
        except ValueError:
            pass
        log.error("provider returned a URL outside its own hosts", provider=endpoint.name)
        raise endpoint.build_error(Reason.GENERATION_FAILED, may_be_charged=True)


def open_session(
    *,
    connect_timeout_seconds: float = _CONNECT_SECONDS,
    max_connections: int = 100,
    keep_alive_seconds: float = 15.0,
    decompress: bool = True,
) -> aiohttp.ClientSession:
    """Return a new session for one provider, without cookies; the caller closes it.

    Args:
        connect_timeout_seconds: Longest wait for a new connection, TLS included.
        max_connections: Connections open at once; further requests wait for one.
        keep_alive_seconds: How long an idle connection stays open for the next request.
        decompress: Whether responses may be compressed; without it, the provider is asked not to.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=keep_alive_seconds, ttl_dns_cache=60),
        # No limit for the answer: the caller limits its time, because only the caller knows what is normal.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_seconds, sock_read=None),
        headers=None if decompress else {"Accept-Encoding": "identity"},
        auto_decompress=decompress,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _may_be_charged(method: str, work_started: bool) -> bool:
    return work_started or method == "POST"


def _parse_origins(base_urls: Iterable[str]) -> frozenset[Origin]:
    """Return the origins of the base URLs that are http addresses, each normalized and as written.

    A provider may write its host in lower case where the setting does not; our own URLs repeat the setting, with the
    user and password that it may have for a proxy.
    """
    origins: set[Origin] = set()
    for base in base_urls:
        try:
            both = (_split_origin(URL(base)), _split_origin(URL(base, encoded=True)))
        except ValueError:
            continue
        if both[0][0].scheme in ("http", "https"):
            origins.update(both, ((origin, None, None) for origin, _, _ in both))
    return frozenset(origins)


def _split_origin(url: URL) -> Origin:
    return url.origin(), url.raw_user, url.raw_password


async def _read_error_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = bytearray()
    try:
        await _collect(response.content.readany, body, max_bytes)
    except _NETWORK_ERRORS:
        # The status alone says enough.
        return bytes(body)
    return bytes(body)


async def _collect(read: Callable[[], Awaitable[bytes]], content: bytearray, max_bytes: int) -> None:
    """Add what `read` returns to `content` until the end, or until there are more than `max_bytes`."""
    while len(content) <= max_bytes and (piece := await read()):
        content += piece


def _parse_object(content: bytearray) -> dict[str, Any] | None:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def decode_body(content: bytes) -> object:
    """Return the JSON of the body of an error; an empty object if it is empty or null, None if it is not JSON."""
    if not content.strip():
        return {}
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return {} if found is None else found
