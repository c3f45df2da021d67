"""Asks ElevenLabs for the voices that the account has of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from services.common.errors import MediaError, Reason
from services.tts.providers.elevenlabs.http_client import Body, Transport
from services.tts.providers.elevenlabs.request import voices_request
from services.tts.providers.elevenlabs.settings import PROVIDER, ElevenLabsSettings
from services.tts.providers.interface import Voice

MAX_PAGES = 100
MAX_PAGE_BYTES = 16 * 1024 * 1024

# An id becomes part of a path; nothing else may.
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}")


class AccountVoices:
    """Lists the voices of one account."""

    def __init__(self, transport: Transport, settings: ElevenLabsSettings) -> None:
        self._transport = transport
        self._settings = settings

    async def fetch(self) -> list[Voice]:
        """Return the account's voices, each once, in the API's order.

        Raises:
            MediaError: There is no key, or the API refused, failed or took longer than `voices_timeout_seconds`.
        """
        if not self._settings.api_key:
            raise MediaError(Reason.API_KEY_MISSING)
        try:
            async with asyncio.timeout(self._settings.voices_timeout_seconds):
                return await self._all_pages()
        except TimeoutError:
            raise MediaError(Reason.PROVIDER_TIMEOUT) from None

    async def _all_pages(self) -> list[Voice]:
        voices: dict[str, Voice] = {}
        token, seen = "", {""}
        for _ in range(MAX_PAGES):
            page = await self._page(token)
            for voice in _voices(page):
                voices.setdefault(voice.voice_id, voice)
            token = _next_token(page)
            # A token that comes again would lead round in circles.
            if token in seen:
                break
            seen.add(token)
        return list(voices.values())

    async def _page(self, token: str) -> Mapping[str, Any]:
        async with self._transport.send(voices_request(self._settings, token)) as response:
            body = await Body(response).read_all(MAX_PAGE_BYTES)
        try:
            page = orjson.loads(body)
        except orjson.JSONDecodeError:
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("voices"), list):
            raise MediaError(Reason.GENERATION_FAILED, "ElevenLabs sent a listing of voices that cannot be read.")
        return page


def _next_token(page: Mapping[str, Any]) -> str:
    token = page.get("next_page_token")
    return token if page.get("has_more") is True and isinstance(token, str) else ""


def _voices(page: Mapping[str, Any]) -> Iterator[Voice]:
    for item in page["voices"]:
        voice_id = item.get("voice_id") if isinstance(item, dict) else None
        if isinstance(voice_id, str) and _SAFE_ID.fullmatch(voice_id):
            yield _voice(voice_id, item)


def _voice(voice_id: str, item: Mapping[str, Any]) -> Voice:
    preview_url = item.get("preview_url")
    return Voice(
        voice_id=voice_id,
        name=str(item.get("name") or "").strip() or voice_id,
        provider=PROVIDER,
        type="account",
        language_codes=_language_codes(item),
        labels=_labels(item),
        preview_url=preview_url if isinstance(preview_url, str) and preview_url.startswith("https://") else "",
    )


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    labels = item.get("labels")
    pairs = labels.items() if isinstance(labels, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _language_codes(item: Mapping[str, Any]) -> tuple[str, ...]:
    verified = item.get("verified_languages")
    entries = verified if isinstance(verified, list) else []
    codes = [entry.get("language") for entry in entries if isinstance(entry, dict)]
    return tuple(dict.fromkeys(code for code in codes if isinstance(code, str) and _LANGUAGE_CODE.fullmatch(code)))
