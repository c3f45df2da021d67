"""Tests of the Gemini provider: requests equal those of the official client, drafts, and every refusal."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.images import Size
from services.image.providers.gemini import GeminiProvider, GeminiSettings, open_gemini
from services.image.providers.gemini.request import MODELS, build_body
from services.image.providers.interface import ImageSpec, Mode, SourceImage
from services.image.sizes import PRESETS
from tests.fakes.gemini import API_KEY, FakeGemini, build_answer, build_part, run_gemini
from tests.fakes.image_provider import make_image

GOLDEN = Path(__file__).parents[4] / "golden" / "gemini"
CAT = ImageSpec(Mode.STANDARD, "a cat", Size(1920, 1080), seed=7)
MODEL = "gemini-3-pro-image"


def load_golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture
async def gemini() -> AsyncIterator[FakeGemini]:
    async with run_gemini() as fake:
        yield fake


@pytest.fixture
async def provider(gemini: FakeGemini) -> AsyncIterator[GeminiProvider]:
    async with open_gemini(GeminiSettings(API_KEY, gemini.base_url, MODEL, timeout_seconds=5)) as opened:
        yield opened


async def catch_error(provider: GeminiProvider) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await provider.generate(CAT)
    return caught.value


async def test_a_generate_request_equals_the_request_of_the_official_client(
    gemini: FakeGemini, provider: GeminiProvider
) -> None:
    generated = await provider.generate(CAT)
    (sent,) = gemini.requests
    expected = load_golden("image")
    # The captured request named a model that Google has switched off since.
    path = expected["path"].replace("gemini-3.1-flash-image", MODEL)
    assert (sent.method, sent.path, sent.query) == (expected["method"], path, expected["query"])
    assert {name: sent.headers[name] for name in expected["semantic_headers"]} == expected["semantic_headers"]
    # The captured request relaxed one filter; with the safety checker on, the provider sends no filter settings.
    body = {name: value for name, value in expected["body"].items() if name != "safetySettings"}
    assert sent.body == body
    assert (generated.data, generated.content_type, generated.seed) == (make_image(), "image/png", 7)
    assert (generated.request_id, generated.url) == ("response-1", "")


async def test_a_transform_request_equals_the_request_of_the_official_client(
    gemini: FakeGemini, provider: GeminiProvider
) -> None:
    expected = load_golden("image_edit")["body"]["contents"]
    inline = expected[0]["parts"][1]["inlineData"]
    source = SourceImage(base64.b64decode(inline["data"]), inline["mime_type"], Size(1, 1), "00")
    await provider.generate(ImageSpec(Mode.TRANSFORM, "make it blue", Size(1, 1), source=source))
    assert gemini.requests[0].body["contents"] == expected


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("model", [name for name in MODELS if name.startswith("gemini")])
def test_aspect_ratio_and_resolution_are_supported_by_the_model(name: str, model: str) -> None:
    size = PRESETS[name].size
    image = build_body(replace(CAT, size=size), model)["generationConfig"]["imageConfig"]
    width, height = map(int, image["aspectRatio"].split(":"))
    assert image["aspectRatio"] in MODELS[model].traits["ratios"]
    assert width / height == pytest.approx(size.width / size.height, rel=0.02)
    assert image.get("imageSize", "") in (*MODELS[model].traits["resolutions"], "")
    assert ("imageSize" in image) == bool(MODELS[model].traits["resolutions"])


def test_the_resolution_follows_the_mode_and_the_size() -> None:
    def choose_resolution(spec: ImageSpec) -> str:
        return str(build_body(spec, MODEL)["generationConfig"]["imageConfig"]["imageSize"])

    assert choose_resolution(replace(CAT, mode=Mode.FAST)) == "1K"
    assert choose_resolution(replace(CAT, size=Size(512, 512))) == "1K"
    assert choose_resolution(replace(CAT, size=Size(4096, 4096))) == "4K"


@given(st.integers(0, 2**64 - 1))
def test_every_seed_fits_the_api(seed: int) -> None:
    sent = build_body(replace(CAT, seed=seed), MODEL)["generationConfig"]["seed"]
    assert 0 <= sent < 2**31
    assert seed >= 2**31 or sent == seed


def test_content_filters_are_relaxed_only_on_request() -> None:
    assert "safetySettings" not in build_body(CAT, MODEL)
    relaxed = build_body(replace(CAT, safety_checker=False), MODEL)["safetySettings"]
    assert load_golden("image")["body"]["safetySettings"][0] in relaxed


async def test_drafts_are_skipped(gemini: FakeGemini, provider: GeminiProvider) -> None:
    last = make_image(Size(9, 9))
    parts = build_part(b"draft", thought=True), {"text": "words"}, build_part(b"first"), build_part(last, "image/jpeg")
    gemini.answers.append((200, build_answer(*parts, build_part(b"afterthought", thought=True))))
    generated = await provider.generate(CAT)
    assert (generated.data, generated.content_type) == (last, "image/jpeg")


IMAGE = build_part(make_image())
DRAFT = build_part(b"draft", thought=True)


@pytest.mark.parametrize(
    "body",
    [
        build_answer({"text": "Here it is."}, IMAGE),
        build_answer({**IMAGE, "thought": True}),
        build_answer(DRAFT, {**IMAGE, "thought": True}),
        build_answer(DRAFT, IMAGE, DRAFT),
        build_answer({"functionResponse": {"parts": [IMAGE]}}),
        build_answer({"inline_data": {"mime_type": "image/png", "data": IMAGE["inlineData"]["data"]}}),
        {"candidates": [*build_answer({"text": "no"})["candidates"], *build_answer(IMAGE)["candidates"]]},
        build_answer(IMAGE, {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}),
        build_answer(IMAGE, finish="MAX_TOKENS"),
    ],
)
async def test_the_only_image_is_the_image_wherever_it_stands(
    gemini: FakeGemini, provider: GeminiProvider, body: Any
) -> None:
    gemini.answers.append((200, body))
    generated = await provider.generate(CAT)
    assert (generated.data, generated.content_type) == (make_image(), "image/png")


@pytest.mark.parametrize(
    ("usage", "units"),
    [
        ({"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}], "candidatesTokenCount": 1200}, 1120),
        ({"candidatesTokenCount": 1290}, 1290),
        ({"candidatesTokensDetails": ["odd"], "candidatesTokenCount": "odd"}, None),
        ({}, None),
        ("odd", None),
    ],
)
async def test_the_tokens_of_the_image_are_its_cost(
    gemini: FakeGemini, provider: GeminiProvider, usage: Any, units: int | None
) -> None:
    gemini.answers.append(
        (200, {**build_answer(IMAGE), "usageMetadata": usage, "modelStatus": {"retirementTime": "x"}})
    )
    assert (await provider.generate(CAT)).cost_units == units


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "imagen-4.0-generate-001", "imagen-4.0-fast-generate-001"])
async def test_a_model_that_was_switched_off_is_refused_before_a_request(gemini: FakeGemini, model: str) -> None:
    async with open_gemini(GeminiSettings(API_KEY, gemini.base_url, model)) as provider:
        error = await catch_error(provider)
        with pytest.raises(MediaError):
            provider.check_ready()
    assert error.reason is Reason.MODEL_RETIRED
    assert error.metadata["successor"] == "gemini-nano-banana-2.1"
    assert "GEMINI_IMAGE_MODEL=gemini-nano-banana-2.1" in error.message
    assert gemini.requests == []


def test_every_model_with_an_end_has_a_successor_without_one() -> None:
    for model in MODELS.values():
        assert bool(model.ends_on) == bool(model.successor)
        assert not model.successor or MODELS[model.successor].ends_on is None


async def test_the_configured_model_is_the_first_of_the_list(gemini: FakeGemini) -> None:
    for chosen in (MODEL, "gemini-of-tomorrow"):
        async with open_gemini(GeminiSettings(API_KEY, gemini.base_url, chosen)) as provider:
            first, *others = provider.list_models()
        assert (first.model_id, first.is_default, bool(first.aspect_ratios)) == (chosen, True, True)
        ended = next(model for model in others if model.model_id == "gemini-3.1-flash-image")
        assert (ended.is_default, ended.end_date, ended.successor) == (False, "2026-10-29", "gemini-nano-banana-2.1")


async def test_the_version_of_the_api_is_configurable(gemini: FakeGemini) -> None:
    settings = GeminiSettings(API_KEY, gemini.base_url, MODEL, api_version="v1beta")
    async with open_gemini(settings) as provider:
        await provider.generate(CAT)
    assert gemini.requests[0].path == f"/v1beta/models/{MODEL}:generateContent"


def make_quota(quota_id: str, value: object = "100") -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": quota_id, "quotaValue": value}],
    }


PER_DAY = make_quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
PER_MINUTE = make_quota("GenerateRequestsPerMinutePerProjectPerModel")


@pytest.mark.parametrize(
    ("details", "message", "reason"),
    [
        ([PER_MINUTE, {"retryDelay": "34s"}], "", Reason.PROVIDER_BUSY),
        ([PER_DAY, {"retryDelay": "34s"}], "", Reason.PROVIDER_QUOTA_EXCEEDED),
        ([make_quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", 0)], "", Reason.PROVIDER_QUOTA_EXCEEDED),
        ([], "Quota exceeded for metric: x, limit: 0, model: y", Reason.PROVIDER_QUOTA_EXCEEDED),
        ([], "Quota exceeded for metric: x, limit: 10", Reason.PROVIDER_BUSY),
        ([{"violations": "odd"}], "", Reason.PROVIDER_BUSY),
    ],
)
async def test_a_quota_that_no_wait_restores_is_no_busy_provider(
    gemini: FakeGemini, provider: GeminiProvider, details: list[Any], message: str, reason: Reason
) -> None:
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": details}
    gemini.answers.append((429, {"error": error}))
    assert (await catch_error(provider)).reason is reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (build_answer(DRAFT, finish="IMAGE_SAFETY"), Reason.CONTENT_BLOCKED),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, Reason.CONTENT_BLOCKED),
        (build_answer(finish="IMAGE_SAFETY"), Reason.CONTENT_BLOCKED),
        (build_answer(finish="SAFETY"), Reason.CONTENT_BLOCKED),
        (build_answer({"text": "I cannot draw that."}), Reason.CONTENT_BLOCKED),
        (build_answer(finish="NO_IMAGE"), Reason.GENERATION_FAILED),
        (build_answer({"text": "..."}, finish="MAX_TOKENS"), Reason.GENERATION_FAILED),
        ({}, Reason.GENERATION_FAILED),
        ([], Reason.GENERATION_FAILED),
        ("odd", Reason.GENERATION_FAILED),
        ({"candidates": ["odd"]}, Reason.GENERATION_FAILED),
        (build_answer({"inlineData": {"data": "!!"}}), Reason.GENERATION_FAILED),
    ],
)
async def test_a_response_without_an_image_is_mapped_to_a_reason(
    gemini: FakeGemini, provider: GeminiProvider, body: Any, reason: Reason
) -> None:
    gemini.answers.append((200, body))
    error = await catch_error(provider)
    assert error.reason is reason
    assert "cannot draw" not in error.message


def make_error(status: str, *details: Any) -> Any:
    return {"error": {"code": 1, "message": "a secret", "status": status, "details": list(details)}}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("code", "body", "reason", "delay"),
    [
        (400, make_error("INVALID_ARGUMENT"), Reason.VALIDATION_ERROR, None),
        (400, make_error("INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), Reason.PROVIDER_REJECTED_KEY, None),
        (403, make_error("PERMISSION_DENIED"), Reason.PROVIDER_REJECTED_KEY, None),
        (404, make_error("NOT_FOUND"), Reason.GENERATION_FAILED, None),
        (429, make_error("RESOURCE_EXHAUSTED", {"x": 1}, {"retryDelay": "34s"}), Reason.PROVIDER_BUSY, 34.0),
        (429, make_error("RESOURCE_EXHAUSTED", {"retryDelay": "9" * 400 + "s"}), Reason.PROVIDER_BUSY, 3600.0),
        (500, make_error("INTERNAL"), Reason.GENERATION_FAILED, None),
        (503, make_error("UNAVAILABLE"), Reason.PROVIDER_UNAVAILABLE, None),
        (504, make_error("DEADLINE_EXCEEDED"), Reason.PROVIDER_TIMEOUT, None),
        (503, {}, Reason.PROVIDER_UNAVAILABLE, None),
    ],
)
async def test_an_error_response_is_mapped_to_a_reason(
    gemini: FakeGemini,
    provider: GeminiProvider,
    code: int,
    body: Any,
    reason: Reason,
    delay: float | None,
    wrapped: bool,
) -> None:
    gemini.answers.append((code, [body] if wrapped else body))
    error = await catch_error(provider)
    assert (error.reason, error.retry_after_seconds) == (reason, delay)
    assert "secret" not in error.message
    assert MAY_BE_CHARGED_KEY not in error.metadata


async def test_a_lost_connection_may_have_been_charged(gemini: FakeGemini, provider: GeminiProvider) -> None:
    gemini.drops = True
    error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert MAY_BE_CHARGED_KEY in error.metadata


async def test_a_missing_response_is_a_provider_timeout(gemini: FakeGemini) -> None:
    gemini.hangs = True
    async with open_gemini(GeminiSettings(API_KEY, gemini.base_url, MODEL, timeout_seconds=0.1)) as provider:
        error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert MAY_BE_CHARGED_KEY in error.metadata


async def test_without_a_key_no_request_is_sent(gemini: FakeGemini) -> None:
    async with open_gemini(GeminiSettings("", gemini.base_url)) as provider:
        error = await catch_error(provider)
    assert (error.reason, "GEMINI_API_KEY" in error.message) == (Reason.API_KEY_MISSING, True)
    assert gemini.requests == []


async def test_an_unreachable_server_is_unavailable_and_charges_nothing() -> None:
    async with open_gemini(GeminiSettings(API_KEY, "http://127.0.0.1:9")) as provider:
        error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert MAY_BE_CHARGED_KEY not in error.metadata
