"""Only the orientation and the profile of an image's metadata count; all else may be damaged, huge or hostile."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.common.image_metadata import MAX_PROFILE_BYTES, PNG_SIGNATURE, find_orientation, strip_png
from services.common.images import Size, decode_image
from tests.fakes.profiles import SRGB, get_color, swap_red_and_blue

ORIENTATION = 0x0112
BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED_RATIONAL = 1, 2, 3, 4, 5, 10


def build_exif(*entries: tuple[int, int, int, bytes], order: str = "<", after: bytes = b"") -> bytes:
    """Return EXIF metadata with entries of tag, type, count and the four bytes of the value or its offset."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(f"{order}HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return head + struct.pack(f"{order}IH", 8, len(entries)) + body + bytes(4) + after


def build_chunk(kind: bytes, content: bytes, *, damaged: bool = False) -> bytes:
    check = zlib.crc32(kind + content) ^ damaged
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def build_png(*chunks: bytes) -> bytes:
    """Return a red PNG of 40 x 20 pixels with `chunks` behind its header."""
    file = BytesIO()
    Image.new("RGB", (40, 20), "red").save(file, "PNG")
    plain = file.getvalue()
    header_end = len(PNG_SIGNATURE) + 25
    return plain[:header_end] + b"".join(chunks) + plain[header_end:]


SIX = (ORIENTATION, SHORT, 1, b"\x06\0\0\0")
DAMAGED = {
    "an undefined fraction": (0x011A, RATIONAL, 1, struct.pack("<I", 8)),
    "a signed fraction behind the end": (0x011A, SIGNED_RATIONAL, 1, b"\xff\xff\xff\xff"),
    "a text in place of a number": (0x011A, ASCII, 20, struct.pack("<I", 8)),
    "a number in place of a text": (0x0132, SHORT, 1, b"\x07\0\0\0"),
    "a length of four gigabytes": (0x010F, ASCII, 0xFFFFFFFF, b"\x10\0\0\0"),
    "an unknown type": (0x010F, 99, 1, b"\0\0\0\0"),
    "a directory that contains itself": (0x8769, LONG, 1, b"\x08\0\0\0"),
    "a position without a directory": (0x8825, LONG, 1, b"\xff\xff\xff\x7f"),
}


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_entries_do_not_hide_the_orientation(name: str, prefix: bytes) -> None:
    assert find_orientation(prefix + build_exif(DAMAGED[name], SIX), None) == 6
    assert find_orientation(prefix + build_exif(SIX, DAMAGED[name]), None) == 6


@pytest.mark.parametrize(
    ("kind", "value", "orientation"),
    [
        (BYTE, b"\x08\0\0\0", 8),
        (SHORT, b"\x03\0\0\0", 3),
        (LONG, b"\x05\0\0\0", 5),
        (ASCII, b"6\0\0\0", 6),
        (ASCII, b"x\0\0\0", 1),
        (SHORT, b"\0\0\0\0", 1),
        (SHORT, b"\x09\0\0\0", 1),
        (RATIONAL, b"\x06\0\0\0", 1),
    ],
)
def test_an_orientation_is_read_whatever_number_type_it_has(kind: int, value: bytes, orientation: int) -> None:
    assert find_orientation(build_exif((ORIENTATION, kind, 1, value)), None) == orientation


def test_the_other_byte_order_is_read() -> None:
    assert find_orientation(build_exif((ORIENTATION, SHORT, 1, b"\0\x06\0\0"), order=">"), None) == 6


@pytest.mark.parametrize("cut", range(27))
def test_cut_metadata_has_no_orientation(cut: int) -> None:
    assert find_orientation(build_exif(SIX)[:cut], None) in (1, 6)


