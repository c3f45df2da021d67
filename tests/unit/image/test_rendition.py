"""Tests of renditions: exact sizes, every format, and no metadata of the source."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from services.common.images import Size
from services.image.rendition import (
    MAX_PREVIEW_CHARACTERS,
    Encoding,
    Fit,
    RenditionSpec,
    VariantSpec,
    normalize_source,
    render,
)
from tests.fakes.image_provider import make_image

FORMATS = ["png", "jpeg", "webp", "avif"]
PNG = Encoding("png", "low")


def open_file(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def encode_file(image: Image.Image, name: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def get_color(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = image.convert("RGB").getpixel((x, y))
    assert isinstance(found, tuple)
    return tuple(int(value) for value in found)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("grade", ["low", "medium", "high"])
def test_every_format_and_grade_gives_a_file_of_its_kind(name: str, grade: str) -> None:
    rendition = render(make_image(Size(60, 40)), RenditionSpec(Size(30, 20), Encoding(name, grade)))
    image = open_file(rendition.main.data)
    assert (image.format, image.size) == (name.upper(), (30, 20))
    assert (rendition.main.content_type, rendition.main.size) == (f"image/{name}", Size(30, 20))


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@settings(deadline=None, max_examples=25)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)).filter(lambda size: max(size) <= 100 * min(size)),
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
)
def test_the_size_is_exactly_the_requested_one(fit: Fit, own: tuple[int, int], size: tuple[int, int]) -> None:
    rendition = render(make_image(Size(*own)), RenditionSpec(Size(*size), PNG, fit))
    assert open_file(rendition.main.data).size == size
    assert rendition.main.size == Size(*size)
    assert rendition.source_size == Size(*own)
    assert (rendition.fitted == "none") == (own == size)


def make_halves() -> bytes:
    """Return a wide image, red on the left and blue on the right."""
    image = Image.new("RGB", (200, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    return encode_file(image)


@pytest.mark.parametrize(("fit", "how"), [("cover", "cropped"), ("contain", "padded"), ("stretch", "stretched")])
def test_another_shape_is_cropped_padded_or_stretched(fit: Fit, how: str) -> None:
    rendition = render(make_halves(), RenditionSpec(Size(100, 100), PNG, fit))
    assert rendition.fitted == how
    image = open_file(rendition.main.data)
    assert get_color(image, 10, 50) == (255, 0, 0)
    assert get_color(image, 90, 50) == (0, 0, 255)
    corner = get_color(image, 2, 2)
    # A padded image has its mean colour as background.
    assert (corner == (255, 0, 0)) == (fit != "contain")


def test_the_same_shape_is_only_resized() -> None:
    assert render(make_halves(), RenditionSpec(Size(100, 50), PNG)).fitted == "resized"
    assert render(make_halves(), RenditionSpec(None, PNG)).fitted == "none"


def test_variants_are_made_from_the_whole_image() -> None:
    spec = RenditionSpec(
        Size(50, 50), PNG, variants=(VariantSpec("wide", Size(40, 20)), VariantSpec("tiny", Size(8, 8)))
    )
    rendition = render(make_halves(), spec)
    assert [(name, copy.size) for name, copy in rendition.variants] == [("wide", Size(40, 20)), ("tiny", Size(8, 8))]
    wide = open_file(rendition.variants[0][1].data)
    assert get_color(wide, 1, 10) == (255, 0, 0)
    assert get_color(wide, 38, 10) == (0, 0, 255)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_contains_the_notes_and_no_metadata_of_the_source(name: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Secret Camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 0.0)
    source = encode_file(Image.new("RGB", (40, 30), "red"), "JPEG", exif=exif, comment=b"secret words")
    notes = {"Software": "media-suite, fal", "Seed": "18446744073709551615"}
    data = render(source, RenditionSpec(None, Encoding(name), notes=notes)).main.data
    assert b"Secret" not in data
    assert b"secret" not in data
    image = open_file(data)
    if name == "png":
        assert {key: image.info[key] for key in notes} == notes
    else:
        assert (
            image.getexif()[ExifTags.Base.ImageDescription] == "Software: media-suite, fal; Seed: 18446744073709551615"
        )
        assert ExifTags.Base.Make not in image.getexif()
        assert not image.getexif().get_ifd(ExifTags.IFD.GPSInfo)


def test_an_image_with_exif_orientation_is_rotated() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    rendition = render(encode_file(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif), RenditionSpec(None, PNG))
    assert rendition.main.size == rendition.source_size == Size(20, 40)


def test_transparency_is_kept_or_becomes_white_in_jpeg() -> None:
    clear = encode_file(Image.new("RGBA", (20, 20), (255, 0, 0, 0)))
    for name in ("png", "webp", "avif"):
        image = open_file(render(clear, RenditionSpec(None, Encoding(name))).main.data)
        assert image.convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]  # four values
    image = open_file(render(clear, RenditionSpec(None, Encoding("jpeg"))).main.data)
    assert min(get_color(image, 5, 5)) > 250


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_every_pixel_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("L", (20, 20), 128)
    if mode == "I;16":
        source = encode_file(Image.new("I;16", (20, 20), 128 * 257))
    elif mode == "CMYK":
        source = encode_file(Image.new("RGB", (20, 20), (128, 128, 128)).convert("CMYK"), "JPEG", quality=95)
    else:
        source = encode_file(image.convert(mode))
    rendition = open_file(render(source, RenditionSpec(None, PNG)).main.data)
    assert rendition.mode in ("RGB", "RGBA")
    gray = get_color(rendition, 10, 10)
    assert mode == "1" or all(abs(value - 128) < 12 for value in gray)


def test_colours_of_another_profile_are_converted_to_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = encode_file(Image.new("RGB", (20, 20), (10, 200, 30)), "PNG", icc_profile=lab)
    rendition = open_file(render(source, RenditionSpec(None, PNG)).main.data)
    assert "icc_profile" not in rendition.info
    assert all(abs(a - b) <= 2 for a, b in zip(get_color(rendition, 5, 5), (10, 200, 30), strict=True))


def test_a_colour_that_stands_for_transparency_does_so_beside_a_profile() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (20, 20), "red")
    image.paste("black", (0, 0, 10, 20))
    rendition = render(encode_file(image, transparency=(0, 0, 0), icc_profile=profile), RenditionSpec(None, PNG))
    alpha = open_file(rendition.main.data).getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((15, 5))) == (0, 255)


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        (Encoding("jpeg", quality=5), Encoding("jpeg", quality=95)),
        (Encoding("webp", quality=5), Encoding("webp", quality=95)),
        (Encoding("avif", quality=5), Encoding("avif", quality=95)),
        (Encoding("png", compression_level=9), Encoding("png", compression_level=0)),
    ],
    ids=lambda encoding: encoding.format,
)
def test_the_encoders_settings_can_be_chosen(smaller: Encoding, larger: Encoding) -> None:
    blurred = Image.effect_noise((40, 40), 60).convert("RGB").resize((300, 300))
    sizes = [
        len(render(encode_file(blurred), RenditionSpec(None, encoding)).main.data) for encoding in (smaller, larger)
    ]
    assert sizes[0] < sizes[1]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 400), st.integers(1, 400))
def test_a_preview_is_a_short_data_uri(width: int, height: int) -> None:
    noise = Image.effect_noise((max(width, height // 100 + 1), max(height, width // 100 + 1)), 90).convert("RGB")
    rendition = render(encode_file(noise), RenditionSpec(None, PNG))
    assert rendition.preview.startswith("data:image/webp;base64,")
    assert len(rendition.preview) <= MAX_PREVIEW_CHARACTERS


def test_an_image_for_a_provider_is_upright_small_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = BytesIO()
    Image.new("RGB", (3000, 1500), "red").save(file, "JPEG", exif=exif)
    found = normalize_source(file.getvalue(), 1000)
    assert (found.content_type, found.size) == ("image/jpeg", Size(1500, 3000))
    with Image.open(BytesIO(found.data)) as image:
        assert image.size == (500, 1000)
        assert not image.getexif()


def test_an_image_for_a_provider_may_be_transparent() -> None:
    file = BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(file, "WEBP")
    found = normalize_source(file.getvalue(), 1000)
    assert found.content_type == "image/png"
    with Image.open(BytesIO(found.data)) as image:
        assert image.mode == "RGBA"
