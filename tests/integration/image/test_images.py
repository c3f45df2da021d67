"""Tests of image requests, from the message to the stored object."""

from __future__ import annotations

from datetime import UTC
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from media.common.v1 import cache_pb2
from media.image.v1 import image_pb2
from PIL import Image

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata
from services.common.storage import IMMUTABLE, REPLACEABLE, ObjectSpec
from services.common.worker_pool import WorkerPool
from services.image.providers.interface import GeneratedImage, Mode
from services.image.sizes import PRESETS
from tests.fakes.image_provider import PLAIN, FakeImageProvider, make_image
from tests.fakes.object_store import EXPIRES, FakeObjectStore
from tests.integration.image.conftest import ImageSuite, catch_error, run_image_service

Output, Style, Variant = image_pb2.ImageOutput, image_pb2.PromptStyle, image_pb2.ImageVariantSpec


def open_stored(store: FakeObjectStore, key: str) -> Image.Image:
    with Image.open(BytesIO(store.objects[key][1])) as image:
        image.load()
        return image


async def test_an_image_is_generated_stored_and_returned(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    image = await suite.generate(negative_prompt="dogs", style=Style(theme=image_pb2.IMAGE_THEME_VINTAGE))
    assert (image.width, image.height, image.seed, image.model, image.provider) == (512, 512, 7, "flux-dev", "fal")
    assert image.prompt.startswith("a cat. Style: vintage")
    assert image.prompt_metadata.style == "vintage"
    assert list(image.ignored_fields) == ["negative_prompt"]
    assert (image.from_cache, image.cache_status) == (False, cache_pb2.CACHE_STATUS_MISS)
    assert image.provider_request_id == "request-1"
    assert image.request_id
    assert image.image_url == f"https://store.example/{image.key}"
    assert image.url_expire_time.ToDatetime(UTC) == EXPIRES
    assert (image.content_type, image.size_bytes) == ("image/webp", len(store.objects[image.key][1]))
    info = store.objects[image.key][0]
    assert dict(info.metadata) == {"owner": "alice", "provider": "fal", "model": "flux-dev", "seed": "7"}
    assert open_stored(store, image.key).size == (512, 512)
    assert provider.specs[0].prompt == image.prompt


@pytest.mark.parametrize("name", PRESETS)
async def test_every_preset_is_delivered_in_exactly_its_size(suite: ImageSuite, name: str) -> None:
    image = await suite.generate(image_size=name)
    assert (image.width, image.height) == (PRESETS[name].size.width, PRESETS[name].size.height)


@pytest.mark.parametrize("sides", [(14_142, 64), (64, 14_142), (64, 64), (14_142, 1_414)])
async def test_the_largest_and_smallest_sizes_are_delivered(
    suite: ImageSuite, store: FakeObjectStore, sides: Any
) -> None:
    width, height = sides
    image = await suite.generate(image_size="custom", width=width, height=height, output=Output(format="jpeg"))
    assert open_stored(store, image.key).size == sides


async def test_an_image_of_another_shape_is_fitted_to_the_size(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    provider.outcomes.append(GeneratedImage(make_image(Size(100, 50)), "image/png"))
    image = await suite.generate(output=Output(format="png", fit=image_pb2.IMAGE_FIT_CONTAIN))
    assert image.fitted == "padded"
    assert (image.provider_dimensions.width, image.provider_dimensions.height) == (100, 50)
    assert not image.HasField("seed")
    assert open_stored(store, image.key).size == (512, 512)


async def test_variants_are_stored_and_deleted_with_the_image(suite: ImageSuite, store: FakeObjectStore) -> None:
    variants = [Variant(name="thumbnail"), Variant(name="tiny", width=40, height=20)]
    image = await suite.generate(output=Output(variants=variants, metadata={"goal_id": "7"}))
    assert [(one.name, one.width, one.height) for one in image.variants] == [("thumbnail", 256, 256), ("tiny", 40, 20)]
    assert store.objects[image.key][0].metadata["goal_id"] == "7"
    keys = {image.key, *(one.key for one in image.variants)}
    assert keys <= set(store.keys)
    assert set(await suite.delete(image.key)) == keys
    assert not keys & set(store.keys)


async def test_an_object_key_is_used_once_unless_overwrite_is_set(
    suite: ImageSuite, provider: FakeImageProvider
) -> None:
    output = Output(object_key="users/alice/goals/first.png", format="png")
    assert (await suite.generate(output=output)).key == "users/alice/goals/first.png"
    error = await catch_error(suite.generate(prompt="another", output=output))
    assert error.reason is Reason.ALREADY_EXISTS
    assert len(provider.specs) == 1
    again = Output(object_key="users/alice/goals/first.png", format="png", overwrite=True)
    assert (await suite.generate(prompt="another", output=again)).key == "users/alice/goals/first.png"


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        ("goals/retirement/user_123.png", "image/png"),
        ("portfolios/growth_visual.jpg", "image/jpeg"),
        ("portfolios/growth_visual.JPEG", "image/jpeg"),
        ("users/alice/generic/sunset.avif", "image/avif"),
        ("sunset.webp", "image/webp"),
    ],
)
async def test_a_key_is_below_the_prefix_of_its_caller_and_chooses_the_format(
    suite: ImageSuite, store: FakeObjectStore, key: str, content_type: str
) -> None:
    image = await suite.generate(output=Output(object_key=key))
    assert image.key == f"users/alice/{key.removeprefix('users/alice/')}"
    assert image.content_type == store.objects[image.key][0].content_type == content_type


