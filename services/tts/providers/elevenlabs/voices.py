"""The voices of ElevenLabs: the named table, and the voices of the account itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
from services.common.providers import ProviderHttpClient
from services.common.text.normalization import clean_text
from services.tts.named_voices import NAMED_VOICES
from services.tts.providers.elevenlabs.error_mapping import build_error
from services.tts.providers.elevenlabs.request import build_voice_request, build_voices_request
from services.tts.providers.elevenlabs.settings import PROVIDER, ElevenLabsSettings
from services.tts.providers.interface import Voice

log = logger(__name__)

MAX_PAGES = 100
MAX_PAGE_BYTES = 16 * 1024 * 1024
MAX_CHECKED_VOICES = 1000
"""Most answers about single voices that are remembered."""
MAX_NAME_CHARACTERS = 150
"""Longest name; with its id, it fits the field of a request, 200 code points."""

# An unlisted id that a caller may use.
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
# An id from the API becomes part of a path; nothing else may.
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}")

_TABLE = tuple(
    Voice(item.voice_id, item.name, PROVIDER, item.type, (item.language_code,), {"gender": item.gender})
    for item in NAMED_VOICES
)


class VoiceCatalog:
    """Finds voices by name or id, and caches the listing of the account.

    Args:
        account: Lists the account's voices.
        settings: How long a listing is current.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, account: AccountVoices, settings: ElevenLabsSettings, clock: Callable[[], float]) -> None:
        self._account = account
        self._settings = settings
        self._clock = clock
        self._refresh_lock = asyncio.Lock()
        self._refresh_at_seconds = clock()
        self._learn_at_seconds = clock()
        self._failure: MediaError | None = None
        self._check_lock = asyncio.Lock()
        self._checked = _CheckedVoices(settings.voices_ttl_seconds, clock)
        self._logged_missing_permission = False
        self._voices = _TABLE
        self._index = _build_index(_TABLE)

    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, or None; makes no calls.

        An unknown but well-formed id counts as a voice: the account may have a voice that the cached listing lacks.
        """
        known = self._find(voice)
        if known is None and _ID.fullmatch(voice):
            return Voice(voice, voice, PROVIDER, "account")
        return known

    async def learn(self, voice: str) -> None:
        """List the account's voices if none of this name or id is known; concurrent callers share one listing.

        That a name is unknown is remembered for `voices_unknown_seconds`, so that wrong names cost few listings.

        Raises:
            MediaError: The listing failed for now, and `voice` can only be found by it.
        """
        if self._find(voice) is not None:
            return
        async with self._refresh_lock:
            if self._find(voice) is None and self._clock() >= self._learn_at_seconds:
                await self._refresh()
        if self._failure is not None and self._failure.retryable and self.resolve(voice) is None:
            raise self._failure

    async def check(self, voice_id: str) -> None:
        """Ask the account for a voice that is not in the listing; each answer holds for `voices_ttl_seconds`.

        Raises:
            MediaError: VOICE_NOT_FOUND. No error if the account cannot be asked.
        """
        async with self._check_lock:
            exists = voice_id in self._index or self._checked.get(voice_id)
            if exists is None:
                exists = await self._ask(voice_id)
        if not exists:
            raise invalid(
                "voice", "must be a voice of this account; GET /api/voices lists them", Reason.VOICE_NOT_FOUND
            )

    async def list_voices(self) -> list[Voice]:
        """Return the table, then the account's voices as of the last successful listing."""
        async with self._refresh_lock:
            if self._clock() >= self._refresh_at_seconds:
                await self._refresh()
            return list(self._voices)

    async def _ask(self, voice_id: str) -> bool:
        """Return whether the account has a voice; True if it cannot be asked."""
        try:
            exists = await self._account.has_voice(voice_id)
        except MediaError as error:
            log.info("a voice could not be checked", provider=PROVIDER, reason=error.reason.name)
            return True
        self._checked.put(voice_id, exists)
        return exists

    def _find(self, voice: str) -> Voice | None:
        return self._index.get(voice) or self._index.get(_fold_name(voice))

    async def _refresh(self) -> None:
        """List the account's voices, and decide when they are listed again."""
        settings = self._settings
        try:
            self._voices = _merge(await self._account.fetch())
        except MediaError as error:
            self._failure = error
            current_seconds = self._handle_error(error)
            self._refresh_at_seconds = self._learn_at_seconds = self._clock() + current_seconds
            return
        self._failure = None
        self._index = _build_index(self._voices)
        self._refresh_at_seconds = self._clock() + settings.voices_ttl_seconds
        self._learn_at_seconds = self._clock() + min(settings.voices_unknown_seconds, settings.voices_ttl_seconds)

    def _handle_error(self, error: MediaError) -> float:
        not_allowed = (
            error.reason is Reason.API_KEY_MISSING or error.metadata.get("provider_code") == "missing_permissions"
        )
        if not not_allowed:
            log.warning("account voices could not be listed", provider=PROVIDER, reason=error.reason.name)
            return self._settings.voices_retry_seconds
        if not self._logged_missing_permission:
            log.info("the key may not list the account's voices", provider=PROVIDER, reason=error.reason.name)
            self._logged_missing_permission = True
        return self._settings.voices_ttl_seconds


def _merge(account_voices: Iterable[Voice]) -> tuple[Voice, ...]:
    """Return the table followed by the account's other voices, no name twice."""
    voices = {voice.voice_id: voice for voice in _TABLE}
    names = {_fold_name(voice.name) for voice in _TABLE}
    for voice in account_voices:
        if voice.voice_id not in voices:
            taken = _fold_name(voice.name) in names
            named = replace(voice, name=f"{voice.name} ({voice.voice_id})") if taken else voice
            voices[voice.voice_id] = named
            names.add(_fold_name(named.name))
    return tuple(voices.values())


