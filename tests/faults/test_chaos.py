"""A small chaos: a process is killed every second, and every job ends well, its film paid for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.chaos import chaos


@pytest.mark.timeout(180)
async def test_every_job_ends_well_and_is_paid_for_once(tmp_path: Path) -> None:
    outcome = await chaos(tmp_path, count=20, pause_seconds=1.0, seed=7)
    assert outcome.kills > 0
    assert outcome.statuses == {"succeeded": 20}
    assert outcome.created == 20
