"""Tests of converters from messages of the contract to job requests: errors name the field, no field is lost."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from media.jobs.v1 import jobs_pb2

from services.common.errors import MediaError, Reason
from services.common.rpc.validation import validate
from services.jobs.converters import KINDS, STATUSES, to_job_filter, to_job_request
from services.jobs.jetstream import KINDS as WORKER_KINDS
from services.jobs.record import JobFilter, Status

MAX_CHARACTERS = 20
VIDEO: dict[str, Any] = {"imageKey": "users/alice/cat.png", "prompt": "zoom in", "seconds": 6, "resolution": "512p"}
NARRATION: dict[str, Any] = {
    "text": "Hello.",
    "voice": "Aria",
    "provider": "espeak",
    "modelId": "m-1",
    "outputFormat": "wav",
    "quality": "AUDIO_QUALITY_LOW",
    "languageCode": "en",
    "voiceSettings": {"stability": 0.0, "speed": 0.9},
}
HEADLINE: dict[str, Any] = {
    "headline": "Cats land on the moon, and all of them like it there",
    "artStyle": "watercolor",
    "narration": NARRATION,
    "styleGuidelines": ["calm", "blue"],
    "maxLength": 400,
    "imageSize": "custom",
    "imageWidth": 800,
    "imageHeight": 600,
    "imageFormat": "png",
    "imageQuality": "IMAGE_QUALITY_HIGH",
    "theme": "IMAGE_THEME_VINTAGE",
    "useBrand": True,
    "imageProvider": "embedded",
}
SPECS: dict[str, dict[str, Any]] = {
    "animate": {"video": VIDEO},
    "talking_video": {"video": VIDEO, "narration": NARRATION, "audioDelayMs": 0, "captions": "JOB_CAPTIONS_BURNED"},
    "headline": HEADLINE,
    "story": {
        "headline": HEADLINE,
        "motion": "pan left",
        "seconds": 10,
        "resolution": "1080p",
        "videoProvider": "replicate",
        "captions": "JOB_CAPTIONS_NONE",
        "audioDelayMs": 0,
        "lengthPolicy": "LENGTH_POLICY_LOOP",
        "videoModel": "acme/zoom",
        "promptOptimizer": False,
        "modelInput": {"fps": 24.0, "tags": ["a", None]},
        "imageInputName": "start_image",
    },
}


def request(kind: str, spec: dict[str, Any], **fields: Any) -> jobs_pb2.CreateJobRequest:
    return ParseDict({kind: spec, **fields}, jobs_pb2.CreateJobRequest())


def make_talking_video_request(text: str) -> jobs_pb2.CreateJobRequest:
    return request("talking_video", {"video": VIDEO, "narration": {"text": text}})


def catch_refusal(message: jobs_pb2.CreateJobRequest) -> tuple[Reason, list[str]]:
    with pytest.raises(MediaError) as caught:
        to_job_request(message, MAX_CHARACTERS)
    return caught.value.reason, [item.field for item in caught.value.violations]


@pytest.mark.parametrize("kind", list(SPECS))
def test_all_fields_are_in_the_job_request(kind: str) -> None:
    message = request(kind, SPECS[kind], requestId="order-7", webhookUrl="https://example.com/webhook")
    validate(message)
    parsed = to_job_request(message, MAX_CHARACTERS)
    assert (parsed.kind, parsed.request_id, parsed.webhook_url) == (kind, "order-7", "https://example.com/webhook")
    assert request(kind, dict(parsed.spec)) == request(kind, SPECS[kind])


def test_a_delay_of_zero_differs_from_no_delay() -> None:
    silent = to_job_request(request("talking_video", {"video": VIDEO, "narration": NARRATION}), MAX_CHARACTERS)
    assert "audioDelayMs" not in silent.spec
    at_once = to_job_request(request("talking_video", SPECS["talking_video"]), MAX_CHARACTERS)
    assert at_once.spec["audioDelayMs"] == 0


def test_equal_requests_are_equal_requests() -> None:
    one = to_job_request(request("story", SPECS["story"]), MAX_CHARACTERS)
    assert one == to_job_request(request("story", dict(reversed(SPECS["story"].items()))), MAX_CHARACTERS)


def test_workers_run_all_kinds_of_the_contract() -> None:
    fields = jobs_pb2.CreateJobRequest.DESCRIPTOR.oneofs_by_name["spec"].fields
    assert [field.name for field in fields] == list(KINDS)
    assert {*KINDS, "webhook"} == set(WORKER_KINDS)
    assert sorted([jobs_pb2.JOB_KIND_UNSPECIFIED, *KINDS.values()]) == sorted(jobs_pb2.JobKind.values())


def test_every_status_has_its_name_in_the_contract() -> None:
    assert set(STATUSES) == set(Status)
    assert {jobs_pb2.JobStatus.Name(name) for name in STATUSES.values()} == {
        f"JOB_STATUS_{status.name}" for status in Status
    }


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u200b"])
def test_a_talking_video_needs_a_text(text: str) -> None:
    assert catch_refusal(make_talking_video_request(text)) == (
        Reason.VALIDATION_ERROR,
        ["talking_video.narration.text"],
    )


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("talking_video", {"video": VIDEO, "narration": {"text": "x" * 21}}, "talking_video.narration.text"),
        ("headline", {"headline": "Cats", "narration": {"text": "x" * 21}}, "headline.narration.text"),
        ("headline", {"headline": "x" * 21}, "headline.headline"),
        ("story", {"headline": {"headline": "x" * 21}}, "story.headline.headline"),
        ("story", {"headline": {"headline": "Cats", "narration": {"text": "x" * 21}}}, "story.headline.narration.text"),
    ],
)
def test_a_text_that_is_too_long_names_its_field(kind: str, spec: dict[str, Any], field: str) -> None:
    assert catch_refusal(request(kind, spec)) == (Reason.TEXT_TOO_LONG, [field])


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("headline", {"headline": "Cats", "narration": {"text": "  "}}, "headline.narration.text"),
        ("story", {"headline": {"headline": "Cats", "narration": {"text": "\u200b"}}}, "story.headline.narration.text"),
        ("headline", {"headline": "Cats", "narration": {"voice": "a\nb"}}, "headline.narration.voice"),
        ("headline", {"headline": "Cats", "narration": {"modelId": "a b"}}, "headline.narration.model_id"),
        ("headline", {"headline": "Cats", "imageSize": "gigantic"}, "headline.image_size"),
        ("story", {"headline": {"headline": "Cats", "imageSize": "gigantic"}}, "story.headline.image_size"),
        (
            "talking_video",
            {"video": VIDEO, "narration": {"text": "Hi", "voice": "a\nb"}},
            "talking_video.narration.voice",
        ),
        ("headline", {"headline": "Cats", "imageFormat": "gif"}, "headline.image_format"),
        ("headline", {"headline": "Cats", "imageSize": "custom", "imageWidth": 800}, "headline"),
        ("headline", {"headline": "Cats", "narration": {"outputFormat": "ogg"}}, "headline.narration.output_format"),
        (
            "headline",
            {"headline": "Cats", "narration": {"voiceSettings": {"speed": 9}}},
            "headline.narration.voice_settings.speed",
        ),
        ("animate", {"video": {**VIDEO, "imageInputName": "?"}}, "animate.video.image_input_name"),
        ("story", {"headline": {"headline": "Cats"}, "videoModel": "?"}, "story.video_model"),
    ],
)
def test_violations_of_service_contracts_are_refused_before_a_job_is_accepted(
    kind: str, spec: dict[str, Any], field: str
) -> None:
    assert catch_refusal(request(kind, spec)) == (Reason.VALIDATION_ERROR, [field])


def test_a_text_is_counted_in_code_points() -> None:
    assert (
        to_job_request(make_talking_video_request("🐈" * MAX_CHARACTERS), MAX_CHARACTERS).spec["narration"]["text"]
        == "🐈" * MAX_CHARACTERS
    )


def test_a_headline_is_the_default_text_of_its_speech() -> None:
    parsed = to_job_request(request("headline", {"headline": "Cats"}), MAX_CHARACTERS)
    assert parsed.spec == {"headline": "Cats"}


@pytest.mark.parametrize(
    ("kind", "spec", "fields", "field"),
    [
        ("animate", {"video": {"prompt": "zoom in"}}, {}, "animate.video"),
        ("animate", {"video": {**VIDEO, "imageUrl": "https://example.com/a.png"}}, {}, "animate.video"),
        ("animate", {"video": {**VIDEO, "prompt": "\u200b "}}, {}, "animate.video.prompt"),
        ("animate", {"video": {**VIDEO, "seconds": 61}}, {}, "animate.video.seconds"),
        ("animate", {"video": {**VIDEO, "resolution": "4k"}}, {}, "animate.video.resolution"),
        ("animate", {"video": {**VIDEO, "provider": "sora"}}, {}, "animate.video.provider"),
        ("animate", {}, {}, "animate.video"),
        ("talking_video", {"video": VIDEO}, {}, "talking_video.narration"),
        ("talking_video", {"narration": NARRATION}, {}, "talking_video.video"),
        ("headline", {"headline": " "}, {}, "headline.headline"),
        ("headline", {"headline": "x" * 501}, {}, "headline.headline"),
        ("headline", {"headline": "Cats", "maxLength": 49}, {}, "headline.max_length"),
        ("headline", {"headline": "Cats", "narration": {"provider": "parrot"}}, {}, "headline.narration.provider"),
        ("story", {}, {}, "story.headline"),
        ("story", {"headline": HEADLINE, "resolution": "4k"}, {}, "story.resolution"),
        ("animate", {"video": VIDEO}, {"requestId": ".dot"}, "request_id"),
        ("animate", {"video": VIDEO}, {"requestId": "x" * 101}, "request_id"),
        ("animate", {"video": VIDEO}, {"webhookUrl": "not an address"}, "webhook_url"),
        ("animate", {"video": VIDEO}, {"webhookUrl": "ftp://example.com/webhook"}, "webhook_url"),
        ("animate", {"video": VIDEO}, {"webhookUrl": "mailto:a@example.com"}, "webhook_url"),
    ],
)
def test_a_violation_of_the_contract_names_its_field(
    kind: str, spec: dict[str, Any], fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(MediaError) as caught:
        validate(request(kind, spec, **fields))
    assert [item.field for item in caught.value.violations] == [field]


def test_a_request_without_a_kind_is_refused() -> None:
    with pytest.raises(MediaError) as caught:
        validate(jobs_pb2.CreateJobRequest(request_id="order-7"))
    assert [item.field for item in caught.value.violations] == ["spec"]


@pytest.mark.parametrize("kind", ["", *KINDS])
@pytest.mark.parametrize("status", [None, *Status])
def test_jobs_are_listed_by_kind_and_status(kind: str, status: Status | None) -> None:
    message = jobs_pb2.ListJobsRequest(
        kind=KINDS.get(kind, jobs_pb2.JOB_KIND_UNSPECIFIED),
        status=jobs_pb2.JOB_STATUS_UNSPECIFIED if status is None else STATUSES[status],
    )
    assert to_job_filter(message) == JobFilter(kind, status)
