"""Tests of steps: calls on behalf of the owner, stored results, and no second run of a finished step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2
from nats.js.errors import KeyWrongLastSequenceError

from services.common.errors import MediaError, Reason
from services.jobs.lease import Lease, LeaseLostError, Result
from services.jobs.pipelines.requests import MuxOptions
from services.jobs.pipelines.steps import (
    ProgressRange,
    Steps,
    build_own_key,
    build_video_request_id,
)
from services.jobs.record import JobRecord
from tests.fakes.job_services import ALIGNMENT, AUDIO_KEY, STORED_AUDIO_ID, VIDEO_KEY
from tests.fakes.waiting import until
from tests.unit.jobs.memory_buckets import JOB_ID, Bucket, make_record
from tests.unit.jobs.pipelines.conftest import CALL_SECONDS, VIDEO_SECONDS, PipelineRig

VIDEO = jobs_pb2.VideoSpec(
    image_key="users/alice/cat.png",
    prompt="zoom in",
    seconds=10,
    resolution="512p",
    model="minimax/hailuo-02",
    provider="replicate",
)
NARRATION = jobs_pb2.NarrationSpec(text="Hello.", voice="Aria", provider="elevenlabs", model_id="eleven_turbo_v2")
HEADLINE = jobs_pb2.HeadlineSpec(
    headline="Cats land on the moon",
    art_style="watercolor",
    style_guidelines=["calm", "blue"],
    max_length=400,
    image_size="square",
    image_provider="fal",
)
RESULTS = {"audio": {"key": AUDIO_KEY, "storedAudioId": STORED_AUDIO_ID}, "video": {"key": VIDEO_KEY}}
SPAN = ProgressRange(20, 60)
NONE = jobs_pb2.JOB_CAPTIONS_NONE
MUX = MuxOptions(0, video_pb2.LENGTH_POLICY_FREEZE, NONE)

Do = Callable[[Steps, Lease], Awaitable[Result]]
STEPS: dict[str, tuple[str, Do]] = {
    "video": ("GenerateVideo", lambda steps, lease: steps.make_video(lease, VIDEO, SPAN)),
    "audio": ("SynthesizeStream", lambda steps, lease: steps.make_speech(lease, NARRATION, SPAN)),
    "image": ("GenerateImage", lambda steps, lease: steps.make_image(lease, HEADLINE, SPAN)),
    "final": ("MuxVideo", lambda steps, lease: steps.mux_video(lease, MUX, SPAN)),
}


class OvertakenBucket(Bucket):
    """A bucket in which another worker writes before the first progress report."""

    async def update(self, key: str, value: bytes, last: int) -> int:
        """Write after the other worker."""
        if JobRecord.decode(value).percent > SPAN.low:
            raise KeyWrongLastSequenceError(description="wrong last sequence")
        return await super().update(key, value, last)


async def run_step(rig: PipelineRig, step: str, **fields: Any) -> Result:
    """Run one step of a job."""
    return await STEPS[step][1](rig.steps, await rig.buckets.lease(make_record(**{"steps": RESULTS, **fields})))


def list_results_before(step: str) -> dict[str, Any]:
    """Return the results that a step needs from earlier steps."""
    return {name: result for name, result in RESULTS.items() if name != step}


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_a_progress_range_is_part_of_the_job_and_keeps_order(
    low: float, high: float, one: float, another: float
) -> None:
    span = ProgressRange(min(low, high), max(low, high))
    assert (span.to_job_percent(0), span.to_job_percent(100)) == pytest.approx((span.low, span.high))
    earlier, later = sorted((one, another))
    assert span.to_job_percent(earlier) <= span.to_job_percent(later)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("principal", ["alice", "", "someone@example.com"])
async def test_every_call_is_on_behalf_of_the_owner(rig: PipelineRig, step: str, principal: str) -> None:
    await run_step(rig, step, principal=principal, steps=list_results_before(step))
    assert [(call.method, call.principal) for call in rig.fake.calls] == [(STEPS[step][0], principal)]


@pytest.mark.parametrize("step", STEPS)
async def test_a_finished_step_does_not_run_again(rig: PipelineRig, step: str) -> None:
    generated = {"key": "somewhere/else.bin"}
    assert await run_step(rig, step, steps={**RESULTS, step: generated}) == generated
    assert rig.fake.calls == []


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_stores_its_result_in_the_record(rig: PipelineRig, step: str) -> None:
    result = await run_step(rig, step, steps=list_results_before(step))
    assert rig.record.steps[step] == result
    assert {"key", "contentType", "provider", "model"} <= result.keys()


@pytest.mark.parametrize(("step", "intents"), [("video", ("video",)), ("audio", ("audio",)), ("image", ("image",))])
async def test_a_paid_step_is_stored_as_an_intent_before_its_call(
    rig: PipelineRig, step: str, intents: tuple[str, ...]
) -> None:
    rig.fake.failures[STEPS[step][0]].append(MediaError(Reason.PROVIDER_BUSY))
    with pytest.raises(MediaError):
        await run_step(rig, step, steps=list_results_before(step))
    assert rig.record.intents == intents


async def test_a_mux_is_not_stored_as_an_intent(rig: PipelineRig) -> None:
    await run_step(rig, "final")
    assert rig.record.intents == ()


@pytest.mark.parametrize("step", STEPS)
async def test_the_error_of_a_service_is_raised_unchanged(rig: PipelineRig, step: str) -> None:
    rig.fake.failures[STEPS[step][0]].append(MediaError(Reason.RATE_LIMITED, "Slow down.", retry_after_seconds=7))
    with pytest.raises(MediaError) as caught:
        await run_step(rig, step, steps=list_results_before(step))
    assert (caught.value.reason, caught.value.message) == (Reason.RATE_LIMITED, "Slow down.")
    assert caught.value.retry_after_seconds == 7
    assert step not in rig.record.steps


@pytest.mark.parametrize("step", ["video", "audio", "final"])
async def test_a_stream_without_a_result_is_a_retryable_error(rig: PipelineRig, step: str) -> None:
    rig.fake.truncated.add(STEPS[step][0])
    with pytest.raises(MediaError) as caught:
        await run_step(rig, step, steps=list_results_before(step))
    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize("step", ["video", "audio", "final"])
async def test_a_stream_is_read_to_its_end_so_that_no_call_counts_as_cancelled(rig: PipelineRig, step: str) -> None:
    method = STEPS[step][0]
    rig.fake.endings[method] = limiter = asyncio.Event()
    doing = asyncio.create_task(run_step(rig, step, steps=list_results_before(step)))
    over, _ = await asyncio.wait({doing}, timeout=0.2)
    assert not over
    limiter.set()
    assert "key" in await doing
    assert (rig.fake.drained, rig.fake.abandoned) == ([method], [])


@pytest.mark.parametrize("step", ["video", "audio", "final"])
async def test_an_error_after_the_result_is_ignored(rig: PipelineRig, step: str) -> None:
    rig.fake.endings[STEPS[step][0]] = MediaError(Reason.UNAVAILABLE)
    assert "key" in await run_step(rig, step, steps=list_results_before(step))


@pytest.mark.parametrize("step", ["video", "audio", "final"])
async def test_a_stream_that_never_ends_after_its_result_is_closed(
    rig: PipelineRig, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.jobs.clients._DRAIN_SECONDS", 0.05)
    method = STEPS[step][0]
    rig.fake.endings[method] = asyncio.Event()
    assert "key" in await run_step(rig, step, steps=list_results_before(step))
    await until(lambda: rig.fake.abandoned == [method])


@pytest.mark.parametrize("step", ["video", "audio", "final"])
async def test_a_cancelled_step_cancels_the_call(rig: PipelineRig, step: str) -> None:
    method = STEPS[step][0]
    rig.fake.blocked[method] = asyncio.Event()
    doing = asyncio.create_task(run_step(rig, step, steps=list_results_before(step)))
    await until(lambda: method in rig.fake.methods)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    await until(lambda: rig.fake.abandoned == [method])


@pytest.mark.parametrize("step", ["video", "final"])
async def test_a_superseded_step_cancels_the_call(rig: PipelineRig, step: str) -> None:
    method = STEPS[step][0]
    rig.buckets.state = OvertakenBucket()
    rig.fake.blocked[method] = asyncio.Event()
    with pytest.raises(LeaseLostError):
        await run_step(rig, step, steps=list_results_before(step))
    await until(lambda: rig.fake.abandoned == [method])


@pytest.mark.parametrize("step", STEPS)
async def test_a_video_has_a_longer_deadline_than_other_calls(rig: PipelineRig, step: str) -> None:
    await run_step(rig, step, steps=list_results_before(step))
    allowed = VIDEO_SECONDS if step == "video" else CALL_SECONDS
    (call,) = rig.fake.calls
    assert call.seconds_left == pytest.approx(allowed, abs=10)


async def test_a_video_request_has_the_job_id_and_is_detached(rig: PipelineRig) -> None:
    result = await run_step(rig, "video", steps={})
    request = rig.fake.last("GenerateVideo").request
    assert (request.request_id, request.detach) == (f"job-{JOB_ID}", True)
    assert request.request_id == build_video_request_id(rig.record)
    assert (request.image_key, request.image_url, request.prompt) == ("users/alice/cat.png", "", "zoom in")
    assert (request.seconds, request.resolution) == (10, "512p")
    assert (request.model, request.provider) == ("minimax/hailuo-02", "replicate")
    assert (result["key"], result["provider"], result["model"]) == (VIDEO_KEY, "replicate", "minimax/hailuo-02")
    assert (result["durationSeconds"], result["width"], result["height"]) == (6.0, 1364, 768)


@pytest.mark.parametrize("step", ["video", "final"])
async def test_the_percent_of_a_video_is_a_part_of_the_jobs(rig: PipelineRig, step: str) -> None:
    rig.fake.percents = (0.0, 25.0, 50.0, 10.0, 100.0)
    await run_step(rig, step, steps=list_results_before(step))
    assert [percent for _, percent in rig.progress] == [20.0, 30.0, 40.0, 60.0]


async def test_speech_is_stored_with_its_alignment(rig: PipelineRig) -> None:
    result = await run_step(rig, "audio", steps={})
    request = rig.fake.last("SynthesizeStream").request
    assert (request.text, request.voice) == ("Hello.", "Aria")
    assert (request.provider, request.model_id) == ("elevenlabs", "eleven_turbo_v2")
    assert (request.output_format, request.store, request.include_alignment) == ("mp3_44100_64", True, True)
    assert (result["key"], result["storedAudioId"], result["durationSeconds"]) == (AUDIO_KEY, STORED_AUDIO_ID, 2.5)


async def test_an_image_is_stored_under_a_key_of_the_job(rig: PipelineRig) -> None:
    result = await run_step(rig, "image", steps={})
    request = rig.fake.last("GenerateImage").request
    assert (request.output.object_key, request.output.overwrite) == (f"users/alice/jobs/{JOB_ID}/image.webp", True)
    assert (request.prompt, request.image_size, request.provider) == ("Cats land on the moon", "square", "fal")
    style = request.style
    assert (style.template, list(style.art_styles), style.max_length) == ("headline", ["watercolor"], 400)
    assert list(style.style_guidelines) == ["calm", "blue"]
    assert (result["prompt"], result["width"], result["height"]) == ("final: Cats land on the moon", 1024, 576)


async def test_a_speech_has_the_requested_voice_and_quality(rig: PipelineRig) -> None:
    spec = jobs_pb2.NarrationSpec(
        text="Hello.",
        quality=tts_pb2.AUDIO_QUALITY_HIGH,
        language_code="en",
        voice_settings=jobs_pb2.VoiceSettings(stability=0.0, speed=1.1, use_speaker_boost=False),
    )
    await rig.steps.make_speech(await rig.buckets.lease(make_record()), spec, SPAN)
    request = rig.fake.last("SynthesizeStream").request
    assert (request.output_format, request.quality) == ("", tts_pb2.AUDIO_QUALITY_HIGH)
    assert (request.language_code, request.stability, request.speed) == ("en", 0.0, 1.1)
    assert request.HasField("stability")
    assert request.HasField("use_speaker_boost")
    assert not request.HasField("style")


async def test_the_percent_of_a_speech_follows_its_characters(rig: PipelineRig) -> None:
    # The fake sends the alignment of two characters.
    spec = jobs_pb2.NarrationSpec(text="Hi, you!")
    await rig.steps.make_speech(await rig.buckets.lease(make_record()), spec, SPAN)
    assert [percent for _, percent in rig.progress] == [20.0, 30.0]


async def test_an_image_has_the_requested_form(rig: PipelineRig) -> None:
    headline = {"headline": "Cats", "imageFormat": "jpeg"}
    spec = jobs_pb2.HeadlineSpec(
        headline="Cats",
        image_size="custom",
        image_width=800,
        image_height=600,
        image_format="jpeg",
        image_quality=image_pb2.IMAGE_QUALITY_HIGH,
        theme=image_pb2.IMAGE_THEME_VINTAGE,
        use_brand=True,
    )
    await rig.steps.make_image(await rig.buckets.lease(make_record("headline", headline)), spec, SPAN)
    request = rig.fake.last("GenerateImage").request
    assert (request.image_size, request.width, request.height) == ("custom", 800, 600)
    assert (request.quality, request.style.theme) == (image_pb2.IMAGE_QUALITY_HIGH, image_pb2.IMAGE_THEME_VINTAGE)
    assert request.style.use_brand
    assert (request.output.format, request.output.object_key.rpartition("/")[2]) == ("jpeg", "image.jpg")


@pytest.mark.parametrize(
    ("kind", "spec", "name"),
    [
        ("headline", {"headline": "Cats"}, "image.webp"),
        ("headline", {"headline": "Cats", "imageFormat": "png"}, "image.png"),
        ("story", {"headline": {"headline": "Cats"}}, "image.webp"),
        ("story", {"headline": {"headline": "Cats", "imageFormat": "avif"}}, "image.avif"),
    ],
)
def test_the_key_of_an_image_has_the_extension_of_its_format(kind: str, spec: dict[str, Any], name: str) -> None:
    assert build_own_key(make_record(kind, spec), "image") == f"users/alice/jobs/{JOB_ID}/{name}"


async def test_a_video_has_the_inputs_of_its_model(rig: PipelineRig) -> None:
    spec = jobs_pb2.VideoSpec(
        image_key="users/alice/cat.png", prompt="zoom in", prompt_optimizer=False, image_input_name="start_image"
    )
    spec.model_input.update({"fps": 24, "negative_prompt": "fog"})
    await rig.steps.make_video(await rig.buckets.lease(make_record()), spec, SPAN)
    request = rig.fake.last("GenerateVideo").request
    assert request.HasField("prompt_optimizer")
    assert not request.prompt_optimizer
    assert dict(request.model_input) == {"fps": 24, "negative_prompt": "fog"}
    assert request.image_input_name == "start_image"


async def test_a_repetition_requests_the_unstored_video_of_the_failed_job(rig: PipelineRig) -> None:
    await rig.steps.make_video(await rig.buckets.lease(make_record(video_of="0" * 32)), VIDEO, SPAN)
    assert rig.fake.last("GenerateVideo").request.request_id == f"job-{'0' * 32}"


async def test_an_image_has_a_default_size_and_no_default_style(rig: PipelineRig) -> None:
    lease = await rig.buckets.lease(make_record())
    await rig.steps.make_image(lease, jobs_pb2.HeadlineSpec(headline="Cats"), SPAN)
    request = rig.fake.last("GenerateImage").request
    assert (request.image_size, list(request.style.art_styles)) == ("landscape_16_9", [])


async def test_speech_is_muxed_into_the_generated_video(rig: PipelineRig) -> None:
    lease = await rig.buckets.lease(make_record(steps=RESULTS))
    result = await rig.steps.mux_video(lease, MuxOptions(750, video_pb2.LENGTH_POLICY_LOOP, NONE), SPAN)
    request = rig.fake.last("MuxVideo").request
    assert (request.video.key, request.audio.key, request.audio_delay_ms) == (VIDEO_KEY, AUDIO_KEY, 750)
    assert request.length_policy == video_pb2.LENGTH_POLICY_LOOP
    assert (request.object_key, request.overwrite) == (f"users/alice/jobs/{JOB_ID}/final.mp4", True)
    assert not request.HasField("captions")
    assert result["key"] == request.object_key


@pytest.mark.parametrize(
    ("captions", "mode"),
    [
        (jobs_pb2.JOB_CAPTIONS_TRACK, video_pb2.CAPTION_MODE_TRACK),
        (jobs_pb2.JOB_CAPTIONS_BURNED, video_pb2.CAPTION_MODE_BURNED),
    ],
)
async def test_captions_use_the_alignment_of_the_speech(
    rig: PipelineRig, captions: jobs_pb2.JobCaptions, mode: video_pb2.CaptionMode
) -> None:
    lease = await rig.buckets.lease(make_record(steps=RESULTS))
    await rig.steps.mux_video(lease, replace(MUX, captions=captions), SPAN)
    assert rig.fake.methods == ["GetStoredAudio", "MuxVideo"]
    assert rig.fake.last("GetStoredAudio").request.id == STORED_AUDIO_ID
    request = rig.fake.last("MuxVideo").request
    assert (request.captions.mode, request.captions.alignment) == (mode, ALIGNMENT)


async def test_a_video_is_cancelled_by_its_request_id(rig: PipelineRig) -> None:
    await rig.steps.cancel_video(make_record(intents=("video",)))
    call = rig.fake.last("CancelVideo")
    assert (call.request.request_id, call.principal) == (f"job-{JOB_ID}", "alice")


@pytest.mark.parametrize(
    "record",
    [
        make_record(),
        make_record(intents=("audio",)),
        make_record(intents=("video",), steps={"video": {"key": VIDEO_KEY}}),
    ],
    ids=["nothing was begun", "no video was begun", "the video is there"],
)
async def test_nothing_is_cancelled_without_a_started_video(rig: PipelineRig, record: JobRecord) -> None:
    await rig.steps.cancel_video(record)
    assert rig.fake.calls == []
