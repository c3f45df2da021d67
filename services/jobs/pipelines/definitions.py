"""The kinds of jobs: each a short function over the steps."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import ParseDict
from media.jobs.v1 import jobs_pb2

from services.jobs.job_type import JobType, Pipeline
from services.jobs.lease import Lease
from services.jobs.pipelines.requests import build_narration, build_video
from services.jobs.pipelines.steps import IMAGE, Span, Steps

DEFAULT_DELAY_MS = 500


def work(steps: Steps, fleet: int, patience_seconds: float) -> Mapping[str, JobType]:
    """Return what each kind that callers may ask for is done by.

    Args:
        steps: Does the steps.
        fleet: Most jobs of one kind that all workers together do at once.
        patience_seconds: How long a job goes on trying while what it needs is away.
    """
    pipelines: Mapping[str, Pipeline] = {
        "animate": lambda lease: animate(lease, steps),
        "talking_video": lambda lease: talking_video(lease, steps),
        "headline": lambda lease: headline(lease, steps),
        "story": lambda lease: story(lease, steps),
    }
    return {
        kind: JobType(pipeline, steps.cancel_video, fleet, patience_seconds=patience_seconds)
        for kind, pipeline in pipelines.items()
    }


async def animate(lease: Lease, steps: Steps) -> None:
    """A video of an image."""
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.AnimateSpec())
    await steps.video(lease, spec.video, Span(1, 99))


async def talking_video(lease: Lease, steps: Steps) -> None:
    """A video of an image, with speech over it."""
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.TalkingVideoSpec())
    await steps.narration(lease, spec.narration, Span(1, 15))
    await steps.video(lease, spec.video, Span(15, 85))
    delay_ms = spec.audio_delay_ms if spec.HasField("audio_delay_ms") else DEFAULT_DELAY_MS
    await steps.mux(lease, Span(85, 99), audio_delay_ms=delay_ms, captions=spec.captions)


async def headline(lease: Lease, steps: Steps) -> None:
    """An image and narration of a headline."""
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.HeadlineSpec())
    await _illustrate(lease, steps, spec, Span(1, 55), Span(55, 90))
    await lease.reach("storage", 95)
    # Both are stored by those who made them: what is asked for here is whether the timing is there, too.
    await steps.alignment(lease.record)


async def story(lease: Lease, steps: Steps) -> None:
    """A video of a headline's image, with narration and captions."""
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.StorySpec())
    await _illustrate(lease, steps, spec.headline, Span(1, 15), Span(15, 25))
    video = build_video(spec, lease.record.steps[IMAGE]["key"])
    await steps.video(lease, video, Span(25, 88))
    captions = spec.captions or jobs_pb2.JOB_CAPTIONS_TRACK
    await steps.mux(lease, Span(88, 99), audio_delay_ms=DEFAULT_DELAY_MS, captions=captions)


async def _illustrate(lease: Lease, steps: Steps, spec: jobs_pb2.HeadlineSpec, drawn: Span, spoken: Span) -> None:
    """Draw and speaks a headline."""
    await lease.begin(IMAGE, drawn.low, "prompt")
    await steps.image(lease, spec, drawn)
    await steps.narration(lease, build_narration(spec), spoken)
