"""A fake of the API, and a provider that calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs, run_elevenlabs


@pytest.fixture
async def fake() -> AsyncIterator[FakeElevenLabs]:
    async with run_elevenlabs() as server:
        yield server


@pytest.fixture
async def provider(fake: FakeElevenLabs) -> AsyncIterator[ElevenLabsProvider]:
    async with open_elevenlabs(ElevenLabsSettings(API_KEY, fake.base_url)) as elevenlabs:
        yield elevenlabs
