"""The ElevenLabs provider; one connection pool serves all calls of the process."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from services.common.errors import Reason
from services.common.providers import ProviderEndpoint, ProviderHttpClient, open_session
from services.common.text.directions import Kind
from services.tts.providers.elevenlabs.audio import read_chunks
from services.tts.providers.elevenlabs.error_mapping import build_error, map_response
from services.tts.providers.elevenlabs.models import CAPABILITIES, get_ignored_fields, list_directions
from services.tts.providers.elevenlabs.request import build_speech_request, choose_endpoint
from services.tts.providers.elevenlabs.settings import PROVIDER, ElevenLabsSettings
from services.tts.providers.elevenlabs.voices import AccountVoices, VoiceCatalog
from services.tts.providers.interface import SpeechProvider, SpeechSpec, SpeechStream, Voice

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_UNITS = re.compile(r"[0-9]{1,18}")
_CALLS = re.compile(r"[0-9]{1,5}")

MAX_CONCURRENT_REQUESTS = 10_000
MAX_ERROR_BODY_BYTES = 64 * 1024


class ElevenLabsProvider(SpeechProvider):
    """Speech provider that calls the ElevenLabs API.

    Args:
        client: HTTP client of the API.
        settings: The key, and how the API is called.
        clock: Monotonic clock, in seconds.
    """

    name = PROVIDER
    capabilities = CAPABILITIES

    def __init__(
        self, client: ProviderHttpClient, settings: ElevenLabsSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._settings = settings
        self._catalog = VoiceCatalog(AccountVoices(client, settings), settings, clock)

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        """Open the speech of `spec`; leaving the context before its end closes the connection to the API.

        Raises:
            MediaError: API_KEY_MISSING without a call, or the error of the API or of the network.
        """
        self.check_ready()
        endpoint = choose_endpoint(spec, with_alignment=with_alignment)
        request = build_speech_request(spec, endpoint, self._settings)
        async with self._client.open_response(
            request.method,
            request.build_url(self._settings.base_url),
            request.json,
            work_started=False,
            timeout_seconds=self._settings.first_byte_timeout_seconds,
        ) as response:
            yield SpeechStream(
                chunks=read_chunks(response, endpoint),
                request_id=_get_header(_REQUEST_ID, response.headers, "request-id"),
                cost_units=_parse_cost_units(response.headers),
                ignored_fields=get_ignored_fields(spec),
                max_concurrent_requests=_parse_max_concurrent_requests(response.headers),
                pause=response.pause,
            )

    def list_directions(self, model_id: str) -> frozenset[Kind]:
        """Return the kinds of directions that a model follows."""
        return list_directions(model_id)

    def check_ready(self) -> None:
        """Raise API_KEY_MISSING if no key is configured."""
        if not self._settings.api_key:
            raise build_error(Reason.API_KEY_MISSING)

    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, or None; any well-formed id counts as a voice."""
        return self._catalog.resolve(voice)

    async def learn_voice(self, voice: str) -> None:
        """List the voices of the account if it may have a voice of this name that is not known yet."""
        await self._catalog.learn(voice)

    async def check_voice(self, voice: Voice) -> None:
        """Raise VOICE_NOT_FOUND for an id that neither the table nor the account has."""
        await self._catalog.check(voice.voice_id)

    async def list_voices(self) -> list[Voice]:
        """Return the named voices, then the account's; never fails, but the latter may be outdated or missing."""
        return await self._catalog.list_voices()


@asynccontextmanager
async def open_elevenlabs(settings: ElevenLabsSettings) -> AsyncIterator[ElevenLabsProvider]:
    """Open the provider; leaving the context closes its connections, also those in use."""
    async with open_client(settings) as client:
        yield ElevenLabsProvider(client, settings)


@asynccontextmanager
async def open_client(settings: ElevenLabsSettings) -> AsyncIterator[ProviderHttpClient]:
    """Open the HTTP client of the API: one pool of connections that stay open between requests."""
    endpoint = ProviderEndpoint(
        name=PROVIDER,
        credentials={"xi-api-key": settings.api_key},
        base_urls=(settings.base_url,),
        build_error=build_error,
        map_response=map_response,
        cut_reason=Reason.GENERATION_FAILED,
        max_error_bytes=MAX_ERROR_BODY_BYTES,
    )
    async with open_session(
        connect_timeout_seconds=settings.connect_timeout_seconds,
        max_connections=settings.max_connections,
        keep_alive_seconds=settings.keep_alive_seconds,
        # Audio must arrive as it is generated, without a decoder that collects it.
        decompress=False,
    ) as session:
        yield ProviderHttpClient(session, endpoint)


def _parse_cost_units(headers: Mapping[str, str]) -> int | None:
    value = _get_header(_UNITS, headers, "character-cost")
    return int(value) if value else None


def _parse_max_concurrent_requests(headers: Mapping[str, str]) -> int | None:
    value = int(_get_header(_CALLS, headers, "maximum-concurrent-requests") or 0)
    return value if 1 <= value <= MAX_CONCURRENT_REQUESTS else None


def _get_header(pattern: re.Pattern[str], headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    return value if pattern.fullmatch(value) else ""
