"""Tests of pipelines: steps and their order, progress, and what each step passes to the next one."""

from __future__ import annotations

from typing import Any

import pytest
from media.video.v1 import video_pb2

from services.common.errors import MediaError, Reason
from services.jobs.converters import KINDS
from services.jobs.pipelines.definitions import build_job_types
from services.jobs.pipelines.requests import DEFAULT_DELAY_MS, DEFAULT_MOTION
from tests.fakes.job_services import AUDIO_KEY, STORED_AUDIO_ID, VIDEO_KEY
from tests.unit.jobs.memory_buckets import JOB_ID, make_record
from tests.unit.jobs.pipelines.conftest import PipelineRig

VIDEO: dict[str, Any] = {"imageKey": "users/alice/cat.png", "prompt": "zoom in"}
NARRATION: dict[str, Any] = {"text": "Hello."}
SPECS: dict[str, dict[str, Any]] = {
    "animate": {"video": VIDEO},
    "talking_video": {"video": VIDEO, "narration": NARRATION},
    "headline": {"headline": "Cats land"},
    "story": {"headline": {"headline": "Cats land"}},
}
REQUESTS = {
    "animate": ["GenerateVideo"],
    "talking_video": ["SynthesizeStream", "GenerateVideo", "MuxVideo"],
    "headline": ["GenerateImage", "SynthesizeStream", "GetStoredAudio"],
    "story": ["GenerateImage", "SynthesizeStream", "GenerateVideo", "GetStoredAudio", "MuxVideo"],
}
STAGES = {
    "animate": {"video": 1.0},
    "talking_video": {"audio": 1.0, "video": 15.0, "mux": 85.0},
    "headline": {"prompt": 1.0, "image": 1.0, "audio": 55.0, "storage": 95.0},
    "story": {"prompt": 1.0, "image": 1.0, "audio": 15.0, "video": 25.0, "mux": 88.0},
}
RESULTS: dict[str, Any] = {
    "image": {"key": "users/alice/jobs/1/image.webp"},
    "audio": {"key": AUDIO_KEY, "storedAudioId": STORED_AUDIO_ID},
    "video": {"key": VIDEO_KEY},
    "final": {"key": "users/alice/jobs/1/final.mp4"},
}
STAGES_OF = {"image": ["prompt", "image"], "audio": ["audio"], "video": ["video"], "final": ["mux"]}
METHODS = {"image": "GenerateImage", "audio": "SynthesizeStream", "video": "GenerateVideo", "final": "MuxVideo"}


@pytest.mark.parametrize("kind", SPECS)
async def test_steps_run_in_order(rig: PipelineRig, kind: str) -> None:
    record = await rig.run_job(kind, SPECS[kind])
    assert rig.fake.methods == REQUESTS[kind]
    assert list(record.steps) == [step for method in REQUESTS[kind] for step in METHODS if METHODS[step] == method]


@pytest.mark.parametrize("kind", SPECS)
async def test_stages_begin_where_the_documents_say(rig: PipelineRig, kind: str) -> None:
    await rig.run_job(kind, SPECS[kind])
    started: dict[str, float] = {}
    for stage, percent in rig.progress:
        started.setdefault(stage, percent)
    assert started == STAGES[kind]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("percents", [(), (0.0, 1.0, 2.0, 50.0, 49.0, 100.0), (100.0, 0.0, 100.0)], ids=str)
async def test_the_percent_never_goes_back_and_ends_below_100(
    rig: PipelineRig, kind: str, percents: tuple[float, ...]
) -> None:
    rig.fake.percents = percents
    await rig.run_job(kind, SPECS[kind])
    progress = [record.percent for record in rig.buckets.records]
    assert progress == sorted(progress)
    assert progress[-1] <= 99.0