def test_xmp_counts_where_exif_says_nothing() -> None:
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert find_orientation(None, xmp) == 8
    assert find_orientation(b"broken", "<tiff:Orientation>3</tiff:Orientation>") == 3
    assert find_orientation(build_exif(SIX), xmp) == 6


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_any_metadata_gives_an_orientation(exif: bytes, xmp: bytes) -> None:
    assert find_orientation(b"II*\0\x08\0\0\0" + exif, xmp) in range(1, 9)


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_an_image_with_damaged_metadata_is_shown_upright(name: str, format_name: str) -> None:
    file = BytesIO()
    exif = b"Exif\0\0" + build_exif(SIX, DAMAGED[name])
    Image.new("RGB", (40, 20), "red").save(file, format_name, exif=exif)
    decoded = decode_image(file.getvalue())
    assert (decoded.image.size, decoded.info.size) == ((20, 40), Size(20, 40))


def test_an_avif_image_with_damaged_metadata_is_shown_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F] = "a maker"
    file = BytesIO()
    Image.new("RGB", (40, 20), "red").save(file, "AVIF", exif=exif)
    whole = file.getvalue()
    start = whole.index(b"MM\0*") if b"MM\0*" in whole else whole.index(b"II*\0")
    for damaged in (b"\xff" * 4, b"\0" * 24):
        broken = whole[:start] + damaged + whole[start + len(damaged) :]
        assert decode_image(broken).info.size == Size(20, 40)


@pytest.mark.parametrize(
    "chunk",
    [
        build_chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(80_000_000), 9)),
        build_chunk(b"iTXt", b"note\0\x01\0\0\0" + zlib.compress(b"x" * 5_000_000)),
        build_chunk(b"tEXt", b"note\0" + b"x" * 3_000_000),
        build_chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(MAX_PROFILE_BYTES + 1), 9)),
        build_chunk(b"iCCP", b"not compressed\0\0" + SRGB),
        build_chunk(b"iCCP", b"no end"),
        build_chunk(b"iCCP", b"cut\0\0" + zlib.compress(SRGB)[:40]),
        build_chunk(b"tEXt", b"", damaged=True),
        build_chunk(b"tRNS", b"", damaged=True),
        build_chunk(b"eXIf", b"MM", damaged=True),
        build_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(9_000_000))),
        build_chunk(b"acTL", b""),
        build_chunk(b"fcTL", b"\xff" * 26),
        build_chunk(b"pHYs", b"\0"),
        b"".join(build_chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(900_000))) for _ in range(90)),
    ],
    ids=range(15),
)
def test_a_png_is_an_image_whatever_its_other_chunks_hold(chunk: bytes) -> None:
    decoded = decode_image(build_png(chunk))
    assert get_color(decoded.image) == (255, 0, 0)


def test_a_large_profile_of_a_png_counts() -> None:
    # Bytes that do not compress, behind the profile's own end.
    compressed = zlib.compress(swap_red_and_blue(SRGB) + numpy.random.default_rng(1).bytes(1_500_000))
    red, _, blue = get_color(decode_image(build_png(build_chunk(b"iCCP", b"large\0\0" + compressed))).image)
    assert (red < 5, blue > 250) == (True, True)


def test_the_orientation_of_a_png_is_found_in_its_texts() -> None:
    exif = (b"Exif\0\0" + build_exif(SIX)).hex()
    raw = f"\nexif\n{len(exif) // 2:8}\n{exif[:72]}\n{exif[72:]}\n".encode()
    name = b"Raw profile type exif\0"
    for chunk in (
        build_chunk(b"zTXt", name + b"\0" + zlib.compress(raw)),
        build_chunk(b"tEXt", name + raw),
        build_chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'),
        build_chunk(b"eXIf", build_exif(SIX)),
    ):
        assert decode_image(build_png(chunk)).info.size == Size(20, 40)


def test_only_the_first_profile_of_a_png_is_decompressed() -> None:
    bomb = build_chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(MAX_PROFILE_BYTES - 1), 9))
    plain = build_png()
    assert strip_png(build_png(bomb * 500)) == build_png(bomb)
    assert strip_png(build_png(build_chunk(b"iCCP", b"no end"), bomb * 500)) == plain


def test_a_png_without_its_end_is_cut() -> None:
    png = build_png()
    assert strip_png(png) is not None
    assert strip_png(png[:-1]) is None
    assert strip_png(png + b"bytes of a camera behind the end") == png
