"""Fixtures and helpers of the cache tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.cache.interface import Entry
from tests.fakes.clocks import START_SECONDS, Clocks
from tests.unit.common.cache.backends import KINDS, Backend, MongoBackend
from tests.unit.common.cache.rig import Rig

NOON = datetime.fromtimestamp(START_SECONDS, UTC)
FIELDS = {
    "contentType": "audio/mpeg",
    "voiceId": "9BWtsMINqrJLrRacOk9x",
    "voiceName": "Aria",
    "textLength": 11,
    "parameters": {"speed": 1.05, "seed": None, "speakerBoost": True},
    "sha256": "of the audio, set by the writer",
    "alignment": {"characters": ["H", "\u00e9", "\U0001f600", ""], "starts": [0.0, 0.1, 1 / 3, 0.30000000000000004]},
}


def make_entry(
    key: str = "a" * 64, data: bytes = b"\x00sound\xff" * 9, ttl_seconds: float = 60, **fields: Any
) -> Entry:
    """Return an entry that was created at the start of the clocks of the test."""
    return Entry(key, fields or FIELDS, data, NOON, NOON + timedelta(seconds=ttl_seconds))


@pytest.fixture
def clocks() -> Clocks:
    """Return the clocks of the test."""
    return Clocks()


@pytest.fixture(params=list(KINDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Yield an empty backend of each kind."""
    opened = KINDS[request.param](tmp_path)
    yield opened
    if isinstance(opened, MongoBackend):
        opened.drop()


@pytest.fixture
def rig(clocks: Clocks) -> Rig:
    """Return a builder of caches and stores that share the clocks of the test."""
    return Rig(clocks)
