"""Source images: upright, on white, small enough; and scenes with even sides."""

from __future__ import annotations

from io import BytesIO

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.common.errors import MediaError, Reason
from services.common.images import Size
from services.video.source_image import MIN_SIDE_PIXELS, build_scene, compute_video_size, prepare_source_image
from tests.fakes.image_provider import make_image

MUCH = 8 * 1024 * 1024
SHORT_SIDES = st.sampled_from((512, 768, 1080))
ORIENTATION = 0x0112
TURNED_LEFT = 6


def make_file(image: Image.Image, format_name: str = "PNG", exif: bytes = b"") -> bytes:
    file = BytesIO()
    image.save(file, format_name, exif=exif)
    return file.getvalue()


def make_noise(size: Size) -> bytes:
    """Return an image that compresses badly."""
    pixels = numpy.random.default_rng(1).integers(0, 256, (size.height, size.width, 3), dtype=numpy.uint8)
    return make_file(Image.fromarray(pixels))


def open_image(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def get_color(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def catch_refusal(data: bytes, field: str = "image_url") -> MediaError:
    with pytest.raises(MediaError) as caught:
        prepare_source_image(data, field, MUCH)
    return caught.value


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_an_image_of_any_format_becomes_a_jpeg_of_the_same_size(format_name: str) -> None:
    source_image = prepare_source_image(make_image(Size(120, 90), "teal", format_name), "image_url", MUCH)
    image = open_image(source_image.data)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (120, 90))
    assert source_image.size == Size(120, 90)
    assert get_color(image, 60, 45) == pytest.approx((0, 128, 128), abs=6)


def test_an_image_is_made_upright_and_loses_its_metadata() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_LEFT
    source_image = prepare_source_image(
        make_file(Image.new("RGB", (120, 90)), "JPEG", exif=exif.tobytes()), "image_url", MUCH
    )
    assert source_image.size == Size(90, 120)
    image = open_image(source_image.data)
    assert image.size == (90, 120)
    assert not image.getexif()


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (100, 80), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (50, 0, 100, 80))
    for data in (
        prepare_source_image(make_file(image), "image_url", MUCH).data,
        build_scene(make_file(image), 512).image,
    ):
        shown = open_image(data).convert("RGB")
        assert get_color(shown, shown.width // 8, shown.height // 2) == pytest.approx((255, 255, 255), abs=6)
        assert get_color(shown, shown.width * 7 // 8, shown.height // 2) == pytest.approx((0, 0, 255), abs=6)


@pytest.mark.parametrize("size", [Size(8, 8), Size(MIN_SIDE_PIXELS - 1, 400), Size(400, MIN_SIDE_PIXELS - 1)])
def test_a_too_small_image_is_rejected_by_its_field(size: Size) -> None:
    error = catch_refusal(make_image(size), "image_key")
    assert error.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in error.violations] == ["image_key"]
    assert f"{size.width} x {size.height}" in error.message


def test_the_smallest_image_is_accepted() -> None:
    smallest = Size(MIN_SIDE_PIXELS, MIN_SIDE_PIXELS)
    assert prepare_source_image(make_image(smallest), "image_url", MUCH).size == smallest


@pytest.mark.parametrize("data", [b"", b"no image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a"])
def test_a_file_that_is_not_an_image_is_rejected(data: bytes) -> None:
    assert catch_refusal(data).reason is Reason.MEDIA_INVALID


def test_a_cut_image_is_rejected() -> None:
    assert catch_refusal(make_noise(Size(100, 100))[:-1000]).reason is Reason.MEDIA_INVALID


def test_quality_is_reduced_before_size() -> None:
    data = make_noise(Size(300, 200))
    whole = prepare_source_image(data, "image_url", MUCH)
    coarser = prepare_source_image(data, "image_url", len(whole.data) - 1)
    assert len(coarser.data) < len(whole.data)
    assert open_image(coarser.data).size == (300, 200)


@pytest.mark.parametrize("max_bytes", [50_000, 20_000, 6_000, 2_000])
def test_quality_and_size_are_reduced_until_the_image_fits(max_bytes: int) -> None:
    source_image = prepare_source_image(make_noise(Size(400, 200)), "image_url", max_bytes)
    image = open_image(source_image.data)
    assert len(source_image.data) <= max_bytes
    assert image.width == 2 * image.height
    # The size is that of the original image.
    assert source_image.size == Size(400, 200)


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        (Size(1600, 900), 768, Size(1364, 768)),
        (Size(900, 1600), 768, Size(768, 1364)),
        (Size(500, 500), 512, Size(512, 512)),
        (Size(400, 300), 1080, Size(1440, 1080)),
        (Size(6400, 64), 768, Size(1920, 768)),
        (Size(64, 6400), 768, Size(768, 1920)),
        (Size(1920, 1080), 1080, Size(1920, 1080)),
    ],
)
def test_a_video_has_the_aspect_ratio_of_its_image(size: Size, short_side: int, expected: Size) -> None:
    assert compute_video_size(size, short_side) == expected


@given(st.integers(MIN_SIDE_PIXELS, 5000), st.integers(MIN_SIDE_PIXELS, 5000), SHORT_SIDES)
def test_both_sides_are_even_and_the_aspect_ratio_is_kept_if_not_too_long(
    width: int, height: int, short_side: int
) -> None:
    found = compute_video_size(Size(width, height), short_side)
    assert found.width % 2 == found.height % 2 == 0
    assert min(found.width, found.height) == short_side
    longer, shorter = max(width, height), min(width, height)
    assert max(found.width, found.height) == pytest.approx(min(1920.0, longer * short_side / shorter), abs=2)
    assert (found.width >= found.height) == (width >= height) or found.width == found.height


def test_a_scene_has_an_image_of_the_video_size_and_a_label_that_fits() -> None:
    shown = build_scene(make_image(Size(160, 90), "teal", "JPEG"), 512)
    assert shown.size == Size(910, 512)
    image, label = open_image(shown.image), open_image(shown.label)
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (910, 512))
    assert (label.format, label.mode) == ("PNG", "RGBA")
    assert label.width < 512
    assert label.height < 512


def test_the_label_fits_on_the_narrowest_video() -> None:
    shown = build_scene(make_image(Size(100, 2000)), 512)
    assert shown.size == Size(512, 1920)
    assert open_image(shown.label).width < 512 - 32


def test_a_very_long_image_is_cropped_to_its_middle() -> None:
    image = Image.new("RGB", (2000, 100), "red")
    image.paste((0, 255, 0), (800, 0, 1200, 100))
    shown = open_image(build_scene(make_file(image), 512).image)
    assert shown.size == (1920, 512)
    assert get_color(shown, 960, 256) == (0, 255, 0)
    assert get_color(shown, 100, 256) == get_color(shown, 1900, 256)
