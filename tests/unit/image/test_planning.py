"""Tests of plans: sizes, formats, candidates, and the fields that a model does not support."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.images import MAX_ASPECT, MAX_PIXELS, Size
from services.image.planning import Planner, PlanningOptions
from services.image.prompt import Brand, PromptRequest
from services.image.providers.interface import Mode, SourceImage
from services.image.request import ImageRequest, OutputRequest, VariantRequest
from services.image.sizes import MAX_SIDE_PIXELS, PRESETS
from tests.fakes.image_provider import PLAIN, FakeImageProvider

FAL, GEMINI = FakeImageProvider("fal"), FakeImageProvider("gemini", PLAIN)
PLANNER = Planner({"fal": FAL, "gemini": GEMINI}, PlanningOptions("fal"))
REQUEST = ImageRequest(Mode.STANDARD, PromptRequest("a cat"))
SOURCE = SourceImage(b"file", "image/png", Size(300, 200), "ab" * 32)


def plan_error(image_request: ImageRequest, planner: Planner = PLANNER) -> MediaError:
    with pytest.raises(MediaError) as caught:
        planner.plan(image_request)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    return caught.value


def find_refused_field(image_request: ImageRequest) -> str:
    (violation,) = plan_error(image_request).violations
    return violation.field


def test_a_plain_request_gets_the_defaults() -> None:
    plan = PLANNER.plan(REQUEST)
    (candidate,) = plan.candidates
    assert candidate.provider is FAL
    assert (candidate.spec.size, candidate.spec.preset, plan.size) == (
        Size(1024, 768),
        "landscape_4_3",
        Size(1024, 768),
    )
    assert (candidate.spec.steps, candidate.spec.guidance_scale, candidate.spec.safety_checker) == (28, 3.5, True)
    assert (candidate.spec.seed, candidate.spec.strength, candidate.ignored_fields) == (None, None, ())
    assert (plan.form.encoding.format, plan.form.fit, plan.form.variants, plan.shared) == ("webp", "cover", (), True)


@pytest.mark.parametrize("size", [Size(14_142, 64), Size(64, 14_142), Size(6_400, 64), Size(14_142, 1414)])
def test_the_requested_aspect_ratio_is_one_that_inspection_accepts(size: Size) -> None:
    plan = PLANNER.plan(replace(REQUEST, image_size="custom", custom_size=size))
    model_size = plan.candidates[0].spec.size
    assert plan.size == size
    assert max(model_size.width, model_size.height) <= min(1024, MAX_ASPECT * min(model_size.width, model_size.height))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_delivered_exactly_and_generated_within_the_limits_of_the_model(name: str) -> None:
    plan = PLANNER.plan(replace(REQUEST, image_size=name))
    model_size = plan.candidates[0].spec.size
    assert plan.size == PRESETS[name].size
    assert max(model_size.width, model_size.height) <= 1024
    assert plan.candidates[0].spec.preset == (name if model_size == plan.size else "")


@given(st.integers(64, MAX_SIDE_PIXELS), st.integers(64, MAX_SIDE_PIXELS))
def test_a_custom_size_is_delivered_exactly_or_refused(width: int, height: int) -> None:
    image_request = replace(REQUEST, image_size="custom", custom_size=Size(width, height))
    if width * height > MAX_PIXELS:
        assert find_refused_field(image_request) == "width"
        return
    plan = PLANNER.plan(image_request)
    model_size = plan.candidates[0].spec.size
    assert plan.size == Size(width, height)
    assert 1 <= min(model_size.width, model_size.height) <= max(model_size.width, model_size.height) <= 1024
    assert plan.candidates[0].spec.preset == ""


@pytest.mark.parametrize("size", [Size(14_143, 64), Size(64, 14_143), Size(14_142, 14_142)])
def test_a_size_that_is_too_large_names_its_field(size: Size) -> None:
    assert find_refused_field(replace(REQUEST, image_size="custom", custom_size=size)) == "width"


def test_a_transformed_image_keeps_its_size_unless_the_request_names_another() -> None:
    image_request = replace(REQUEST, mode=Mode.TRANSFORM)
    assert PLANNER.plan(image_request, SOURCE).size == Size(300, 200)
    assert PLANNER.plan(replace(image_request, image_size="card"), SOURCE).size == Size(512, 512)
    photo = replace(SOURCE, size=Size(8064, 6048))
    assert PLANNER.plan(image_request, photo).size == Size(5163, 3872)
    assert PLANNER.plan(image_request, SOURCE).candidates[0].spec.strength == 0.75
    assert PLANNER.plan(replace(image_request, strength=0.0), SOURCE).candidates[0].spec.strength == 0.0


def test_quality_decides_steps_if_the_request_sets_none() -> None:
    def plan_steps(image_request: ImageRequest) -> int | None:
        return PLANNER.plan(image_request).candidates[0].spec.steps

    assert [plan_steps(replace(REQUEST, quality=quality)) for quality in ("low", "medium", "high")] == [16, 28, 40]
    assert plan_steps(replace(REQUEST, quality="high", steps=3)) == 3


def test_unsupported_fields_are_not_sent_and_are_listed() -> None:
    image_request = replace(
        REQUEST, provider="gemini", negative_prompt="dogs", steps=9, guidance_scale=7.0, safety_checker=False, seed=5
    )
    (candidate,) = PLANNER.plan(image_request).candidates
    spec = candidate.spec
    assert (spec.negative_prompt, spec.steps, spec.guidance_scale, spec.safety_checker) == ("", None, None, True)
    assert spec.seed == 5
    assert set(candidate.ignored_fields) == {
        "negative_prompt",
        "num_inference_steps",
        "guidance_scale",
        "enable_safety_checker",
    }


def test_fields_that_the_request_does_not_set_are_not_ignored_fields() -> None:
    assert PLANNER.plan(replace(REQUEST, provider="gemini")).candidates[0].ignored_fields == ()


def test_fallback_providers_follow_in_order_without_repetition() -> None:
    planner = Planner({"fal": FAL, "gemini": GEMINI}, PlanningOptions("fal", ("fal", "gemini", "unknown")))
    assert [candidate.provider.name for candidate in planner.plan(REQUEST).candidates] == ["fal", "gemini"]
    plan = planner.plan(replace(REQUEST, provider="gemini", allow_fallback=True))
    assert [candidate.provider.name for candidate in plan.candidates] == ["gemini", "fal"]


def test_a_named_provider_is_not_replaced_unless_allowed() -> None:
    planner = Planner({"fal": FAL, "gemini": GEMINI}, PlanningOptions("fal", ("fal", "gemini")))
    for name in ("fal", "gemini"):
        plan = planner.plan(replace(REQUEST, provider=name))
        assert [candidate.provider.name for candidate in plan.candidates] == [name]


@pytest.mark.parametrize(
    ("image_request", "field"),
    [
        (replace(REQUEST, provider="dalle"), "provider"),
        (replace(REQUEST, image_size="huge"), "image_size"),
        (replace(REQUEST, output=OutputRequest("png", encoder_quality=80)), "output.encoder_quality"),
        (replace(REQUEST, output=OutputRequest("jpeg", compression_level=3)), "output.compression_level"),
        (replace(REQUEST, output=OutputRequest(variants=(VariantRequest("tiny"),))), "output.variants[0]"),
        (replace(REQUEST, output=OutputRequest(variants=(VariantRequest("tiny", 40),))), "output.variants[0]"),
        (
            replace(
                REQUEST,
                output=OutputRequest(variants=(VariantRequest("a", 4096, 4096), VariantRequest("b", 4096, 1024))),
            ),
            "output.variants",
        ),
        (
            replace(REQUEST, output=OutputRequest(variants=(VariantRequest("card"), VariantRequest("card")))),
            "output.variants[1].name",
        ),
    ],
)
def test_bad_input_names_its_field(image_request: ImageRequest, field: str) -> None:
    assert find_refused_field(image_request) == field


def test_a_variant_has_its_own_size_or_that_of_its_preset() -> None:
    output = OutputRequest(
        variants=(VariantRequest("thumbnail"), VariantRequest("tiny", 40, 30), VariantRequest("card", 300))
    )
    variants = PLANNER.plan(replace(REQUEST, output=output)).form.variants
    assert [(variant.name, variant.size) for variant in variants] == [
        ("thumbnail", Size(256, 256)),
        ("tiny", Size(40, 30)),
        ("card", Size(300, 512)),
    ]


def test_the_brand_is_applied_on_request_and_never_replaces_the_colours_of_the_request() -> None:
    planner = Planner({"fal": FAL}, PlanningOptions("fal", brand=Brand(("#0066CC",), "professional")))
    assert "#0066CC" not in planner.plan(REQUEST).prompt.text
    assert "#0066CC" in planner.plan(replace(REQUEST, use_brand=True)).prompt.text
    own = replace(REQUEST, use_brand=True, prompt=PromptRequest("a cat", brand_colors=("#FF0000",)))
    assert "#0066CC" not in planner.plan(own).prompt.text