@pytest.mark.parametrize("kind", SPECS)
async def test_all_requests_are_on_behalf_of_the_owner(rig: PipelineRig, kind: str) -> None:
    await rig.run_job(kind, SPECS[kind], principal="bob")
    assert {call.principal for call in rig.fake.calls} == {"bob"}


@pytest.mark.parametrize(
    ("kind", "done", "call"),
    [
        ("talking_video", ["audio"], ["GenerateVideo", "MuxVideo"]),
        ("talking_video", ["audio", "video"], ["MuxVideo"]),
        ("headline", ["image"], ["SynthesizeStream", "GetStoredAudio"]),
        ("story", ["image"], ["SynthesizeStream", "GenerateVideo", "GetStoredAudio", "MuxVideo"]),
        ("story", ["image", "audio"], ["GenerateVideo", "GetStoredAudio", "MuxVideo"]),
        ("story", ["image", "audio", "video"], ["GetStoredAudio", "MuxVideo"]),
        ("story", ["image", "audio", "video", "final"], []),
    ],
)
async def test_a_job_resumes_after_its_last_step(rig: PipelineRig, kind: str, done: list[str], call: list[str]) -> None:
    await rig.run_job(kind, SPECS[kind], steps={step: RESULTS[step] for step in done})
    assert rig.fake.methods == call
    behind = {stage for step in done for stage in STAGES_OF[step]}
    assert {stage for stage, _ in rig.progress} == STAGES[kind].keys() - behind


@pytest.mark.parametrize("kind", SPECS)
async def test_a_step_that_fails_ends_the_attempt_there(rig: PipelineRig, kind: str) -> None:
    last = REQUESTS[kind][-1]
    rig.fake.failures[last].append(MediaError(Reason.CONTENT_BLOCKED))
    with pytest.raises(MediaError) as caught:
        await rig.run_job(kind, SPECS[kind])
    assert caught.value.reason is Reason.CONTENT_BLOCKED
    assert rig.fake.methods == REQUESTS[kind]
    assert rig.record.stage == list(STAGES[kind])[-1]


@pytest.mark.parametrize("kind", ["animate", "talking_video", "story"])
async def test_a_video_request_has_the_id_of_its_job(rig: PipelineRig, kind: str) -> None:
    await rig.run_job(kind, SPECS[kind])
    request = rig.fake.last("GenerateVideo").request
    assert (request.request_id, request.detach) == (f"job-{JOB_ID}", True)


@pytest.mark.parametrize(
    ("fields", "delay_ms", "mode"),
    [
        ({}, DEFAULT_DELAY_MS, None),
        ({"audioDelayMs": 0}, 0, None),
        ({"audioDelayMs": 1250, "captions": "JOB_CAPTIONS_NONE"}, 1250, None),
        ({"captions": "JOB_CAPTIONS_TRACK"}, DEFAULT_DELAY_MS, video_pb2.CAPTION_MODE_TRACK),
        ({"captions": "JOB_CAPTIONS_BURNED"}, DEFAULT_DELAY_MS, video_pb2.CAPTION_MODE_BURNED),
    ],
)
async def test_a_talking_video_has_the_requested_delay_and_captions(
    rig: PipelineRig, fields: dict[str, Any], delay_ms: int, mode: video_pb2.CaptionMode | None
) -> None:
    await rig.run_job("talking_video", {**SPECS["talking_video"], **fields})
    request = rig.fake.last("MuxVideo").request
    assert request.audio_delay_ms == delay_ms
    assert (request.captions.mode if request.HasField("captions") else None) == mode


@pytest.mark.parametrize(
    ("captions", "mode"),
    [
        ("JOB_CAPTIONS_UNSPECIFIED", video_pb2.CAPTION_MODE_TRACK),
        ("JOB_CAPTIONS_TRACK", video_pb2.CAPTION_MODE_TRACK),
        ("JOB_CAPTIONS_BURNED", video_pb2.CAPTION_MODE_BURNED),
        ("JOB_CAPTIONS_NONE", None),
    ],
)
async def test_a_story_has_captions_by_default(
    rig: PipelineRig, captions: str, mode: video_pb2.CaptionMode | None
) -> None:
    await rig.run_job("story", {**SPECS["story"], "captions": captions})
    request = rig.fake.last("MuxVideo").request
    assert request.audio_delay_ms == DEFAULT_DELAY_MS
    assert (request.captions.mode if request.HasField("captions") else None) == mode


