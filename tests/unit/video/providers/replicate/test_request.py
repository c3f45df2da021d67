"""Requests for Replicate: combinations that a model does not support are rejected before payment."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from services.common.errors import MediaError, Reason
from services.common.providers.models import ModelInfo
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.providers.replicate.request import MODELS, build_body, build_path, choose_model, matches_spec
from services.video.providers.replicate.settings import DEFAULT_MODEL, ReplicateSettings

SETTINGS = ReplicateSettings("r8_TOKEN")
VERSION = "c43b610efe40d08a28d2c07cb3515dab1cd3324dfc7418f3304a092571071d22"
OTHER = "someone/model"
SOURCE_IMAGE = "https://x/y.png"


def make_spec(model: str = DEFAULT_MODEL, **video_request: Any) -> VideoSpec:
    return VideoSpec(VideoRequest("a cat", **video_request), model, b"jpeg")


def make_inputs(spec: VideoSpec) -> Any:
    return build_body(spec, SOURCE_IMAGE, SETTINGS)["input"]


def test_a_request_without_a_model_gets_the_default() -> None:
    assert choose_model(VideoRequest("a cat"), SETTINGS) == DEFAULT_MODEL
    assert choose_model(VideoRequest("a cat"), ReplicateSettings("r8_TOKEN", default_model=OTHER)) == OTHER


@pytest.mark.parametrize("model", [OTHER, f"{OTHER}:{VERSION}", VERSION])
def test_any_model_is_allowed_without_a_list(model: str) -> None:
    assert choose_model(VideoRequest("a cat", seconds=60, resolution="1080p", model=model), SETTINGS) == model


def test_only_models_of_the_list_are_allowed() -> None:
    settings = ReplicateSettings("r8_TOKEN", allowed_models=(OTHER, DEFAULT_MODEL))
    assert choose_model(VideoRequest("a cat", model=OTHER), settings) == OTHER
    with pytest.raises(MediaError) as caught:
        choose_model(VideoRequest("a cat", model="an/other"), settings)
    assert [item.field for item in caught.value.violations] == ["model"]
    assert f"{OTHER}, {DEFAULT_MODEL}" in caught.value.message


def test_the_default_model_need_not_be_in_the_list() -> None:
    assert choose_model(VideoRequest("a cat"), ReplicateSettings("r8_TOKEN", allowed_models=(OTHER,))) == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("seconds", "resolution"), [(0, ""), (6, "512p"), (6, "768p"), (10, ""), (10, "768p"), (6, "1080p"), (0, "1080p")]
)
def test_supported_combinations_are_accepted(seconds: int, resolution: str) -> None:
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
def test_unsupported_combinations_are_rejected_by_field(video_request: VideoRequest, field: str) -> None:
    with pytest.raises(MediaError) as caught:
        choose_model(video_request, SETTINGS)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == [field]
    assert DEFAULT_MODEL in caught.value.message


@pytest.mark.parametrize(
    ("model", "seconds", "resolution"),
    [
        ("minimax/hailuo-2.3", 10, "768p"),
        ("minimax/hailuo-2.3", 6, "1080p"),
        ("minimax/hailuo-02-fast", 10, "512p"),
    ],
)
def test_each_known_model_has_its_own_combinations(model: str, seconds: int, resolution: str) -> None:
    fits = VideoRequest("a cat", seconds=seconds, resolution=resolution, model=model)
    assert choose_model(fits, SETTINGS) == model


@pytest.mark.parametrize(
    ("model", "seconds", "resolution", "advice"),
    [
        ("minimax/hailuo-2.3", 6, "512p", "resolution: must be 768p or 1080p for minimax/hailuo-2.3"),
        ("minimax/hailuo-2.3", 10, "1080p", "seconds: must be 6 for minimax/hailuo-2.3 in 1080p"),
        ("minimax/hailuo-02-fast", 6, "768p", "resolution: must be 512p for minimax/hailuo-02-fast"),
    ],
)
def test_what_a_known_model_cannot_do_is_refused(model: str, seconds: int, resolution: str, advice: str) -> None:
    with pytest.raises(MediaError) as caught:
        choose_model(VideoRequest("a cat", seconds=seconds, resolution=resolution, model=model), SETTINGS)
    assert caught.value.message == advice


def test_a_model_gets_no_input_that_it_does_not_take() -> None:
    fast = make_inputs(make_spec("minimax/hailuo-02-fast", resolution="512p"))
    assert fast.keys() == {"prompt", "duration", "prompt_optimizer", "first_frame_image"}
    assert make_inputs(make_spec("minimax/hailuo-2.3"))["resolution"] == "768p"


@pytest.mark.parametrize(
    ("model", "path", "version"),
    [
        (DEFAULT_MODEL, "/models/minimax/hailuo-02/predictions", None),
        (VERSION, "/predictions", VERSION),
        (f"{OTHER}:{VERSION}", "/predictions", VERSION),
        (f"{'o' * 30}/{'m' * 33}", f"/models/{'o' * 30}/{'m' * 33}/predictions", None),
    ],
)
def test_a_version_has_another_path_than_a_model(model: str, path: str, version: str | None) -> None:
    assert build_path(model) == path
    assert build_body(make_spec(model), SOURCE_IMAGE, SETTINGS).get("version") == version


def test_a_known_model_is_sent_all_of_its_inputs() -> None:
    # The model's own defaults exclude each other, and change.
    assert make_inputs(make_spec()) == {
        "prompt": "a cat",
        "duration": 6,
        "resolution": "768p",
        "prompt_optimizer": True,
        "first_frame_image": SOURCE_IMAGE,
    }
    sent = make_inputs(make_spec(seconds=10, resolution="768p", prompt_optimizer=False))
    assert (sent["duration"], sent["resolution"], sent["prompt_optimizer"]) == (10, "768p", False)


def test_an_unknown_model_gets_no_defaults() -> None:
    assert make_inputs(make_spec(OTHER)) == {"prompt": "a cat", "first_frame_image": SOURCE_IMAGE}


def test_an_unknown_model_gets_its_inputs_under_its_own_names() -> None:
    video_request = {"seconds": 8, "resolution": "1080p", "model_input": {"seed": 7}, "image_input_name": "image"}
    expected = {"prompt": "a cat", "duration": 8, "resolution": "1080p", "seed": 7, "image": SOURCE_IMAGE}
    assert make_inputs(make_spec(OTHER, **video_request)) == expected
    assert make_inputs(make_spec(OTHER, model_input={"image": "no", "duration": 5}, image_input_name="image")) == {
        "prompt": "a cat",
        "duration": 5,
        "image": SOURCE_IMAGE,
    }


def test_webhooks_are_requested_for_the_end_only_and_with_a_url_only() -> None:
    assert build_body(make_spec(), SOURCE_IMAGE, SETTINGS).keys() == {"input"}
    body = build_body(make_spec(), SOURCE_IMAGE, ReplicateSettings("r8_TOKEN", webhook_url="https://me.example/hook"))
    assert (body["webhook"], body["webhook_events_filter"]) == ("https://me.example/hook", ["completed"])


def build_prediction_json(spec: VideoSpec, source_image: str = SOURCE_IMAGE, **changes: Any) -> dict[str, Any]:
    """Return the JSON of a prediction of `spec`, with some inputs changed."""
    owner, _, version = spec.model.rpartition(":")
    model = {"model": owner or OTHER, "version": version} if len(version) == 64 else {"model": spec.model}
    return {"version": "hidden", **model, "input": build_body(spec, source_image, SETTINGS)["input"] | changes}


@pytest.mark.parametrize("model", [DEFAULT_MODEL, OTHER, f"{OTHER}:{VERSION}", VERSION])
def test_a_prediction_matches_by_model_inputs_and_source_image(model: str) -> None:
    spec = make_spec(model, seconds=10)
    assert matches_spec(build_prediction_json(spec), spec, SOURCE_IMAGE)
    # A model may add defaults.
    assert matches_spec(build_prediction_json(spec, added=1), spec, SOURCE_IMAGE)


def test_another_source_image_does_not_match() -> None:
    for spec in (make_spec(), make_spec(OTHER), make_spec(OTHER, image_input_name="image")):
        assert not matches_spec(build_prediction_json(spec, "https://x/another.png"), spec, SOURCE_IMAGE)
        assert not matches_spec(
            build_prediction_json(spec, "data:image/jpeg;base64,AAAA"), spec, "data:image/jpeg;base64,AAAB"
        )


def test_an_uploaded_source_image_is_ignored_by_the_match() -> None:
    for spec in (make_spec(), make_spec(OTHER), make_spec(OTHER, image_input_name="image")):
        assert matches_spec(build_prediction_json(spec, "https://api.replicate.com/v1/files/file-1"), spec, "")
        assert not matches_spec(build_prediction_json(spec, prompt="a dog"), spec, "")


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (DEFAULT_MODEL, {"model": OTHER}),
        (DEFAULT_MODEL, {"model": None}),
        (OTHER, {"model": f"{OTHER}-2"}),
        (VERSION, {"version": VERSION[::-1]}),
        (f"{OTHER}:{VERSION}", {"version": "hidden"}),
        (f"{OTHER}:{VERSION}", {"version": [VERSION]}),
    ],
)
def test_another_model_or_version_does_not_match(model: str, changes: dict[str, Any]) -> None:
    spec = make_spec(model)
    assert not matches_spec(build_prediction_json(spec) | changes, spec, SOURCE_IMAGE)


@pytest.mark.parametrize(
    "inputs", [{"prompt": "a dog"}, {"duration": 6}, {"resolution": "512p"}, {"prompt_optimizer": False}]
)
def test_another_input_does_not_match(inputs: dict[str, Any]) -> None:
    spec = make_spec(seconds=10)
    assert not matches_spec(build_prediction_json(spec, **inputs), spec, SOURCE_IMAGE)


@pytest.mark.parametrize("inputs", [None, {}, [], "a cat", 1])
def test_removed_inputs_do_not_match(inputs: object) -> None:
    assert not matches_spec(build_prediction_json(make_spec()) | {"input": inputs}, make_spec(), SOURCE_IMAGE)


def test_neither_token_nor_secret_nor_source_image_is_printed() -> None:
    printed = repr(ReplicateSettings("r8_TOKEN", webhook_secret="whsec_x")) + repr(make_spec())
    assert not any(word in printed for word in ("r8_TOKEN", "whsec_x", "jpeg"))


@pytest.mark.parametrize(("named", "field"), [(True, ["model"]), (False, [])])
def test_an_ended_model_is_refused(monkeypatch: pytest.MonkeyPatch, named: bool, field: list[str]) -> None:
    ended = ModelInfo("minimax/ended", date(2026, 1, 1), "minimax/hailuo-2.3")
    monkeypatch.setitem(cast("dict[str, ModelInfo]", MODELS), ended.model_id, ended)
    settings = ReplicateSettings("r8_TOKEN", default_model=ended.model_id)
    with pytest.raises(MediaError) as caught:
        choose_model(VideoRequest("a cat", model=ended.model_id if named else ""), settings)
    assert caught.value.reason is Reason.MODEL_RETIRED
    assert [item.field for item in caught.value.violations] == field
    assert ("REPLICATE_MODEL=minimax/hailuo-2.3" in caught.value.message) is not named
