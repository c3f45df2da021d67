"""Pipelines over fake services and buckets in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.common.rpc.call_limits import CallLimits
from services.jobs.pipelines.definitions import build_job_types
from services.jobs.pipelines.steps import Steps
from services.jobs.record import JobRecord
from tests.fakes.job_services import FakeServices, serve_fake_services
from tests.unit.jobs.memory_buckets import Buckets, make_record

CALL_SECONDS, VIDEO_SECONDS = 100.0, 1000.0
LIMITS = CallLimits(CALL_SECONDS, CALL_SECONDS, CALL_SECONDS, CALL_SECONDS)


class PipelineRig:
    """Runs jobs with fake services, and reads the records that they write."""

    def __init__(self, fake: FakeServices, steps: Steps) -> None:
        self.fake = fake
        self.steps = steps
        self.buckets = Buckets()

    @property
    def record(self) -> JobRecord:
        """The record that was written last."""
        return self.buckets.records[-1]

    @property
    def progress(self) -> list[tuple[str, float]]:
        """Stages and percents that were written, in order, each once."""
        return list(dict.fromkeys((record.stage, record.percent) for record in self.buckets.records[1:]))

    async def run_job(self, kind: str, spec: dict[str, Any], **fields: Any) -> JobRecord:
        """Run a job from the state in `fields` to its end, and return its last record."""
        lease = await self.buckets.lease(make_record(kind, spec, **fields))
        await build_job_types(self.steps, 3, 60.0)[kind].pipeline(lease)
        return self.record


@pytest.fixture
async def rig() -> AsyncIterator[PipelineRig]:
    fake = FakeServices()
    async with serve_fake_services(fake) as services:
        yield PipelineRig(
            fake,
            Steps(services, speech_format="mp3_44100_64", limits=LIMITS, video_seconds=VIDEO_SECONDS),
        )
