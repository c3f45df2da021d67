"""The pipelines: one short function per kind of job. One with several paid steps checks them all first."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import ParseDict
from media.jobs.v1 import jobs_pb2

from services.jobs.job_type import JobType, Pipeline
from services.jobs.lease import Lease
from services.jobs.pipelines.requests import build_mux_options, build_narration_spec, build_video_spec
from services.jobs.pipelines.steps import IMAGE, ProgressRange, Steps


def build_job_types(steps: Steps, max_running: int, wait_budget_seconds: float) -> Mapping[str, JobType]:
    """Return the job type of each kind that callers may request.

    Args:
        steps: Steps that the pipelines run.
        max_running: Most jobs of one kind that all workers run at once.
        wait_budget_seconds: Time that a job retries after temporary failures.
    """
    pipelines: Mapping[str, Pipeline] = {
        "animate": lambda lease: run_animate(lease, steps),
        "talking_video": lambda lease: run_talking_video(lease, steps),
        "headline": lambda lease: run_headline(lease, steps),
        "story": lambda lease: run_story(lease, steps),
    }
    return {
        kind: JobType(pipeline, steps.cancel_video, max_running, wait_budget_seconds=wait_budget_seconds)
        for kind, pipeline in pipelines.items()
    }


async def run_animate(lease: Lease, steps: Steps) -> None:
    """Generate a video of an image."""
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.AnimateSpec())
    await steps.make_video(lease, spec.video, ProgressRange(1, 99))


async def run_talking_video(lease: Lease, steps: Steps) -> None:
    """Generate a video of an image, with speech."""
    await steps.check(lease)
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.TalkingVideoSpec())
    await steps.make_speech(lease, spec.narration, ProgressRange(1, 15))
    await steps.make_video(lease, spec.video, ProgressRange(15, 85))
    await steps.mux_video(lease, build_mux_options(spec, jobs_pb2.JOB_CAPTIONS_NONE), ProgressRange(85, 99))


async def run_headline(lease: Lease, steps: Steps) -> None:
    """Generate an image and speech for a headline."""
    await steps.check(lease)
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.HeadlineSpec())
    await _illustrate(lease, steps, spec, ProgressRange(1, 55), ProgressRange(55, 90))
    await lease.report_progress("storage", 95)
    # The services have stored both results: here the job checks that the alignment is stored, too.
    await steps.get_alignment(lease.record)


async def run_story(lease: Lease, steps: Steps) -> None:
    """Generate a video of the image of a headline, with speech and captions."""
    await steps.check(lease)
    spec = ParseDict(dict(lease.record.spec), jobs_pb2.StorySpec())
    await _illustrate(lease, steps, spec.headline, ProgressRange(1, 15), ProgressRange(15, 25))
    video = build_video_spec(spec, lease.record.steps[IMAGE]["key"])
    await steps.make_video(lease, video, ProgressRange(25, 88))
    await steps.mux_video(lease, build_mux_options(spec, jobs_pb2.JOB_CAPTIONS_TRACK), ProgressRange(88, 99))


async def _illustrate(
    lease: Lease, steps: Steps, spec: jobs_pb2.HeadlineSpec, image_range: ProgressRange, speech_range: ProgressRange
) -> None:
    """Generate the image and the speech of a headline."""
    await lease.begin_step(IMAGE, image_range.low, "prompt")
    await steps.make_image(lease, spec, image_range)
    await steps.make_speech(lease, build_narration_spec(spec), speech_range)
