"""A small chaos: a process is killed twice a second, and every job ends well, its video paid for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.chaos import chaos


@pytest.mark.timeout(400)
async def test_every_job_succeeds_and_is_paid_for_once(tmp_path: Path) -> None:
    outcome = await chaos(tmp_path, count=30, pause_seconds=0.5, seed=7)
    assert outcome.kills > 2
    assert outcome.failures == ()
    assert outcome.statuses == {"succeeded": 30}
    assert outcome.created == 30
