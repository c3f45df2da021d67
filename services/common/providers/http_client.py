"""Sends JSON to a paid provider, and says in our words what went wrong on the way."""

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
    """Makes the error for something that a provider did not do."""

    def __call__(self, reason: Reason, *, begun: bool = False) -> MediaError:
        """Return the error; `begun` says whether the provider may have begun to work, and to charge."""


class Refusal(Protocol):
    """Makes the error for an answer that is no success."""

    def __call__(self, status: int, headers: Mapping[str, str], body: object, *, begun: bool) -> MediaError:
        """Return the error for an answer with this status, these headers and this JSON; anything at all."""


@dataclass(frozen=True, slots=True)
class ProviderEndpoint:
    """A provider, as the transport needs to know it."""

    name: str
    """Its name, for the log."""
    authorization: str = field(repr=False)
    """Value of the header Authorization."""
    base_urls: tuple[str, ...]
    """Where it is; the key goes there."""
    host_suffix: str
    """End of the hosts that are its own: the key goes there, too, over https. Begins with a dot."""
    failure: Failure
    """Its errors by reason."""
    refusal: Refusal
    """Its errors by answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered, well."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ProviderHttpClient:
    """Speaks with one provider.

    Args:
        session: Its connections.
        peer: The provider: name, base URL and error mapping.
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
        """Return what the provider answers.

        Args:
            method: HTTP method.
            url: Ours, or one that the provider returned, which is used as it is.
            body: JSON to send, or a form.
            begun: Whether the provider has accepted the work before: what fails now may have been charged.
            headers: Further headers.
            timeout_seconds: Longest that the answer may take; None where somebody else sees to it.

        Raises:
            MediaError: The provider refused, failed, could not be reached, or took too long.
        """
        try:
            async with asyncio.timeout(timeout_seconds) as limit:
                return await self._request(method, url, body, begun, headers or {})
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("a provider does not answer", provider=self._peer.name)
            raise self._peer.failure(Reason.PROVIDER_TIMEOUT, begun=begun or method == "POST") from None

    async def _request(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | aiohttp.MultipartWriter | None,
        begun: bool,
        headers: Mapping[str, str],
    ) -> Answer:
        target = self._own(url)
        sent = False
        try:
            async with self._session.request(
                method,
                target,
                data=body if body is None or isinstance(body, aiohttp.MultipartWriter) else orjson.dumps(body),
                headers=self._headers(body) | dict(headers),
                # Of a request without a body it says that it has one of unknown kind.
                skip_auto_headers=() if body is not None else ("Content-Type",),
                allow_redirects=False,
            ) as response:
                sent = True
                content = await response.content.read(_MAX_ANSWER_BYTES + 1)
                while len(content) <= _MAX_ANSWER_BYTES and (more := await response.content.readany()):
                    content += more
                found = _json(content)
                if response.status not in _OK:
                    raise self._peer.refusal(response.status, response.headers, found, begun=begun)
                if not isinstance(found, dict):
                    # Some proxy's page. What was only asked may be asked again.
                    reason = Reason.PROVIDER_UNAVAILABLE if method == "GET" else Reason.GENERATION_FAILED
                    raise self._peer.failure(reason, begun=True)
                return Answer(response.status, response.headers, found)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            log.warning("a provider cannot be reached", provider=self._peer.name, error_type=type(error).__name__)
            raise self._peer.failure(Reason.PROVIDER_UNAVAILABLE, begun=begun) from None
        except (aiohttp.ClientError, OSError) as error:
            # The request may have arrived: a retry may be charged a second time.
            log.warning(
                "a provider ended the connection",
                provider=self._peer.name,
                error_type=type(error).__name__,
                answered=sent,
            )
            raise self._peer.failure(Reason.PROVIDER_UNAVAILABLE, begun=begun or method == "POST") from None

    def _headers(self, body: object) -> dict[str, str]:
        key = {"Authorization": self._peer.authorization}
        return {**key, "Content-Type": "application/json"} if isinstance(body, Mapping) else key

    def _own(self, url: str) -> URL:
        """Return `url` if it belongs to the provider, so that the API key is sent to no other host."""
        try:
            target = URL(url, encoded=True)
            own = target.scheme == "https" and (target.host or "").endswith(self._peer.host_suffix)
            if target.user is None and (own or target.origin() in self._origins):
                return target
        except ValueError:
            pass
        log.error("a provider names an address that is not its own", provider=self._peer.name)
        raise self._peer.failure(Reason.GENERATION_FAILED, begun=True)


def open_session() -> aiohttp.ClientSession:
    """Return connections to one provider."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())


def _json(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
