"""The voices that ElevenLabs can be asked for: the named table, and what the account has of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.tts.providers.elevenlabs.account_voices import AccountVoices
from services.tts.providers.elevenlabs.settings import PROVIDER, ElevenLabsSettings
from services.tts.providers.interface import Voice
from services.tts.voices import NAMED_VOICES

log = logger(__name__)

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")

_TABLE = tuple(
    Voice(item.voice_id, item.name, PROVIDER, item.type, (item.language_code,), {"gender": item.gender})
    for item in NAMED_VOICES
)


class VoiceCatalog:
    """Finds voices by name or id, and keeps the account's listing for a while.

    Args:
        account: Lists the account's voices.
        settings: How long a listing is current.
        clock: Returns seconds on a clock that never goes back.
    """

    def __init__(self, account: AccountVoices, settings: ElevenLabsSettings, clock: Callable[[], float]) -> None:
        self._account = account
        self._settings = settings
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._ask_again_at_seconds = clock()
        self._told_that_not_allowed = False
        self._voices = _TABLE
        self._index = _index(_TABLE)

    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, or None; asks nobody.

        An id that is not known is taken as it is: the account may have got that voice a moment ago.
        """
        known = self._index.get(voice) or self._index.get(voice.casefold())
        if known is None and _ID.fullmatch(voice):
            return Voice(voice, voice, PROVIDER, "account")
        return known

    async def list_voices(self) -> list[Voice]:
        """Return the table, then the account's voices as they were when they could last be had."""
        async with self._one_at_a_time:
            if self._clock() >= self._ask_again_at_seconds:
                current_seconds = await self._refresh()
                self._ask_again_at_seconds = self._clock() + current_seconds
            return list(self._voices)

    async def _refresh(self) -> float:
        """Ask for the account's voices and returns how long the answer is good for."""
        try:
            self._voices = _merge(await self._account.fetch())
        except MediaError as error:
            return self._after(error)
        self._index = _index(self._voices)
        return self._settings.voices_ttl_seconds

    def _after(self, error: MediaError) -> float:
        not_allowed = (
            error.reason is Reason.API_KEY_MISSING or error.metadata.get("provider_code") == "missing_permissions"
        )
        if not not_allowed:
            log.warning("account voices could not be listed", provider=PROVIDER, reason=error.reason.name)
            return self._settings.voices_retry_seconds
        if not self._told_that_not_allowed:
            log.info("no key that may list the account's voices", provider=PROVIDER, reason=error.reason.name)
            self._told_that_not_allowed = True
        return self._settings.voices_ttl_seconds


def _merge(of_account: Iterable[Voice]) -> tuple[Voice, ...]:
    """Return the table followed by the account's other voices, no name twice."""
    voices = {voice.voice_id: voice for voice in _TABLE}
    names = {voice.name.casefold() for voice in _TABLE}
    for voice in of_account:
        if voice.voice_id not in voices:
            taken = voice.name.casefold() in names
            named = replace(voice, name=f"{voice.name} ({voice.voice_id})") if taken else voice
            voices[voice.voice_id] = named
            names.add(named.name.casefold())
    return tuple(voices.values())


def _index(voices: Iterable[Voice]) -> dict[str, Voice]:
    """Return the voices by name in lower case and by id; ids go last, they are what cannot be mistaken."""
    listed = tuple(voices)
    return {voice.name.casefold(): voice for voice in listed} | {voice.voice_id: voice for voice in listed}
