"""Replicate and the provider that asks it, for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.video.providers.replicate import ReplicateProvider
from tests.fakes.replicate import FakeReplicate, running_replicate
from tests.unit.video.providers.replicate.rig import provider_of


@pytest.fixture
async def replicate() -> AsyncIterator[FakeReplicate]:
    """A server of the test's own."""
    async with running_replicate() as fake:
        yield fake


@pytest.fixture
async def provider(replicate: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    """The provider, which does not wait between its questions."""
    async with provider_of(replicate) as opened:
        yield opened
