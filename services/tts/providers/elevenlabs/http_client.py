"""Sends requests to ElevenLabs and maps network failures to MediaError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.resilience.error_metadata import MAY_BE_CHARGED_KEY
from services.tts.providers.elevenlabs.error_mapping import refusal
from services.tts.providers.elevenlabs.request import ProviderRequest
from services.tts.providers.elevenlabs.settings import PROVIDER, ElevenLabsSettings

MAX_ERROR_BODY_BYTES = 64 * 1024

_NETWORK_ERRORS = (aiohttp.ClientError, OSError, HttpProcessingError)
_OK = 200

log = logger(__name__)


class Body:
    """The body of a successful response, as the network delivers it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def read(self) -> bytes:
        """Return the bytes that have arrived, waiting for at least one; empty at the end.

        Raises:
            MediaError: GENERATION_FAILED, the connection was lost before the end.
        """
        try:
            return await self._response.content.readany()
        except _NETWORK_ERRORS as error:
            log.warning("provider stream was cut", provider=PROVIDER, error_type=type(error).__name__)
            raise MediaError(
                Reason.GENERATION_FAILED, "ElevenLabs ended the answer before it was complete; try again."
            ) from None

    async def rest(self, seconds: float) -> None:
        """Leave what arrives in the kernel for `seconds`; returns at once if the answer is all here."""
        connection = self._response.connection
        protocol = None if connection is None else connection.protocol
        if protocol is None:
            return
        protocol.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            protocol.resume_reading()

    async def read_all(self, max_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            MediaError: GENERATION_FAILED, it was cut or exceeds `max_bytes`.
        """
        collected = bytearray()
        while piece := await self.read():
            collected += piece
            if len(collected) > max_bytes:
                raise MediaError(Reason.GENERATION_FAILED, "ElevenLabs sent an answer of too large a size; try again.")
        return bytes(collected)


_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class Transport:
    """HTTP client of the API: one pool of connections that stay open between requests.

    Args:
        session: The pool; closed by its owner.
        settings: Where the API is and how long to wait for it.
    """

    def __init__(self, session: aiohttp.ClientSession, settings: ElevenLabsSettings) -> None:
        self._session = session
        self._base_url = settings.base_url.rstrip("/")
        self._first_byte_timeout_seconds = settings.first_byte_timeout_seconds

    @asynccontextmanager
    async def send(self, request: ProviderRequest) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send `request` and yield the response once the API has accepted it.

        Leaving the context closes the connection at once, unless the body was read to its end: then it has gone back
        to the pool.

        Raises:
            MediaError: The API refused, could not be reached or did not answer in time.
        """
        response = await self._answer(request)
        try:
            yield response
        finally:
            response.close()

    async def _answer(self, request: ProviderRequest) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(self._first_byte_timeout_seconds):
                response = await self._send(request)
                await _refuse_unless_ok(response)
                return response
        except aiohttp.ConnectionTimeoutError as error:
            raise _unreachable(error) from None
        except TimeoutError:
            raise MediaError(
                Reason.PROVIDER_TIMEOUT,
                f"ElevenLabs did not answer within {self._first_byte_timeout_seconds:g} seconds; retry.",
            ) from None
        except _NETWORK_ERRORS as error:
            raise _unreachable(error) from None

    async def _send(self, request: ProviderRequest) -> aiohttp.ClientResponse:
        url = URL(self._base_url + request.path, encoded=True).with_query(request.query)
        return await self._session.request(
            request.method,
            url,
            headers=request.headers,
            data=None if request.json is None else orjson.dumps(request.json),
            # A redirect would carry the key to another host.
            allow_redirects=False,
        )


@asynccontextmanager
async def open_transport(settings: ElevenLabsSettings) -> AsyncIterator[Transport]:
    """Open the pool of connections, and closes it with everything still under way."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.max_connections, keepalive_timeout=settings.keep_alive_seconds, ttl_dns_cache=60
        ),
        # The caller limits silence while speech is generated, because it knows what is normal.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_seconds, sock_read=None),
        headers={"accept-encoding": "identity"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        yield Transport(session, settings)


async def _refuse_unless_ok(response: aiohttp.ClientResponse) -> None:
    if response.status == _OK:
        return
    try:
        raise refusal(response.status, response.headers, await _error_body(response))
    finally:
        response.close()


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    try:
        while len(body) <= MAX_ERROR_BODY_BYTES and (piece := await response.content.readany()):
            body += piece
    except _NETWORK_ERRORS:
        # The status alone says enough.
        return bytes(body)
    return bytes(body)


def _unreachable(error: Exception) -> MediaError:
    log.warning("provider cannot be reached", provider=PROVIDER, error_type=type(error).__name__)
    if isinstance(error, _BEFORE_SENDING):
        return MediaError(
            Reason.PROVIDER_UNAVAILABLE,
            "ElevenLabs cannot be reached; retry later, or check ELEVENLABS_BASE_URL.",
            metadata={"provider": PROVIDER},
        )
    return MediaError(
        Reason.PROVIDER_UNAVAILABLE,
        "ElevenLabs ended the connection before it answered, and may have charged for the request; retry if need be.",
        metadata={"provider": PROVIDER, MAY_BE_CHARGED_KEY: "true"},
    )