async def test_jpg_is_another_name_of_jpeg(suite: ImageSuite) -> None:
    image = await suite.generate(output=Output(format="jpg"))
    assert (image.content_type, image.key.rpartition(".")[2]) == ("image/jpeg", "jpg")


async def test_an_image_is_deleted_by_the_key_with_which_it_was_stored(
    suite: ImageSuite, store: FakeObjectStore
) -> None:
    await suite.generate(output=Output(object_key="goals/old_image.png", variants=[Variant(name="thumbnail")]))
    deleted = await suite.delete("goals/old_image.png")
    assert set(deleted) == {"users/alice/goals/old_image.png", "users/alice/goals/old_image.thumbnail.png"}
    assert not any(name.startswith("users/alice/goals/old_image") for name in store.objects)


@pytest.mark.parametrize("extension", ["jpg", "jpeg"])
async def test_variant_keys_follow_the_object_key(suite: ImageSuite, store: FakeObjectStore, extension: str) -> None:
    key = f"users/alice/goals/first.{extension}"
    image = await suite.generate(output=Output(object_key=key, format="jpeg", variants=[Variant(name="thumbnail")]))
    assert image.variants[0].key == f"users/alice/goals/first.thumbnail.{extension}"
    assert len(await suite.delete(key)) == 2
    assert not [one for one in store.keys if one.startswith("users/")]


async def test_replacing_an_image_deletes_its_obsolete_variants(suite: ImageSuite, store: FakeObjectStore) -> None:
    def build_output(*names: str) -> image_pb2.ImageOutput:
        variants = [Variant(name=name) for name in names]
        return Output(object_key="users/alice/first.webp", overwrite=True, variants=variants)

    await suite.generate(output=build_output("thumbnail", "card"))
    await suite.generate(prompt="another", output=build_output("card"))
    keys = [one for one in store.keys if one.startswith("users/")]
    assert keys == ["users/alice/first.card.webp", "users/alice/first.webp"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (Output(), (IMMUTABLE, IMMUTABLE)),
        (Output(content_addressed=True), (IMMUTABLE, REPLACEABLE)),
        (Output(object_key="users/alice/first.webp"), (REPLACEABLE, REPLACEABLE)),
    ],
)
async def test_replaceable_objects_must_be_revalidated_by_browsers(
    suite: ImageSuite, store: FakeObjectStore, output: image_pb2.ImageOutput, expected: tuple[str, str]
) -> None:
    output.variants.append(Variant(name="thumbnail"))
    image = await suite.generate(output=output)
    cache_controls = [store.objects[key][0].cache_control for key in (image.key, image.variants[0].key)]
    assert tuple(cache_controls) == expected


