"""The ElevenLabs provider; one connection pool serves all calls of the process."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from services.common.errors import MediaError, Reason
from services.tts.providers.elevenlabs.audio import read_chunks
from services.tts.providers.elevenlabs.http_client import Body, Transport, open_transport
from services.tts.providers.elevenlabs.models import CAPABILITIES, get_ignored_fields
from services.tts.providers.elevenlabs.request import build_speech_request, choose_endpoint
from services.tts.providers.elevenlabs.settings import PROVIDER, ElevenLabsSettings
from services.tts.providers.elevenlabs.voices import AccountVoices, VoiceCatalog
from services.tts.providers.interface import SpeechProvider, SpeechSpec, SpeechStream, Voice

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_UNITS = re.compile(r"[0-9]{1,18}")
_CALLS = re.compile(r"[0-9]{1,5}")

MAX_CONCURRENT_REQUESTS = 10_000


class ElevenLabsProvider(SpeechProvider):
    """Speech provider that calls the ElevenLabs API.

    Args:
        transport: HTTP client of the API.
        settings: The key, and how the API is called.
        clock: Monotonic clock, in seconds.
    """

    name = PROVIDER
    capabilities = CAPABILITIES

    def __init__(
        self, transport: Transport, settings: ElevenLabsSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._catalog = VoiceCatalog(AccountVoices(transport, settings), settings, clock)

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        """Open the speech of `spec`; leaving the context before its end closes the connection to the API.

        Raises:
            MediaError: API_KEY_MISSING without a call, or the error of the API or of the network.
        """
        if not self._settings.api_key:
            raise MediaError(
                Reason.API_KEY_MISSING,
                "No ElevenLabs key is configured; set ELEVENLABS_API_KEY or use another provider.",
            )
        endpoint = choose_endpoint(spec, with_alignment=with_alignment)
        async with self._transport.send(build_speech_request(spec, endpoint, self._settings)) as response:
            body = Body(response)
            yield SpeechStream(
                chunks=read_chunks(response, body, endpoint),
                request_id=_get_header(_REQUEST_ID, response.headers, "request-id"),
                cost_units=_parse_cost_units(response.headers),
                ignored_fields=get_ignored_fields(spec),
                max_concurrent_requests=_parse_max_concurrent_requests(response.headers),
                rest=body.rest,
            )

    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, or None; any well-formed id counts as a voice."""
        return self._catalog.resolve(voice)

    async def list_voices(self) -> list[Voice]:
        """Return the named voices, then the account's; never fails, but the latter may be outdated or missing."""
        return await self._catalog.list_voices()


@asynccontextmanager
async def open_elevenlabs(settings: ElevenLabsSettings) -> AsyncIterator[ElevenLabsProvider]:
    """Open the provider; leaving the context closes its connections."""
    async with open_transport(settings) as transport:
        yield ElevenLabsProvider(transport, settings)


def _parse_cost_units(headers: Mapping[str, str]) -> int | None:
    value = _get_header(_UNITS, headers, "character-cost")
    return int(value) if value else None


def _parse_max_concurrent_requests(headers: Mapping[str, str]) -> int | None:
    value = int(_get_header(_CALLS, headers, "maximum-concurrent-requests") or 0)
    return value if 1 <= value <= MAX_CONCURRENT_REQUESTS else None


def _get_header(pattern: re.Pattern[str], headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    return value if pattern.fullmatch(value) else ""