def _build_index(voices: Iterable[Voice]) -> dict[str, Voice]:
    """Return the voices by name in lower case and by id; an id wins over a name, because it is unique."""
    listed = tuple(voices)
    return {_fold_name(voice.name): voice for voice in listed} | {voice.voice_id: voice for voice in listed}


def _fold_name(name: str) -> str:
    """Return the form of a name in which callers may write it: in any case, with any white space."""
    return " ".join(clean_text(name).casefold().split())


class _CheckedVoices:
    """Answers of the account about single voices, for a while; the oldest ones make room."""

    def __init__(self, ttl_seconds: float, clock: Callable[[], float]) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._answers: dict[str, tuple[float, bool]] = {}

    def get(self, voice_id: str) -> bool | None:
        """Return whether the voice exists; None if that is not known now."""
        expires_at_seconds, exists = self._answers.get(voice_id, (0.0, False))
        return exists if self._clock() < expires_at_seconds else None

    def put(self, voice_id: str, exists: bool) -> None:
        """Remember an answer."""
        self._answers.pop(voice_id, None)
        self._answers[voice_id] = (self._clock() + self._ttl_seconds, exists)
        if len(self._answers) > MAX_CHECKED_VOICES:
            del self._answers[next(iter(self._answers))]


class AccountVoices:
    """Lists the voices of one account."""

    def __init__(self, client: ProviderHttpClient, settings: ElevenLabsSettings) -> None:
        self._client = client
        self._settings = settings

    async def fetch(self) -> list[Voice]:
        """Return the account's voices, each once, in the API's order.

        Raises:
            MediaError: There is no key, or the API refused, failed or exceeded `voices_timeout_seconds`.
        """
        if not self._settings.api_key:
            raise build_error(Reason.API_KEY_MISSING)
        try:
            async with asyncio.timeout(self._settings.voices_timeout_seconds):
                return await self._fetch_all_pages()
        except TimeoutError:
            raise build_error(Reason.PROVIDER_TIMEOUT) from None

    async def has_voice(self, voice_id: str) -> bool:
        """Return whether the account can use a voice.

        Raises:
            MediaError: There is no key, or the API refused, failed or exceeded `voices_timeout_seconds`.
        """
        if not self._settings.api_key:
            raise build_error(Reason.API_KEY_MISSING)
        request = build_voice_request(voice_id)
        try:
            async with asyncio.timeout(self._settings.voices_timeout_seconds):
                await self._client.request(
                    request.method,
                    request.build_url(self._settings.base_url),
                    work_started=False,
                    max_bytes=MAX_PAGE_BYTES,
                )
        except TimeoutError:
            raise build_error(Reason.PROVIDER_TIMEOUT) from None
        except MediaError as error:
            if error.reason is Reason.VOICE_NOT_FOUND:
                return False
            raise
        return True

    async def _fetch_all_pages(self) -> list[Voice]:
        voices: dict[str, Voice] = {}
        token, seen = "", {""}
        for _ in range(MAX_PAGES):
            page = await self._fetch_page(token)
            for voice in _parse_voices(page):
                voices.setdefault(voice.voice_id, voice)
            token = _parse_next_token(page)
            # A repeated token would loop forever.
            if token in seen:
                break
            seen.add(token)
        return list(voices.values())

    async def _fetch_page(self, token: str) -> Mapping[str, Any]:
        request = build_voices_request(token)
        answer = await self._client.request(
            request.method,
            request.build_url(self._settings.base_url),
            work_started=False,
            max_bytes=MAX_PAGE_BYTES,
        )
        if not isinstance(answer.body.get("voices"), list):
            raise build_error(Reason.GENERATION_FAILED)
        return answer.body


def _parse_next_token(page: Mapping[str, Any]) -> str:
    token = page.get("next_page_token")
    return token if page.get("has_more") is True and isinstance(token, str) else ""


def _parse_voices(page: Mapping[str, Any]) -> Iterator[Voice]:
    for item in page["voices"]:
        voice_id = item.get("voice_id") if isinstance(item, dict) else None
        if isinstance(voice_id, str) and _SAFE_ID.fullmatch(voice_id):
            yield _parse_voice(voice_id, item)


def _parse_voice(voice_id: str, item: Mapping[str, Any]) -> Voice:
    preview_url = item.get("preview_url")
    return Voice(
        voice_id=voice_id,
        name=_parse_name(item.get("name")) or voice_id,
        provider=PROVIDER,
        type="account",
        language_codes=_parse_language_codes(item),
        labels=_parse_labels(item),
        preview_url=preview_url if isinstance(preview_url, str) and preview_url.startswith("https://") else "",
    )


def _parse_name(name: object) -> str:
    """Return a name as requests may write it: without control characters, and not longer than their field."""
    text = " ".join(clean_text(name).split()) if isinstance(name, str) else ""
    return text if len(text) <= MAX_NAME_CHARACTERS else text[: MAX_NAME_CHARACTERS - 1].rstrip() + "…"


def _parse_labels(item: Mapping[str, Any]) -> dict[str, str]:
    labels = item.get("labels")
    pairs = labels.items() if isinstance(labels, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _parse_language_codes(item: Mapping[str, Any]) -> tuple[str, ...]:
    verified = item.get("verified_languages")
    entries = verified if isinstance(verified, list) else []
    codes = [entry.get("language") for entry in entries if isinstance(entry, dict)]
    return tuple(dict.fromkeys(code for code in codes if isinstance(code, str) and _LANGUAGE_CODE.fullmatch(code)))
