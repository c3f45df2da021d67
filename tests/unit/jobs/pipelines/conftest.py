"""A job in hand, and the services that it is made with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.jobs.pipelines.definitions import work
from services.jobs.pipelines.steps import Steps
from services.jobs.record import Record
from tests.fakes.job_services import FakeServices, serving
from tests.unit.jobs.rig import Buckets, record_of

CALL_SECONDS, VIDEO_SECONDS = 100.0, 1000.0


class Shop:
    """What makes jobs, and what came of it."""

    def __init__(self, fake: FakeServices, steps: Steps) -> None:
        self.fake = fake
        self.steps = steps
        self.buckets = Buckets()

    @property
    def record(self) -> Record:
        """The record as it was written last."""
        return self.buckets.records[-1]

    @property
    def reached(self) -> list[tuple[str, float]]:
        """Stages and percents that were written, in order, each once."""
        return list(dict.fromkeys((record.stage, record.percent) for record in self.buckets.records[1:]))

    async def make(self, kind: str, spec: dict[str, Any], **fields: Any) -> Record:
        """Do a job from where its record says it is."""
        lease = await self.buckets.lease(record_of(kind, spec, **fields))
        await work(self.steps, 3, 60.0)[kind].pipeline(lease)
        return self.record


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    fake = FakeServices()
    async with serving(fake) as services:
        yield Shop(
            fake,
            Steps(services, speech_format="mp3_44100_64", call_seconds=CALL_SECONDS, video_seconds=VIDEO_SECONDS),
        )
