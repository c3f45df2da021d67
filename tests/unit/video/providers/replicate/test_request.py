"""What Replicate's models are asked for: combinations that no model makes are refused before they are paid."""

from __future__ import annotations

from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.providers.replicate.request import build_body, build_path, choose_model, matches_spec
from services.video.providers.replicate.settings import DEFAULT_MODEL, ReplicateSettings

SETTINGS = ReplicateSettings("r8_TOKEN")
VERSION = "c43b610efe40d08a28d2c07cb3515dab1cd3324dfc7418f3304a092571071d22"
OTHER = "someone/model"
SOURCE_IMAGE = "https://x/y.png"


def spec_of(model: str = DEFAULT_MODEL, **video_request: Any) -> VideoSpec:
    return VideoSpec(VideoRequest("a cat", **video_request), model, b"jpeg")


def inputs_of(spec: VideoSpec) -> Any:
    return build_body(spec, SOURCE_IMAGE, SETTINGS)["input"]


def test_who_names_no_model_gets_the_usual_one() -> None:
    assert choose_model(VideoRequest("a cat"), SETTINGS) == DEFAULT_MODEL
    assert choose_model(VideoRequest("a cat"), ReplicateSettings("r8_TOKEN", default_model=OTHER)) == OTHER


@pytest.mark.parametrize("model", [OTHER, f"{OTHER}:{VERSION}", VERSION])
def test_any_model_may_be_named_where_no_list_says_otherwise(model: str) -> None:
    assert choose_model(VideoRequest("a cat", seconds=60, resolution="1080p", model=model), SETTINGS) == model


def test_only_models_of_the_list_may_be_named() -> None:
    settings = ReplicateSettings("r8_TOKEN", allowed_models=(OTHER, DEFAULT_MODEL))
    assert choose_model(VideoRequest("a cat", model=OTHER), settings) == OTHER
    with pytest.raises(MediaError) as caught:
        choose_model(VideoRequest("a cat", model="an/other"), settings)
    assert [item.field for item in caught.value.violations] == ["model"]
    assert f"{OTHER}, {DEFAULT_MODEL}" in caught.value.message


def test_the_usual_model_needs_no_place_in_the_list() -> None:
    assert choose_model(VideoRequest("a cat"), ReplicateSettings("r8_TOKEN", allowed_models=(OTHER,))) == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("seconds", "resolution"), [(0, ""), (6, "512p"), (6, "768p"), (10, ""), (10, "768p"), (6, "1080p"), (0, "1080p")]
)
def test_what_the_model_makes_is_agreed_to(seconds: int, resolution: str) -> None:
    assert choose_model(VideoRequest("a cat", seconds=seconds, resolution=resolution), SETTINGS) == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("video_request", "field"),
    [
        (VideoRequest("a cat", seconds=10, resolution="1080p"), "seconds"),
        (VideoRequest("a cat", seconds=10, resolution="512p"), "seconds"),
        (VideoRequest("a cat", seconds=7), "seconds"),
        (VideoRequest("a cat", resolution="2160p"), "resolution"),
        (VideoRequest("a cat", model_input={"seed": 1}), "model_input"),
        (VideoRequest("a cat", image_input_name="image"), "image_input_name"),
    ],
)
def test_what_the_model_does_not_make_is_refused_by_the_name_of_its_field(
    video_request: VideoRequest, field: str
) -> None:
    with pytest.raises(MediaError) as caught:
        choose_model(video_request, SETTINGS)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == [field]
    assert DEFAULT_MODEL in caught.value.message


@pytest.mark.parametrize(
    ("model", "path", "version"),
    [
        (DEFAULT_MODEL, "/models/minimax/hailuo-02/predictions", None),
        (VERSION, "/predictions", VERSION),
        (f"{OTHER}:{VERSION}", "/predictions", VERSION),
        (f"{'o' * 30}/{'m' * 33}", f"/models/{'o' * 30}/{'m' * 33}/predictions", None),
    ],
)
def test_a_version_is_asked_for_elsewhere_than_a_model(model: str, path: str, version: str | None) -> None:
    assert build_path(model) == path
    assert build_body(spec_of(model), SOURCE_IMAGE, SETTINGS).get("version") == version


def test_a_known_model_is_sent_all_of_its_inputs() -> None:
    # Its own defaults exclude each other, and change.
    assert inputs_of(spec_of()) == {
        "prompt": "a cat",
        "duration": 6,
        "resolution": "768p",
        "prompt_optimizer": True,
        "first_frame_image": SOURCE_IMAGE,
    }
    sent = inputs_of(spec_of(seconds=10, resolution="768p", prompt_optimizer=False))
    assert (sent["duration"], sent["resolution"], sent["prompt_optimizer"]) == (10, "768p", False)


