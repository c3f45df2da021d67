"""Images are identified by their bytes, must be complete, and are limited in size."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from services.common.errors import MediaError, Reason
from services.common.images import CONTENT_TYPES, ImageInfo, Size, decode_image, identify, inspect
from tests.fakes.image_provider import make_image
from tests.fakes.profiles import SRGB, encode_file

WHOLE = {name: make_image(Size(64, 48), format_name=name) for name in ("PNG", "JPEG", "WEBP", "AVIF", "HEIF")}


def catch_refusal(data: bytes) -> str:
    with pytest.raises(MediaError) as caught:
        inspect(data)
    assert caught.value.reason is Reason.MEDIA_INVALID
    return caught.value.message


def make_png(width: int, height: int) -> bytes:
    """Return a small PNG file that decodes to this size."""

    def build_chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" + bytes((width + 7) // 8)
    pixels = zlib.compress(row * min(height, 2000))
    return (
        b"\x89PNG\r\n\x1a\n" + build_chunk(b"IHDR", header) + build_chunk(b"IDAT", pixels) + build_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", WHOLE)
def test_a_complete_image_is_identified_by_its_bytes(name: str) -> None:
    found = inspect(WHOLE[name])
    assert found == ImageInfo(CONTENT_TYPES[name], Size(64, 48))
    assert identify(WHOLE[name]) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an image",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"GIF89a" + bytes(100),
        b"%PDF-1.7",
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x",
        make_image(format_name="GIF"),
        make_image(format_name="BMP"),
        make_image(format_name="TIFF"),
    ],
)
def test_other_formats_are_refused(data: bytes) -> None:
    assert "PNG, JPEG, WebP, AVIF or HEIC" in catch_refusal(data)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_file_is_refused(name: str, share: float) -> None:
    catch_refusal(WHOLE[name][: int(len(WHOLE[name]) * share)])


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (20_000, 20_000), (10_000, 6_401)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    assert f"{width} x {height}" in catch_refusal(make_png(width, height))


def test_an_extreme_aspect_ratio_is_refused() -> None:
    assert "100 times" in catch_refusal(make_image(Size(1010, 10)))
    assert inspect(make_image(Size(1000, 10))).size == Size(1000, 10)


def make_rich_file(name: str) -> bytes:
    """Return an image with all kinds of metadata."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.XResolution] = 72.0
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 0.0)
    noise = Image.effect_noise((24, 16), 60).convert("RGB")
    options: dict[str, object] = {"save_all": True, "append_images": [noise]} if name == "MPO" else {}
    return encode_file(noise, name, exif=exif.tobytes(), icc_profile=SRGB, xmp=b"<x/>", **options)


RICH = {name: make_rich_file(name) for name in (*WHOLE, "MPO")}


@pytest.mark.parametrize("name", RICH)
def test_the_size_is_that_of_the_image_as_shown(name: str) -> None:
    content_type = CONTENT_TYPES[name.replace("MPO", "JPEG")]
    assert inspect(RICH[name]) == ImageInfo(content_type, Size(16, 24))
    decoded = decode_image(RICH[name])
    assert (decoded.info, decoded.image.size) == (ImageInfo(content_type, Size(16, 24)), (16, 24))
    assert decoded.image.info == {}


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_damaged_file_is_an_image_or_refused(data: st.DataObject) -> None:
    whole = RICH[data.draw(st.sampled_from(sorted(RICH)))]
    file = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(file) - 1))
        kind = data.draw(st.sampled_from(("change", "insert", "remove", "cut")))
        noise = data.draw(st.binary(min_size=1, max_size=8))
        end = {"change": at + len(noise), "insert": at, "remove": at + len(noise), "cut": len(file)}[kind]
        file[at:end] = b"" if kind in ("remove", "cut") else noise
        file += b"" if file else b"x"
    try:
        found = decode_image(bytes(file))
    except MediaError:
        return
    assert found.image.mode in ("RGB", "RGBA")


@given(st.binary(max_size=200), st.sampled_from(sorted(WHOLE)), st.integers(0, 60))
def test_any_bytes_are_an_image_or_refused(noise: bytes, name: str, at: int) -> None:
    data = WHOLE[name][:at] + noise + WHOLE[name][at + len(noise) :]
    try:
        found = inspect(data)
    except MediaError:
        return
    assert found.size.pixels > 0


@pytest.mark.parametrize(
    ("size", "format_name", "shown"),
    [
        (Size(5712, 4284), "JPEG", Size(5163, 3872)),
        (Size(6000, 4000), "PNG", Size(5477, 3651)),
        (Size(12_000, 9000), "JPEG", Size(5163, 3872)),
        (Size(20_000, 300), "PNG", Size(16_383, 245)),
    ],
    ids=str,
)
def test_a_large_photo_is_reduced(size: Size, format_name: str, shown: Size) -> None:
    decoded = decode_image(make_image(size, "teal", format_name))
    assert (decoded.info.size, Size(*decoded.image.size)) == (size, shown)
    assert decoded.image.getpixel((7, 7)) == pytest.approx((0, 128, 128), abs=6)


@pytest.mark.parametrize("format_name", WHOLE)
@pytest.mark.parametrize("longest", [1, 20, 63, 64, 65, 1000])
def test_an_image_is_reduced_to_its_longest_side(format_name: str, longest: int) -> None:
    decoded = decode_image(WHOLE[format_name], longest)
    assert decoded.info.size == Size(64, 48)
    assert Size(*decoded.image.size) == Size(64, 48).within(longest)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 30_000_000))
def test_a_size_within_pixels_is_the_largest_of_its_shape(width: int, height: int, most: int) -> None:
    size = Size(width, height)
    found = size.within_pixels(most)
    assert found == size if size.pixels <= most else found.pixels <= max(most, size.longest)
    assert found.longest <= size.longest
    assert abs(found.width * height - found.height * width) <= max(width, height)


PRINT_PEAK_BYTES = """
import pathlib, re, resource, sys
from services.common.images import decode_image

decode_image(sys.stdin.buffer.read(), 1536)
status = pathlib.Path("/proc/self/status")
# On Linux ru_maxrss begins with the peak of the parent process, here that of the tests.
if status.exists():
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_photo_of_48_million_pixels_takes_bounded_memory() -> None:
    file = encode_file(Image.new("RGBA", (8064, 6048), "teal"), compress_level=1)
    done = subprocess.run([sys.executable, "-c", PRINT_PEAK_BYTES], input=file, capture_output=True, check=True)
    assert int(done.stdout) < 800_000_000
