"""HTTP client of paid providers: sends JSON and translates every failure to a MediaError."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import orjson
from yarl import URL

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_OK = range(200, 300)


class Failure(Protocol):
    """Called with a reason to build the error when a provider gave no usable answer."""

    def __call__(self, reason: Reason, *, begun: bool = False) -> MediaError:
        """Return the error; `begun` says whether the provider may have started to work, and to charge."""


class Refusal(Protocol):
    """Called with an answer outside 2xx to build its error."""

    def __call__(self, status: int, headers: Mapping[str, str], body: object, *, begun: bool) -> MediaError:
        """Return the error for this status, these headers and this decoded JSON, of any type; None if not JSON."""


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """Address, credentials and error builders of a provider."""

    name: str
    """Name of the provider, for the log."""
    authorization: str = field(repr=False)
    """Value of the header Authorization."""
    base_urls: tuple[str, ...]
    """Base URLs of the API; the key is sent there."""
    host_suffix: str
    """Suffix of the provider's own hosts, with a leading dot; the key is sent there too, over https only."""
    failure: Failure
    """Builds errors by reason."""
    refusal: Refusal
    """Builds errors from answers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer of a provider."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ProviderHttpClient:
    """Sends requests to one provider.

    Args:
        session: Connections to the provider; the caller closes it.
        peer: The provider.
    """

    def __init__(self, session: aiohttp.ClientSession, peer: ProviderEndpoint) -> None:
        self._session = session
        self._peer = peer
        self._origins = {URL(base).origin() for base in peer.base_urls}

    async def ask(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | aiohttp.MultipartWriter | None = None,
        *,
        begun: bool,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Send a request and return the answer of the provider.

        Args:
            method: HTTP method.
            url: One that we built, or one that the provider returned, which is used unchanged.
            body: JSON to send, or a form.
            begun: Whether the provider has already accepted the work, so that a failure now may have been charged.
            headers: Further headers.
            timeout_seconds: Longest that the answer may take; None if the caller limits it.

        Raises:
            MediaError: The provider refused, failed, could not be reached, or took too long.
        """
        try:
            async with asyncio.timeout(timeout_seconds) as limit:
                return await self._request(method, url, body, begun, headers or {})
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("provider did not answer in time", provider=self._peer.name)
            raise self._peer.failure(Reason.PROVIDER_TIMEOUT, begun=begun or method == "POST") from None

    async def _request(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | aiohttp.MultipartWriter | None,
        begun: bool,
        headers: Mapping[str, str],
    ) -> Answer:
        target = self._check_origin(url)
        sent = False
        try:
            async with self._session.request(
                method,
                target,
                data=body if body is None or isinstance(body, aiohttp.MultipartWriter) else orjson.dumps(body),
                headers=self._headers(body) | dict(headers),
                # aiohttp sends a content type even for a request without a body.
                skip_auto_headers=() if body is not None else ("Content-Type",),
                allow_redirects=False,
            ) as response:
                sent = True
                content = await response.content.read(_MAX_ANSWER_BYTES + 1)
                while len(content) <= _MAX_ANSWER_BYTES and (more := await response.content.readany()):
                    content += more
                found = _parse_json(content)
                if response.status not in _OK:
                    raise self._peer.refusal(response.status, response.headers, found, begun=begun)
                if not isinstance(found, dict):
                    # Probably the page of a proxy. A GET changed nothing, so it may be retried.
                    reason = Reason.PROVIDER_UNAVAILABLE if method == "GET" else Reason.GENERATION_FAILED
                    raise self._peer.failure(reason, begun=True)
                return Answer(response.status, response.headers, found)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            log.warning("provider is unreachable", provider=self._peer.name, error_type=type(error).__name__)
            raise self._peer.failure(Reason.PROVIDER_UNAVAILABLE, begun=begun) from None
        except (aiohttp.ClientError, OSError) as error:
            # The request may have arrived; to send it again might be charged twice.
            log.warning(
                "provider closed the connection",
                provider=self._peer.name,
                error_type=type(error).__name__,
                answered=sent,
            )
            raise self._peer.failure(Reason.PROVIDER_UNAVAILABLE, begun=begun or method == "POST") from None

    def _headers(self, body: object) -> dict[str, str]:
        key = {"Authorization": self._peer.authorization}
        return {**key, "Content-Type": "application/json"} if isinstance(body, Mapping) else key

    def _check_origin(self, url: str) -> URL:
        """Return `url` if it belongs to the provider; the key must not be sent to another host."""
        try:
            target = URL(url, encoded=True)
            own = target.scheme == "https" and (target.host or "").endswith(self._peer.host_suffix)
            if target.user is None and (own or target.origin() in self._origins):
                return target
        except ValueError:
            pass
        log.error("provider returned a URL outside its own hosts", provider=self._peer.name)
        raise self._peer.failure(Reason.GENERATION_FAILED, begun=True)


def open_session() -> aiohttp.ClientSession:
    """Return a new session for one provider, without cookies; the caller closes it."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())


def _parse_json(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
