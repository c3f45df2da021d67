"""Test of many jobs while a process is killed twice a second: every job succeeds, and pays for its video once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.chaos import run_chaos


@pytest.mark.timeout(400)
async def test_every_job_succeeds_and_pays_for_its_video_once(tmp_path: Path) -> None:
    outcome = await run_chaos(tmp_path, count=30, pause_seconds=0.5, seed=7)
    assert outcome.kills > 2
    assert outcome.failures == ()
    assert outcome.statuses == {"succeeded": 30}
    assert outcome.created == 30
