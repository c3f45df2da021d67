"""A fake Replicate and a provider for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.video.providers.replicate import ReplicateProvider
from tests.fakes.replicate import FakeReplicate, run_replicate
from tests.unit.video.providers.replicate.rig import open_provider


@pytest.fixture
async def replicate() -> AsyncIterator[FakeReplicate]:
    """A fake Replicate server."""
    async with run_replicate() as fake:
        yield fake


@pytest.fixture
async def provider(replicate: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    """A provider that does not wait between polls."""
    async with open_provider(replicate) as opened:
        yield opened