async def test_variants_of_equal_images_add_up(suite: ImageSuite, store: FakeObjectStore) -> None:
    for name in ("thumbnail", "card"):
        image = await suite.generate(output=Output(content_addressed=True, variants=[Variant(name=name)]))
    again = await suite.generate(output=Output(content_addressed=True))
    assert again.key == image.key
    assert len(await suite.delete(image.key)) == 3
    assert not [one for one in store.keys if "sha256" in one]


@pytest.mark.parametrize(
    ("name", "reason"), [("z", Reason.ALREADY_EXISTS), ("z" * 190, Reason.VALIDATION_ERROR)], ids=["taken", "long"]
)
async def test_a_key_without_room_for_its_variants_is_refused_before_the_provider_is_called(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore, name: str, reason: Reason
) -> None:
    await store.put("users/alice/z.thumbnail.webp", b"x", ObjectSpec("image/webp"))
    output = Output(object_key=f"users/alice/{name}.webp", variants=[Variant(name="thumbnail")])
    error = await catch_error(suite.generate(output=output))
    assert (error.reason, [item.field for item in error.violations]) == (reason, ["output.object_key"])
    assert provider.specs == []


async def test_equal_images_of_a_caller_may_be_stored_once(suite: ImageSuite, store: FakeObjectStore) -> None:
    keys = {(await suite.generate(output=Output(content_addressed=True))).key for _ in range(2)}
    (key,) = keys
    assert key.startswith("users/alice/sha256/")
    other = await suite.generate("bob", output=Output(content_addressed=True))
    assert other.key.startswith("users/bob/sha256/")
    assert len([one for one in store.keys if "sha256" in one]) == 2


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"prompt": ""}, Reason.VALIDATION_ERROR, "prompt"),
        ({"prompt": " \u200b"}, Reason.VALIDATION_ERROR, "prompt"),
        ({"prompt": "x" * 5001}, Reason.VALIDATION_ERROR, "prompt"),
        ({"image_size": "huge"}, Reason.VALIDATION_ERROR, "image_size"),
        ({"image_size": "custom"}, Reason.VALIDATION_ERROR, ""),
        ({"width": 100, "height": 100}, Reason.VALIDATION_ERROR, ""),
        ({"image_size": "custom", "width": 14143, "height": 64}, Reason.VALIDATION_ERROR, "width"),
        ({"image_size": "custom", "width": 10000, "height": 10000}, Reason.VALIDATION_ERROR, ""),
        ({"num_inference_steps": 51}, Reason.VALIDATION_ERROR, "num_inference_steps"),
        ({"guidance_scale": 20.1}, Reason.VALIDATION_ERROR, "guidance_scale"),
        ({"provider": "dalle"}, Reason.VALIDATION_ERROR, "provider"),
        ({"provider": "gemini"}, Reason.VALIDATION_ERROR, "provider"),
        ({"style": Style(brand_colors=["blue"])}, Reason.VALIDATION_ERROR, "style.brand_colors[0]"),
        ({"style": Style(template="novel")}, Reason.VALIDATION_ERROR, "style.template"),
        ({"output": Output(format="gif")}, Reason.VALIDATION_ERROR, "output.format"),
        ({"output": Output(encoder_quality=0)}, Reason.VALIDATION_ERROR, "output.encoder_quality"),
        ({"output": Output(object_key="../x.webp")}, Reason.VALIDATION_ERROR, "output.object_key"),
        ({"output": Output(object_key="/x.webp")}, Reason.VALIDATION_ERROR, "output.object_key"),
        ({"output": Output(object_key="users/alice/" + "x" * 2000)}, Reason.VALIDATION_ERROR, "output.object_key"),
        ({"output": Output(object_key="users/alice/x.gif")}, Reason.VALIDATION_ERROR, "output.object_key"),
        ({"output": Output(object_key="goals/first")}, Reason.VALIDATION_ERROR, "output.object_key"),
        ({"output": Output(object_key="users/bob/x.webp")}, Reason.PERMISSION_DENIED, "output.object_key"),
        (
            {"output": Output(format="webp", object_key="users/alice/x.png")},
            Reason.VALIDATION_ERROR,
            "output.object_key",
        ),
        ({"output": Output(overwrite=True)}, Reason.VALIDATION_ERROR, "output.overwrite"),
        ({"output": Output(metadata={"owner": "bob"})}, Reason.VALIDATION_ERROR, "output.metadata"),
        ({"output": Output(variants=[Variant(name="odd")])}, Reason.VALIDATION_ERROR, "output.variants[0]"),
    ],
)
async def test_bad_input_names_its_field_before_the_provider_is_called(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore, fields: Any, reason: Reason, field: str
) -> None:
    error = await catch_error(suite.generate(**fields))
    assert error.reason is reason
    if field:
        assert [item.field for item in error.violations] == [field]
    assert (provider.specs, store.keys) == ([], [])


