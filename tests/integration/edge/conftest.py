"""The edge that all tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.edge.lab import Lab, run_lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with run_lab(tmp_path_factory.mktemp("edge"), rate_limit_per_second=10_000) as running:
        yield running
