"""Tests of shared generations: identical requests in flight share one call, and one of them reports its cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.common.cache.blobs import CacheBlobs
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.retry import ProviderPolicy
from services.common.worker_pool import open_workers
from services.image.generation import ImageGenerator
from services.image.planning import Plan, Planner, PlanningOptions
from services.image.prompt import PromptRequest
from services.image.providers.interface import Mode
from services.image.request import ImageRequest
from tests.fakes.image_provider import FakeImageProvider
from tests.fakes.object_store import FakeObjectStore


@pytest.fixture
def provider() -> FakeImageProvider:
    return FakeImageProvider()


@pytest.fixture
def plan(provider: FakeImageProvider) -> Plan:
    planner = Planner({"fal": provider}, PlanningOptions("fal"))
    return planner.plan(ImageRequest(Mode.STANDARD, PromptRequest("a cat"), image_size="thumbnail"))


@pytest.fixture
async def generator() -> AsyncIterator[ImageGenerator]:
    policy = ProviderPolicy(limiters={"fal": ConcurrencyLimiter("fal", None, 10)})
    blobs = CacheBlobs(FakeObjectStore(), "cache/images/", 60)
    async with (
        open_workers(1, max_queue=8, timeout_seconds=20) as workers,
        (opened := ImageGenerator(policy, workers, None, blobs, store_binary=False)).flights,
    ):
        yield opened


async def test_one_caller_reports_the_cost(generator: ImageGenerator, provider: FakeImageProvider, plan: Plan) -> None:
    provider.proceed.clear()
    callers = [asyncio.create_task(generator.generate(plan)) for _ in range(3)]
    await provider.until(lambda: len(provider.specs) == 1)
    provider.proceed.set()
    assert [(await caller).cache_status for caller in callers] == ["miss", "joined", "joined"]
    assert len(provider.specs) == 1


async def test_another_caller_reports_the_cost_if_the_first_one_leaves(
    generator: ImageGenerator, provider: FakeImageProvider, plan: Plan
) -> None:
    provider.proceed.clear()
    callers = [asyncio.create_task(generator.generate(plan)) for _ in range(3)]
    await provider.until(lambda: len(provider.specs) == 1)
    callers[0].cancel()
    await asyncio.wait(callers[:1])
    provider.proceed.set()
    assert [(await caller).cache_status for caller in callers[1:]] == ["miss", "joined"]
    assert (len(provider.specs), provider.cancelled) == (1, 0)
