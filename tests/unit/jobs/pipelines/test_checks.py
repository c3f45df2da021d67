"""All steps of a job are checked by their services before the first one is paid for."""

from __future__ import annotations

import pytest

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from tests.unit.jobs.pipelines.conftest import CALL_SECONDS, PipelineRig
from tests.unit.jobs.pipelines.test_definitions import RESULTS, SPECS

CHECKS = {
    "animate": [],
    "talking_video": ["CheckSpeech", "CheckVideo"],
    "headline": ["CheckImage", "CheckSpeech"],
    "story": ["CheckImage", "CheckSpeech", "CheckVideo"],
}
PAIRS = [(kind, method) for kind, methods in CHECKS.items() for method in methods]


@pytest.mark.parametrize("kind", CHECKS)
async def test_every_paid_step_is_checked_for_the_owner_with_the_request_that_follows(
    rig: PipelineRig, kind: str
) -> None:
    await rig.run_job(kind, SPECS[kind], principal="bob")
    assert sorted(call.method for call in rig.fake.checks) == CHECKS[kind]
    paid = {call.method: call.request for call in rig.fake.calls}
    for check in rig.fake.checks:
        assert check.principal == "bob"
        assert check.seconds_left == pytest.approx(CALL_SECONDS, abs=5)
        match check.method:
            case "CheckSpeech":
                assert check.request.request == paid["SynthesizeStream"]
            case "CheckImage":
                assert check.request.request == paid["GenerateImage"]
            case "CheckVideo":
                assert check.request.request.prompt == paid["GenerateVideo"].prompt
                assert check.request.image_is_pending == (kind == "story")


@pytest.mark.parametrize(("kind", "method"), PAIRS)
async def test_a_step_that_would_be_refused_fails_the_job_before_anything_is_paid(
    rig: PipelineRig, kind: str, method: str
) -> None:
    rig.fake.failures[method].append(MediaError(Reason.API_KEY_MISSING, "Set the key."))
    with pytest.raises(MediaError) as caught:
        await rig.run_job(kind, SPECS[kind])
    assert caught.value.reason is Reason.API_KEY_MISSING
    assert rig.fake.methods == []
    assert (rig.record.intents, rig.record.steps) == ((), {})


@pytest.mark.parametrize(
    ("kind", "method", "field", "named"),
    [
        ("headline", "CheckSpeech", "voice", "headline.narration.voice"),
        ("headline", "CheckSpeech", "text", "headline.headline"),
        ("headline", "CheckImage", "prompt", "headline.headline"),
        ("headline", "CheckImage", "image_size", "headline.image_size"),
        ("story", "CheckVideo", "provider", "story.video_provider"),
        ("story", "CheckSpeech", "voice", "story.headline.narration.voice"),
        ("talking_video", "CheckSpeech", "text", "talking_video.narration.text"),
        ("talking_video", "CheckVideo", "image_key", "talking_video.video.image_key"),
        ("talking_video", "CheckVideo", "burned_text", "talking_video.narration.text"),
        ("story", "CheckVideo", "burned_text", "story.headline.headline"),
    ],
)
async def test_an_error_names_the_field_of_the_job(
    rig: PipelineRig, kind: str, method: str, field: str, named: str
) -> None:
    rig.fake.failures[method].append(invalid(field, "must be another", Reason.VOICE_NOT_FOUND))
    with pytest.raises(MediaError) as caught:
        await rig.run_job(kind, SPECS[kind])
    assert caught.value.violations == (FieldViolation(named, "must be another"),)
    assert caught.value.message == f"{named}: must be another"


async def test_a_later_attempt_does_not_check_again(rig: PipelineRig) -> None:
    await rig.run_job("story", SPECS["story"], steps={"image": RESULTS["image"]})
    assert rig.fake.checks == []


@pytest.mark.parametrize(("captions", "is_burned"), [("BURNED", True), ("TRACK", False), ("NONE", False)])
@pytest.mark.parametrize("kind", ["talking_video", "story"])
async def test_the_text_of_burned_captions_is_checked(
    rig: PipelineRig, kind: str, captions: str, is_burned: bool
) -> None:
    await rig.run_job(kind, {**SPECS[kind], "captions": f"JOB_CAPTIONS_{captions}"})
    (check,) = [call.request for call in rig.fake.checks if call.method == "CheckVideo"]
    text = "Cats land" if kind == "story" else SPECS[kind]["narration"]["text"]
    assert check.burned_text == (text if is_burned else "")