def test_an_unknown_model_is_sent_nothing_that_nobody_gave() -> None:
    assert inputs_of(spec_of(OTHER)) == {"prompt": "a cat", "first_frame_image": SOURCE_IMAGE}


def test_an_unknown_model_is_sent_what_was_given_under_its_own_names() -> None:
    video_request = {"seconds": 8, "resolution": "1080p", "model_input": {"seed": 7}, "image_input_name": "image"}
    expected = {"prompt": "a cat", "duration": 8, "resolution": "1080p", "seed": 7, "image": SOURCE_IMAGE}
    assert inputs_of(spec_of(OTHER, **video_request)) == expected
    assert inputs_of(spec_of(OTHER, model_input={"image": "no", "duration": 5}, image_input_name="image")) == {
        "prompt": "a cat",
        "duration": 5,
        "image": SOURCE_IMAGE,
    }


def test_webhooks_are_asked_for_where_there_is_an_address_and_of_the_end_only() -> None:
    assert build_body(spec_of(), SOURCE_IMAGE, SETTINGS).keys() == {"input"}
    body = build_body(spec_of(), SOURCE_IMAGE, ReplicateSettings("r8_TOKEN", webhook_url="https://me.example/hook"))
    assert (body["webhook"], body["webhook_events_filter"]) == ("https://me.example/hook", ["completed"])


def told_of(spec: VideoSpec, source_image: str = SOURCE_IMAGE, **changes: Any) -> dict[str, Any]:
    """Return what Replicate tells of a prediction by `spec`, some of its inputs changed."""
    owner, _, version = spec.model.rpartition(":")
    model = {"model": owner or OTHER, "version": version} if len(version) == 64 else {"model": spec.model}
    return {"version": "hidden", **model, "input": build_body(spec, source_image, SETTINGS)["input"] | changes}


@pytest.mark.parametrize("model", [DEFAULT_MODEL, OTHER, f"{OTHER}:{VERSION}", VERSION])
def test_a_prediction_is_known_by_its_model_inputs_and_source_image(model: str) -> None:
    spec = spec_of(model, seconds=10)
    assert matches_spec(told_of(spec), spec, SOURCE_IMAGE)
    # A model may have defaults of its own.
    assert matches_spec(told_of(spec, added=1), spec, SOURCE_IMAGE)


def test_a_prediction_with_another_source_image_is_another() -> None:
    for spec in (spec_of(), spec_of(OTHER), spec_of(OTHER, image_input_name="image")):
        assert not matches_spec(told_of(spec, "https://x/another.png"), spec, SOURCE_IMAGE)
        assert not matches_spec(told_of(spec, "data:image/jpeg;base64,AAAA"), spec, "data:image/jpeg;base64,AAAB")


def test_a_source_image_that_is_elsewhere_each_time_is_left_aside() -> None:
    for spec in (spec_of(), spec_of(OTHER), spec_of(OTHER, image_input_name="image")):
        assert matches_spec(told_of(spec, "https://api.replicate.com/v1/files/file-1"), spec, "")
        assert not matches_spec(told_of(spec, prompt="a dog"), spec, "")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (DEFAULT_MODEL, {"model": OTHER}),
        (DEFAULT_MODEL, {"model": None}),
        (OTHER, {"model": f"{OTHER}-2"}),
        (VERSION, {"version": VERSION[::-1]}),
        (f"{OTHER}:{VERSION}", {"version": "hidden"}),
        (f"{OTHER}:{VERSION}", {"version": [VERSION]}),
    ],
)
def test_a_prediction_of_another_model_or_version_is_another(model: str, told: dict[str, Any]) -> None:
    spec = spec_of(model)
    assert not matches_spec(told_of(spec) | told, spec, SOURCE_IMAGE)


@pytest.mark.parametrize(
    "inputs", [{"prompt": "a dog"}, {"duration": 6}, {"resolution": "512p"}, {"prompt_optimizer": False}]
)
def test_a_prediction_with_another_input_is_another(inputs: dict[str, Any]) -> None:
    spec = spec_of(seconds=10)
    assert not matches_spec(told_of(spec, **inputs), spec, SOURCE_IMAGE)


@pytest.mark.parametrize("inputs", [None, {}, [], "a cat", 1])
def test_inputs_that_were_removed_are_of_nobody(inputs: object) -> None:
    assert not matches_spec(told_of(spec_of()) | {"input": inputs}, spec_of(), SOURCE_IMAGE)


def test_neither_token_nor_secret_nor_source_image_is_printed() -> None:
    printed = repr(ReplicateSettings("r8_TOKEN", webhook_secret="whsec_x")) + repr(spec_of())
    assert not any(word in printed for word in ("r8_TOKEN", "whsec_x", "jpeg"))
