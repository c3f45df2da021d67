"""The edge that all tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.edge.harness import EdgeHarness, run_harness


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EdgeHarness]:
    async with run_harness(tmp_path_factory.mktemp("edge"), rate_limit_per_second=10_000) as running:
        yield running
