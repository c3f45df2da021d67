"""Tests of other names for fields, and of hints where a field belongs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from gateway.codec import decode
from gateway.codec.hints import SHORTCUTS
from services.common.errors import MediaError

IMAGE = image_pb2.GenerateImageRequest
JOB = jobs_pb2.CreateJobRequest
REQUESTS: tuple[type[Message], ...] = (
    IMAGE,
    image_pb2.GenerateImageFastRequest,
    image_pb2.TransformImageRequest,
    video_pb2.MuxVideoRequest,
    JOB,
)


def read_violations(kind: type[Message], data: dict[str, object]) -> dict[str, str]:
    with pytest.raises(MediaError) as caught:
        decode(kind, data)
    return {item.field: item.description for item in caught.value.violations}


def list_misplaced() -> Iterator[tuple[type[Message], Any, Any]]:
    """Yield each field of a nested message of a request that the request itself does not have."""
    for kind in REQUESTS:
        own = set(kind.DESCRIPTOR.fields_by_name)
        for outer in kind.DESCRIPTOR.fields:
            inner = outer.message_type
            if inner is None or inner.file.package == "google.protobuf":
                continue
            for field in inner.fields:
                if field.name not in own and field.json_name not in SHORTCUTS:
                    yield kind, outer, field


@pytest.mark.parametrize(
    ("kind", "outer", "field"),
    list(list_misplaced()),
    ids=lambda item: item.__name__ if isinstance(item, type) else item.name,
)
def test_a_field_of_a_nested_message_at_the_top_is_told_where_it_belongs(
    kind: type[Message], outer: FieldDescriptor, field: FieldDescriptor
) -> None:
    for name in (field.name, field.json_name):
        description = read_violations(kind, {name: None})[name]
        assert description.startswith("is not a known field; it belongs in ")
        assert f"{outer.json_name}.{field.json_name}" in description
        # The object that the caller sends decides which of several places is meant.
        chosen = read_violations(kind, {outer.json_name: {}, name: None})[name]
        assert chosen == f"is not a known field; it belongs in {outer.json_name}.{field.json_name}"


@pytest.mark.parametrize(
    ("kind", "data", "field", "hint"),
    [
        (IMAGE, {"theme": "vintage"}, "theme", "it belongs in style.theme"),
        (IMAGE, {"brandColors": []}, "brandColors", "it belongs in style.brandColors"),
        (IMAGE, {"enhance_for_finance": False}, "enhance_for_finance", "it belongs in style.enhanceForFinance"),
        (IMAGE, {"compression_level": 9}, "compression_level", "it belongs in output.compressionLevel"),
        (IMAGE, {"metadata": {}}, "metadata", "it belongs in output.metadata"),
        (IMAGE, {"format": "png"}, "format", "it belongs in output.format"),
        (IMAGE, {"output": {"theme": "vintage"}}, "output.theme", "it belongs in style.theme"),
        (IMAGE, {"style": {"prompt": "A tree"}}, "style.prompt", "it belongs in prompt"),
        (IMAGE, {"size": "card"}, "size", "did you mean imageSize?"),
        (IMAGE, {"custom_width": 800}, "custom_width", "did you mean width?"),
        (IMAGE, {"jpegQuality": 90}, "jpegQuality", "did you mean output.encoderQuality?"),
        (IMAGE, {"resolution": {}}, "resolution", "did you mean imageSize?"),
        (IMAGE, {"config": {}}, "config", "did you mean style or output?"),
        (IMAGE, {"brandColours": []}, "brandColours", "did you mean style.brandColors?"),
        (IMAGE, {"constraints": {}}, "constraints", "did you mean style.maxLength or style.styleGuidelines?"),
        (JOB, {"artStyle": "x"}, "artStyle", "it belongs in headline.artStyle"),
        (JOB, {"voiceId": "x"}, "voiceId", "it belongs in talkingVideo.narration.voice or headline.narration.voice"),
        (JOB, {"headline": {"voiceId": "x"}}, "headline.voiceId", "it belongs in headline.narration.voice"),
        (JOB, {"imageUrl": "x"}, "imageUrl", "it belongs in animate.video.imageUrl or talkingVideo.video.imageUrl"),
        (JOB, {"animate": {}, "imageUrl": "x"}, "imageUrl", "it belongs in animate.video.imageUrl"),
        (tts_pb2.SynthesizeRequest, {"format": "mp3"}, "format", "did you mean outputFormat?"),
        (tts_pb2.SynthesizeRequest, {"modelIdd": "x"}, "modelIdd", "did you mean modelId?"),
        (
            image_pb2.BatchGenerateImagesRequest,
            {"prompt": "A tree"},
            "prompt",
            "it belongs in items[].generate.prompt or items[].generateFast.prompt or items[].transform.prompt",
        ),
    ],
)
def test_the_hint_names_the_place(kind: type[Message], data: dict[str, object], field: str, hint: str) -> None:
    assert read_violations(kind, data) == {field: f"is not a known field; {hint}"}


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [(JOB, {"headline": "News"}, "headline"), (IMAGE, {"style": "watercolor"}, "style")],
)
def test_a_value_in_place_of_an_object_is_told_the_fields_of_the_object(
    kind: type[Message], data: dict[str, object], field: str
) -> None:
    description = read_violations(kind, data)[field]
    assert description.startswith("must be an object; its fields are ")
    assert "artStyle" in description


@pytest.mark.parametrize("name", ["voice", "voiceId", "voice_id"])
@pytest.mark.parametrize("kind", [tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeStreamRequest, jobs_pb2.NarrationSpec])
def test_a_voice_may_be_called_by_its_id(kind: type[Message], name: str) -> None:
    assert decode(kind, {name: "Aria"}).voice == "Aria"  # type: ignore[attr-defined]


def test_a_voice_is_given_once() -> None:
    assert read_violations(tts_pb2.SynthesizeRequest, {"voice": "Aria", "voiceId": "Sarah"}) == {
        "voice": "must be given once, not also as voiceId"
    }


@pytest.mark.parametrize("name", ["objectKey", "object_key"])
def test_the_key_of_an_image_may_stand_beside_the_prompt(name: str) -> None:
    request = decode(IMAGE, {"prompt": "A goal", name: "goals/retirement/user_123.png"})
    assert request == IMAGE(prompt="A goal", output={"object_key": "goals/retirement/user_123.png"})
    both = decode(IMAGE, {"output": {"format": "png"}, name: "a.png"})
    assert both.output == image_pb2.ImageOutput(format="png", object_key="a.png")


def test_the_key_of_an_image_is_given_once() -> None:
    found = read_violations(IMAGE, {"output": {"objectKey": "a.png"}, "object_key": "b.png"})
    assert list(found) == ["object_key"]
