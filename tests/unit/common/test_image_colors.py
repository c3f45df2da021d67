"""A colour profile decides over the pixels, whatever they are stored as; a damaged or foreign one is ignored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.common.images import decode_image
from tests.fakes.profiles import SRGB, build_gray_profile, encode_file, get_color, swap_red_and_blue

SWAPPED = swap_red_and_blue(SRGB)
LINEAR = build_gray_profile()
RED = (204, 51, 51)
BLUE = (51, 51, 204)


def is_near(color: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(color[:3], expected, strict=True))


def make_transparent_palette() -> Image.Image:
    image = Image.new("RGB", (40, 20), RED).quantize(4)
    image.info["transparency"] = bytes([128])
    return image


def make_key_color() -> Image.Image:
    image = Image.new("RGB", (40, 20), RED)
    image.paste("black", (20, 0, 40, 20))
    image.info["transparency"] = (0, 0, 0)
    return image


@pytest.mark.parametrize(
    ("image", "format_name", "has_alpha"),
    [
        (Image.new("RGB", (40, 20), RED), "PNG", False),
        (Image.new("RGB", (40, 20), RED), "JPEG", False),
        (Image.new("RGB", (40, 20), RED), "WEBP", False),
        (Image.new("RGB", (40, 20), RED), "AVIF", False),
        (Image.new("RGBA", (40, 20), (*RED, 128)), "PNG", True),
        (Image.new("RGBA", (40, 20), (*RED, 128)), "WEBP", True),
        (Image.new("RGBA", (40, 20), (*RED, 128)), "AVIF", True),
        (Image.new("RGB", (40, 20), RED).quantize(4), "PNG", False),
        (make_transparent_palette(), "PNG", True),
        (make_key_color(), "PNG", True),
    ],
    # The text of an image has its address, which differs between the processes of a run.
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_a_profile_counts_in_every_mode_of_color(image: Image.Image, format_name: str, has_alpha: bool) -> None:
    options = {"quality": 90} if format_name != "PNG" else {}
    transparency = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    found = decode_image(encode_file(image, format_name, icc_profile=SWAPPED, **options, **transparency)).image
    assert found.mode == ("RGBA" if has_alpha else "RGB")
    assert is_near(get_color(found), BLUE)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_a_profile_of_gray_counts_in_every_mode_of_gray(mode: str) -> None:
    gray = Image.new("I;16", (40, 20), 128 * 257) if mode == "I;16" else Image.new("L", (40, 20), 128).convert(mode)
    found = decode_image(encode_file(gray, icc_profile=LINEAR)).image
    assert found.mode == ("RGBA" if mode == "LA" else "RGB")
    if mode != "1":
        # Half of the light is 188 in sRGB.
        assert is_near(get_color(found), (188, 188, 188), 3)


def test_a_profile_of_color_counts_for_gray() -> None:
    """Programs write the profile of the original into a JPEG of gray."""
    found = decode_image(encode_file(Image.new("L", (40, 20), 128), "JPEG", icc_profile=SWAPPED)).image
    assert is_near(get_color(found), (128, 128, 128), 3)


@pytest.mark.parametrize("profile", [LINEAR, b"no profile", SRGB[:200], b"\xff" * 400])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P"])
def test_a_profile_that_does_not_fit_is_ignored(mode: str, profile: bytes) -> None:
    image = Image.new("RGB", (40, 20), RED).convert(mode)
    found = decode_image(encode_file(image, "JPEG" if mode == "CMYK" else "PNG", icc_profile=profile)).image
    assert is_near(get_color(found), RED)


def test_cmyk_ignores_a_profile_of_color() -> None:
    image = Image.new("RGB", (40, 20), RED).convert("CMYK")
    assert is_near(get_color(decode_image(encode_file(image, "JPEG", icc_profile=SWAPPED)).image), RED)


@given(st.integers(0, len(SRGB) - 1), st.binary(min_size=1, max_size=8))
def test_any_damage_of_a_profile_leaves_an_image(at: int, noise: bytes) -> None:
    profile = SRGB[:at] + noise + SRGB[at + len(noise) :]
    assert decode_image(encode_file(Image.new("RGB", (4, 2), RED), icc_profile=profile)).image.size == (4, 2)