@pytest.mark.parametrize("steps", [0, 13])
async def test_a_fast_image_takes_one_to_twelve_steps(suite: ImageSuite, steps: int) -> None:
    request = image_pb2.GenerateImageFastRequest(prompt="a cat", num_inference_steps=steps)
    error = await catch_error(suite.stub.GenerateImageFast(request))
    assert [item.field for item in error.violations] == ["num_inference_steps"]
    request.num_inference_steps = 12
    assert (await suite.stub.GenerateImageFast(request)).image.width == 1024


@pytest.mark.parametrize("puts", [0, 1, 2])
async def test_a_failing_store_is_reported_and_nothing_is_half_stored(
    suite: ImageSuite, store: FakeObjectStore, puts: int
) -> None:
    store.puts_until_failure = puts
    variants = [Variant(name="thumbnail"), Variant(name="card")]
    error = await catch_error(suite.generate(output=Output(variants=variants)))
    assert error.reason is Reason.STORAGE_FAILED
    assert store.keys == []
    (record,) = await suite.wait_for_records(1)
    assert (record.outcome, record.cost_units, record.service) == ("STORAGE_FAILED", 3, "image")


async def test_a_file_that_is_not_an_image_is_a_provider_failure(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    provider.outcomes.append(GeneratedImage(b"<html>", "image/png"))
    error = await catch_error(suite.generate())
    assert error.reason is Reason.GENERATION_FAILED
    assert MAY_BE_CHARGED_KEY in error.metadata
    assert store.keys == []


async def test_the_image_of_a_fallback_provider_is_not_cached_for_the_first_provider(
    provider: FakeImageProvider, store: FakeObjectStore, workers: WorkerPool, tmp_path: Path
) -> None:
    other = FakeImageProvider("embedded", PLAIN)
    provider.outcomes.append(MediaError(Reason.PROVIDER_QUOTA_EXCEEDED))
    async with run_image_service(
        {"fal": provider, "embedded": other}, store, workers, tmp_path, fallback_providers="embedded"
    ) as suite:
        assert (await suite.generate(guidance_scale=5)).provider == "embedded"
        second = await suite.generate(guidance_scale=5)
    assert (second.provider, second.from_cache) == ("fal", False)


async def test_blocked_content_is_not_sent_to_a_fallback_provider(
    provider: FakeImageProvider, store: FakeObjectStore, workers: WorkerPool, tmp_path: Path
) -> None:
    other = FakeImageProvider("embedded", PLAIN)
    provider.outcomes.append(MediaError(Reason.CONTENT_BLOCKED))
    async with run_image_service(
        {"fal": provider, "embedded": other}, store, workers, tmp_path, fallback_providers="embedded"
    ) as suite:
        assert (await catch_error(suite.generate())).reason is Reason.CONTENT_BLOCKED
    assert other.specs == []


async def test_a_busy_provider_is_called_again(suite: ImageSuite, provider: FakeImageProvider) -> None:
    provider.outcomes.append(MediaError(Reason.PROVIDER_BUSY))
    assert (await suite.generate()).provider == "fal"
    assert len(provider.specs) == 2


async def test_a_call_that_may_have_been_charged_is_not_retried(suite: ImageSuite, provider: FakeImageProvider) -> None:
    provider.outcomes.append(MediaError(Reason.PROVIDER_UNAVAILABLE, metadata={MAY_BE_CHARGED_KEY: "true"}))
    assert (await catch_error(suite.generate())).reason is Reason.PROVIDER_UNAVAILABLE
    assert len(provider.specs) == 1


async def test_the_models_of_all_providers_are_listed(suite: ImageSuite) -> None:
    models = (await suite.stub.ListImageModels(image_pb2.ListImageModelsRequest())).models
    assert models
    assert {model.provider for model in models if model.is_default} == {model.provider for model in models}
    assert all(model.max_side_pixels and model.modes for model in models)


async def test_the_sizes_are_listed_by_name(suite: ImageSuite) -> None:
    sizes = (await suite.stub.ListImageSizes(image_pb2.ListImageSizesRequest())).sizes
    assert set(sizes) == {*PRESETS, "custom"}
    assert (sizes["landscape_16_9"].width, sizes["landscape_16_9"].height) == (1024, 576)


async def test_every_listed_style_is_accepted(suite: ImageSuite) -> None:
    listed = await suite.stub.ListPromptStyles(image_pb2.ListPromptStylesRequest())
    assert [theme.theme for theme in listed.themes] == image_pb2.ImageTheme.values()[1:]
    styles = [
        *(image_pb2.PromptStyle(theme=theme.theme) for theme in listed.themes),
        *(image_pb2.PromptStyle(art_styles=[style.name]) for style in listed.art_styles),
    ]
    words = [theme.words for theme in listed.themes] + [style.words for style in listed.art_styles]
    for style, addition in zip(styles, words, strict=True):
        assert addition in (await suite.generate(style=style)).prompt
    for template in listed.templates:
        fields = dict.fromkeys(template.fields, "joy")
        style = image_pb2.PromptStyle(template=template.name, template_fields=fields)
        assert "joy" in (await suite.generate(style=style)).prompt or not fields
    assert listed.version == (await suite.generate()).prompt_metadata.version


async def test_the_mode_reaches_the_provider(suite: ImageSuite, provider: FakeImageProvider) -> None:
    await suite.generate()
    await suite.stub.GenerateImageFast(image_pb2.GenerateImageFastRequest(prompt="a cat"))
    assert [spec.mode for spec in provider.specs] == [Mode.STANDARD, Mode.FAST]


async def test_a_check_generates_and_stores_nothing(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    request = image_pb2.GenerateImageRequest(prompt="a cat", image_size="card")
    found = await suite.stub.CheckImage(image_pb2.CheckImageRequest(request=request), metadata=call_metadata("alice"))
    assert (found.provider, found.model) == ("fal", "flux-dev")
    assert (provider.specs, store.objects) == ([], {})


async def test_a_check_fails_as_the_request_would(suite: ImageSuite, provider: FakeImageProvider) -> None:
    output = Output(object_key="users/alice/cat.webp")
    await suite.generate(output=output)
    taken = image_pb2.GenerateImageRequest(prompt="a cat", output=output)
    calls = len(provider.specs)
    check = suite.stub.CheckImage(image_pb2.CheckImageRequest(request=taken), metadata=call_metadata("alice"))
    assert (await catch_error(check)).reason is Reason.ALREADY_EXISTS
    assert len(provider.specs) == calls


async def test_a_check_needs_a_key(suite: ImageSuite, provider: FakeImageProvider) -> None:
    provider.has_key = False
    request = image_pb2.GenerateImageRequest(prompt="a cat")
    check = suite.stub.CheckImage(image_pb2.CheckImageRequest(request=request), metadata=call_metadata("alice"))
    assert (await catch_error(check)).reason is Reason.API_KEY_MISSING


async def test_a_provider_gets_no_control_characters(suite: ImageSuite, provider: FakeImageProvider) -> None:
    image = await suite.generate(prompt="a\x00 cat\u202e cafe\u0301", style=Style(style_guidelines=["no\x1b text"]))
    assert provider.specs[0].prompt == image.prompt
    assert image.prompt.startswith("a cat caf\u00e9")
    assert "no text" in image.prompt
    assert not set(image.prompt) & set("\x00\x1b\u202e\ufeff\u0301")
