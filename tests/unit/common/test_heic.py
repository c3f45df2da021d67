"""HEIC as phones write it: tiles, ten bits, a turn in its boxes, several images."""

from __future__ import annotations

from io import BytesIO

import numpy
import pillow_heif
import pytest
from PIL import Image

from services.common.errors import MediaError, Reason
from services.common.images import Size, decode_image
from tests.fakes.profiles import SRGB, encode_file, get_color, swap_red_and_blue

RED, BLUE = (200, 30, 30), (30, 30, 200)
ORIENTATION = 0x0112


def make_halves(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Return an image that is red on the left and blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def check_color(image: Image.Image, x: int, y: int, expected: tuple[int, ...]) -> None:
    assert get_color(image, x, y)[:3] == pytest.approx(expected, abs=12)


def test_the_boxes_turn_an_image_once_whatever_its_exif_says() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F] = "a maker"
    whole = encode_file(make_halves(), "HEIF", exif=exif.tobytes(), quality=90)
    start = max(whole.find(b"MM\0*"), whole.find(b"II*\0"))
    assert start > 0
    for file in (whole, whole[:start] + b"\xff" * 12 + whole[start + 12 :]):
        decoded = decode_image(file)
        assert (decoded.info.size, decoded.image.size) == (Size(48, 64), (48, 64))
        check_color(decoded.image, 24, 8, RED)
        check_color(decoded.image, 24, 56, BLUE)


def test_the_first_image_is_the_primary_one() -> None:
    other = Image.new("RGB", (32, 16), "green")
    options = {"save_all": True, "append_images": [other], "quality": 90}
    assert decode_image(encode_file(make_halves(), "HEIF", **options)).info.size == Size(64, 48)
    assert decode_image(encode_file(make_halves(), "HEIF", **options, primary_index=1)).info.size == Size(32, 16)


def test_ten_bits_become_eight() -> None:
    deep = (numpy.asarray(make_halves()).astype("<u2") * 257).tobytes()
    file = BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(64, 48), data=deep).save(file, quality=90)
    image = decode_image(file.getvalue()).image
    assert image.mode == "RGB"
    check_color(image, 8, 8, RED)


@pytest.mark.parametrize(("mode", "decoded_mode"), [("L", "RGB"), ("RGB", "RGB"), ("RGBA", "RGBA")])
def test_every_mode_becomes_rgb(mode: str, decoded_mode: str) -> None:
    assert decode_image(encode_file(make_halves().convert(mode), "HEIF")).image.mode == decoded_mode


def test_a_profile_counts() -> None:
    file = encode_file(make_halves(), "HEIF", quality=90, icc_profile=swap_red_and_blue(SRGB))
    check_color(decode_image(file).image, 8, 8, BLUE)


def test_a_photo_of_tiles_is_reduced_and_refused_where_it_is_cut() -> None:
    file = encode_file(make_halves((600, 400)), "HEIF", tile_size=256)
    decoded = decode_image(file, 300)
    assert (decoded.info.size, decoded.image.size) == (Size(600, 400), (300, 200))
    for share in (0.5, 0.8, 0.99):
        with pytest.raises(MediaError) as caught:
            decode_image(file[: int(len(file) * share)])
        assert caught.value.reason is Reason.MEDIA_INVALID
    # Cameras add bytes of their own behind the boxes.
    assert decode_image(file + b"\0\0\1\0SEFT").info.size == Size(600, 400)


def test_a_file_of_a_general_brand_is_identified_by_its_other_brands() -> None:
    for format_name, content_type in (("HEIF", "image/heic"), ("AVIF", "image/avif")):
        file = encode_file(make_halves(), format_name)
        assert decode_image(file[:8] + b"mif1" + file[12:]).info.content_type == content_type