async def test_the_video_of_a_story_uses_its_image(rig: PipelineRig) -> None:
    spec = {**SPECS["story"], "motion": "pan left", "seconds": 10, "resolution": "1080p", "videoProvider": "embedded"}
    await rig.run_job("story", spec)
    request = rig.fake.last("GenerateVideo").request
    assert request.image_key == f"users/alice/jobs/{JOB_ID}/image.webp"
    assert (request.prompt, request.seconds) == ("pan left", 10)
    assert (request.resolution, request.provider) == ("1080p", "embedded")


async def test_a_story_without_motion_has_the_default_motion(rig: PipelineRig) -> None:
    await rig.run_job("story", SPECS["story"])
    assert rig.fake.last("GenerateVideo").request.prompt == DEFAULT_MOTION


@pytest.mark.parametrize("kind", ["headline", "story"])
@pytest.mark.parametrize(("text", "expected"), [("", "Cats land"), ("They came in peace.", "They came in peace.")])
async def test_the_speech_of_a_headline_defaults_to_the_headline(
    rig: PipelineRig, kind: str, text: str, expected: str
) -> None:
    headline = {"headline": "Cats land", "narration": {"text": text, "voice": "Aria"}}
    await rig.run_job(kind, headline if kind == "headline" else {"headline": headline})
    request = rig.fake.last("SynthesizeStream").request
    assert (request.text, request.voice) == (expected, "Aria")


async def test_a_headline_job_needs_the_alignment(rig: PipelineRig) -> None:
    rig.fake.failures["GetStoredAudio"].append(MediaError(Reason.STORAGE_FAILED))
    with pytest.raises(MediaError) as caught:
        await rig.run_job("headline", SPECS["headline"])
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert list(rig.record.steps) == ["image", "audio"]


async def test_every_requestable_kind_is_limited_and_can_be_cancelled(rig: PipelineRig) -> None:
    table = build_job_types(rig.steps, 7, 60.0)
    assert set(table) == set(KINDS)
    for kind in table.values():
        assert (kind.max_running, kind.wait_budget_seconds) == (7, 60.0)
        assert kind.cancel_at_provider is not None
        await kind.cancel_at_provider(make_record(intents=("video",)))
    assert rig.fake.methods == ["CancelVideo"] * len(KINDS)


async def test_a_story_passes_all_its_options(rig: PipelineRig) -> None:
    spec = {
        **SPECS["story"],
        "audioDelayMs": 0,
        "lengthPolicy": "LENGTH_POLICY_LOOP",
        "videoModel": "acme/zoom",
        "promptOptimizer": False,
        "modelInput": {"fps": 24},
        "imageInputName": "start_image",
    }
    await rig.run_job("story", spec)
    video, mux = rig.fake.last("GenerateVideo").request, rig.fake.last("MuxVideo").request
    assert (video.model, video.prompt_optimizer, dict(video.model_input)) == ("acme/zoom", False, {"fps": 24})
    assert video.image_input_name == "start_image"
    assert (mux.audio_delay_ms, mux.length_policy) == (0, video_pb2.LENGTH_POLICY_LOOP)


@pytest.mark.parametrize("kind", ["talking_video", "story"])
async def test_a_video_lasts_as_long_as_its_speech_by_default(rig: PipelineRig, kind: str) -> None:
    await rig.run_job(kind, SPECS[kind])
    assert rig.fake.last("MuxVideo").request.length_policy == video_pb2.LENGTH_POLICY_FREEZE
