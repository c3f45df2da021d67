"""Converters from messages: defaults, values, and contradictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from media.video.v1 import video_pb2

from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment
from services.video.converters import to_generation_request, to_mux_request, to_source
from services.video.duration_policy import LengthPolicy
from services.video.generation_request import GenerationRequest
from services.video.inputs import Source
from services.video.mux import CaptionRequest, MuxRequest
from services.video.providers.interface import VideoRequest
from services.video.video_store import Destination

BASE = video_pb2.GenerateVideoRequest(prompt="a cat", image_url="https://example.com/cat.png")
CALLER = "alice"
REQUEST = to_generation_request(BASE, CALLER)
CHARACTERS, STARTS, ENDS = ("H", "i"), (0.0, 0.1), (0.1, 0.25)


def make_request_with_input(**given: Any) -> video_pb2.GenerateVideoRequest:
    request = video_pb2.GenerateVideoRequest(prompt="a cat")
    request.model_input.update(given)
    return request


def make_captions_request(
    mode: video_pb2.CaptionMode = video_pb2.CAPTION_MODE_UNSPECIFIED, language: str = "", ends: Any = ENDS
) -> video_pb2.MuxVideoRequest:
    request = video_pb2.MuxVideoRequest(captions=video_pb2.Captions(mode=mode, language=language))
    alignment = request.captions.alignment
    alignment.characters.extend(CHARACTERS)
    alignment.character_start_times_seconds.extend(STARTS)
    alignment.character_end_times_seconds.extend(ends)
    return request


def test_absent_fields_have_defaults() -> None:
    assert GenerationRequest(VideoRequest("a cat"), image_url="https://example.com/cat.png") == REQUEST
    assert (REQUEST.request.length_seconds, REQUEST.request.shorter_side, REQUEST.request.prompt_optimizer) == (
        6,
        "768p",
        True,
    )


def test_set_fields_are_converted() -> None:
    request = video_pb2.GenerateVideoRequest(
        prompt="a cat",
        image_key="users/alice/cat.png",
        seconds=10,
        resolution="512p",
        provider="replicate",
        model="owner/name",
        prompt_optimizer=False,
        image_input_name="image",
        detach=True,
        request_id="order-1",
        object_key="users/alice/cat.mp4",
        overwrite=True,
    )
    assert to_generation_request(request, CALLER) == GenerationRequest(
        request=VideoRequest("a cat", 10, "512p", "owner/name", False, image_input_name="image"),
        image_key="users/alice/cat.png",
        provider="replicate",
        destination=Destination("users/alice/cat.mp4", True),
        detach=True,
        request_id="order-1",
    )


def test_whole_numbers_of_a_models_inputs_stay_whole() -> None:
    given = {
        "duration": 6,
        "minus": -3,
        "zero": 0,
        "scale": 7.5,
        "large": 2**53,
        "name": "6.0",
        "yes": True,
        "nothing": None,
        "list": [1, 2.5, {"deep": 4}],
        "object": {"fps": 24, "empty": {}},
    }
    found = to_generation_request(make_request_with_input(**given), CALLER).request.model_input
    assert found == given
    deep: Any = found
    whole = (deep["duration"], deep["minus"], deep["zero"], deep["large"], deep["list"][0], deep["object"]["fps"])
    assert {type(number) for number in (*whole, deep["list"][2]["deep"])} == {int}
    assert type(deep["scale"]) is float
    assert deep["yes"] is True


def test_texts_of_model_input_have_no_control_characters() -> None:
    given = {"negative_prompt": "blur\x00 \u202edog", "list": ["scho\u0308n", {"de\x07ep": "a\x7fb"}]}
    found = to_generation_request(make_request_with_input(**given), CALLER).request.model_input
    assert found == {"negative_prompt": "blur dog", "list": ["sch\u00f6n", {"deep": "ab"}]}


def test_without_model_input_there_are_no_inputs() -> None:
    assert to_generation_request(make_request_with_input(), CALLER).request.model_input == {}


def test_the_fingerprint_depends_on_the_video_and_not_on_detach() -> None:
    changed = [
        replace(REQUEST, request=replace(REQUEST.request, prompt="a dog")),
        replace(REQUEST, request=replace(REQUEST.request, seconds=10)),
        replace(REQUEST, request=replace(REQUEST.request, resolution="512p")),
        replace(REQUEST, request=replace(REQUEST.request, model="owner/name")),
        replace(REQUEST, request=replace(REQUEST.request, prompt_optimizer=False)),
        replace(REQUEST, request=replace(REQUEST.request, model_input={"seed": 1})),
        replace(REQUEST, request=replace(REQUEST.request, image_input_name="image")),
        replace(REQUEST, image_url="https://example.com/dog.png"),
        replace(REQUEST, image_key="users/alice/cat.png"),
        replace(REQUEST, provider="embedded"),
        replace(REQUEST, destination=Destination("users/alice/cat.mp4")),
    ]
    assert len({request.fingerprint for request in (REQUEST, *changed)}) == len(changed) + 1
    assert replace(REQUEST, detach=True, request_id="order-1").fingerprint == REQUEST.fingerprint


def test_the_fingerprint_does_not_depend_on_the_order_of_inputs() -> None:
    one, other = make_request_with_input(a=1, b={"c": 2, "d": 3}), make_request_with_input(b={"d": 3, "c": 2}, a=1)
    assert to_generation_request(one, CALLER).fingerprint == to_generation_request(other, CALLER).fingerprint


@pytest.mark.parametrize("number", [1e20, -1e20, 1e300])
def test_the_largest_numbers_have_a_fingerprint(number: float) -> None:
    request = to_generation_request(make_request_with_input(seed=number), CALLER)
    assert request.fingerprint
    assert request.request.model_input == {"seed": number}


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_not_finite_is_rejected_by_field(number: float) -> None:
    with pytest.raises(MediaError) as caught:
        to_generation_request(make_request_with_input(seed=number), CALLER)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["model_input"]


def test_absent_fields_of_a_mux_have_defaults() -> None:
    request = video_pb2.MuxVideoRequest(
        video=video_pb2.MediaSource(key="users/alice/cat.mp4"), audio=video_pb2.MediaSource(url="https://example.com/a")
    )
    assert to_mux_request(request, CALLER) == MuxRequest(
        Source(key="users/alice/cat.mp4"),
        Source(url="https://example.com/a"),
        audio_delay_ms=500,
        policy=LengthPolicy.FREEZE,
        captions=None,
        stream_media=False,
        destination=Destination(),
    )


def test_set_fields_of_a_mux_are_converted() -> None:
    request = video_pb2.MuxVideoRequest(
        audio_delay_ms=1200, stream_media=True, object_key="users/alice/cat.mp4", overwrite=True
    )
    parsed = to_mux_request(request, CALLER)
    assert (parsed.audio_delay_ms, parsed.stream_media, parsed.destination) == (
        1200,
        True,
        Destination("users/alice/cat.mp4", True),
    )


def test_a_delay_of_zero_is_not_the_default() -> None:
    assert to_mux_request(video_pb2.MuxVideoRequest(audio_delay_ms=0), CALLER).audio_delay_ms == 0


@pytest.mark.parametrize(
    ("wire_policy", "policy"),
    [
        (video_pb2.LENGTH_POLICY_UNSPECIFIED, LengthPolicy.FREEZE),
        (video_pb2.LENGTH_POLICY_SHORTEST, LengthPolicy.SHORTEST),
        (video_pb2.LENGTH_POLICY_FREEZE, LengthPolicy.FREEZE),
        (video_pb2.LENGTH_POLICY_LOOP, LengthPolicy.LOOP),
    ],
)
def test_every_length_policy_is_converted(wire_policy: video_pb2.LengthPolicy, policy: LengthPolicy) -> None:
    assert to_mux_request(video_pb2.MuxVideoRequest(length_policy=wire_policy), CALLER).policy is policy


def test_the_contract_has_no_unknown_length_policy() -> None:
    for name in video_pb2.LengthPolicy.keys():  # noqa: SIM118 - no dict
        assert to_mux_request(video_pb2.MuxVideoRequest(length_policy=name), CALLER).policy in LengthPolicy


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (video_pb2.MediaSource(key="a/b"), Source(key="a/b")),
        (video_pb2.MediaSource(url="https://example.com/a"), Source(url="https://example.com/a")),
        (video_pb2.MediaSource(data=b"file"), Source(data=b"file")),
    ],
)
def test_a_source_is_one_of_three(source: video_pb2.MediaSource, expected: Source) -> None:
    assert to_source(source) == expected


def test_captions_are_converted_with_their_defaults() -> None:
    alignment = Alignment(CHARACTERS, STARTS, ENDS)
    assert to_mux_request(make_captions_request(), CALLER).captions == CaptionRequest(
        alignment, burned=False, language="und"
    )
    burned = make_captions_request(video_pb2.CAPTION_MODE_BURNED, "deu")
    assert to_mux_request(burned, CALLER).captions == CaptionRequest(alignment, burned=True, language="deu")


@pytest.mark.parametrize("ends", [(), (0.1,), (0.1, 0.2, 0.3)])
def test_caption_lists_of_different_lengths_are_rejected_by_field(ends: tuple[float, ...]) -> None:
    with pytest.raises(MediaError) as caught:
        to_mux_request(make_captions_request(ends=ends), CALLER)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["captions.alignment"]


def test_infinite_caption_times_are_rejected_by_field() -> None:
    with pytest.raises(MediaError) as caught:
        to_mux_request(make_captions_request(ends=(*ENDS[:-1], float("inf"))), CALLER)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["captions.alignment"]


def test_a_prompt_has_no_control_characters() -> None:
    request = video_pb2.GenerateVideoRequest(prompt="a\x00 cat\u202e cafe\u0301", image_key="users/alice/cat.png")
    assert to_generation_request(request, CALLER).request.prompt == "a cat caf\u00e9"


@pytest.mark.parametrize(
    ("key", "whole"), [("cat.mp4", "users/alice/cat.mp4"), ("users/alice/cat.mp4", "users/alice/cat.mp4")]
)
def test_a_video_is_stored_below_the_prefix_of_its_caller(key: str, whole: str) -> None:
    generation = to_generation_request(video_pb2.GenerateVideoRequest(object_key=key), CALLER)
    mux = to_mux_request(video_pb2.MuxVideoRequest(object_key=key), CALLER)
    assert generation.destination == mux.destination == Destination(whole)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("users/bob/cat.mp4", Reason.PERMISSION_DENIED),
        ("users/alicette/cat.mp4", Reason.PERMISSION_DENIED),
        ("videos/2026/11/cat.mp4", Reason.VALIDATION_ERROR),
        ("users/alice/../bob/cat.mp4", Reason.VALIDATION_ERROR),
        ("cat.mp4/", Reason.VALIDATION_ERROR),
    ],
)
def test_a_key_that_no_video_of_the_caller_can_have_is_refused(key: str, reason: Reason) -> None:
    with pytest.raises(MediaError) as caught:
        to_generation_request(video_pb2.GenerateVideoRequest(object_key=key), CALLER)
    assert (caught.value.reason, caught.value.violations[0].field) == (reason, "object_key")
