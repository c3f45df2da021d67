"""Read what the metadata of an untrusted image says about its pixels, and nothing else.

Only the orientation and the colour profile change how an image is shown. All other metadata may be damaged, unknown or
huge without any effect on the image.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

MAX_PROFILE_BYTES = 16 * 1024 * 1024
"""Largest decompressed colour profile of a PNG; a larger one is dropped."""
_MAX_TEXT_BYTES = 1024 * 1024
"""Largest decompressed text of a PNG; a larger one is dropped."""
UPRIGHT = 1
"""The orientation of an image that is shown as stored."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK_FRAME_BYTES = 12
_ANCILLARY = 0x20
# The chunks beside the critical ones that change how the pixels are shown.
_SHOWN = frozenset({b"tRNS", b"iCCP", b"eXIf"})
# Texts in which programs store the orientation.
_TEXTS = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
_LONGEST_NAME_BYTES = 80
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})

_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = range(1, 9)
_ENTRY_BYTES = 12
# How the types of an EXIF entry store a small whole number: BYTE, ASCII, SHORT, LONG, SBYTE, SSHORT, SLONG.
_NUMBERS = {1: "B", 2: "c", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
_BOX_HEADER_BYTES = 8
_LONG_LENGTH = 1
_BOXES = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid"})
# The entry of the Exif item in an AVIF or HEIC file: version, item id and protection stand before its type.
_EXIF_ENTRY = re.compile(rb"(infe\x02.......|infe\x03.........)Exif", re.DOTALL)
# The list of further images in a JPEG (CIPA DC-007).
_MPF_SEGMENT = re.compile(rb"(\xff\xe2..)MPF\0", re.DOTALL)
_TIFF_HEADER_BYTES = 8


def strip_png(data: bytes) -> bytes | None:
    """Return a PNG without the chunks that change nothing that is shown; None if its end is missing.

    Pillow refuses files whose texts or profiles are large or damaged, although the image is whole.
    """
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    seen: set[bytes] = set()
    for kind, content, chunk in _iterate_chunks(data):
        name = _name_chunk(kind, content)
        if not kind[0] & _ANCILLARY or (name not in seen and _is_usable(kind, name, content, chunk)):
            kept.append(chunk)
        # Only the first of its name counts, or thousands of compressed chunks would take the worker's time.
        seen.add(name)
        if kind == b"IEND":
            return b"".join(kept)
    return None


def is_bmff_cut(data: bytes) -> bool:
    """Return whether a box of an AVIF or HEIC file ends behind the file; decoders show the missing tiles as black."""
    position = 0
    while position + _BOX_HEADER_BYTES <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if length == _LONG_LENGTH and position + 2 * _BOX_HEADER_BYTES <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + _BOX_HEADER_BYTES)
        if kind not in _BOXES or length < _BOX_HEADER_BYTES:
            # The last box may reach to the end; behind it, cameras add bytes of their own.
            return False
        position += length
    return position > len(data)


def hide_bmff_exif(data: bytes) -> bytes:
    """Return an AVIF or HEIC file without EXIF metadata; its orientation is stored elsewhere.

    The libraries read the metadata while they open a file, and refuse the image if it is damaged.
    """
    return _EXIF_ENTRY.sub(rb"\1free", data)


def hide_jpeg_list(data: bytes) -> bytes:
    """Return a JPEG without its list of further images, which Pillow would follow; the first one is shown."""
    return _MPF_SEGMENT.sub(rb"\1\0\0\0\0", data)


def find_orientation(exif: object, xmp: object) -> int:
    """Return the orientation, 1 to 8 as EXIF defines it; 1 without one.

    Args:
        exif: EXIF metadata, with or without its prefix; anything but bytes is ignored, as is any damage.
        xmp: XMP metadata, which counts where EXIF says nothing.
    """
    if isinstance(exif, bytes) and (found := _find_exif_orientation(exif.removeprefix(b"Exif\0\0"))):
        return found
    if isinstance(xmp, str):
        xmp = xmp.encode(errors="replace")
    if isinstance(xmp, bytes) and (match := _XMP_ORIENTATION.search(xmp)):
        return int(match[1])
    return UPRIGHT


def _iterate_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Yield kind, content and whole chunk, as long as the chunks are whole."""
    view, position = memoryview(data), len(PNG_SIGNATURE)
    while position + _CHUNK_FRAME_BYTES <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + _CHUNK_FRAME_BYTES + length
        if end > len(data):
            return
        yield bytes(view[position + 4 : position + 8]), view[position + 8 : end - 4], view[position:end]
        position = end


def _name_chunk(kind: bytes, content: memoryview) -> bytes:
    """Return the name of the text in a chunk if it has a meaning for the image, else `kind`."""
    if kind not in _TEXT_CHUNKS:
        return kind
    beginning = bytes(content[:_LONGEST_NAME_BYTES])
    return next((name for name in _TEXTS if beginning.startswith(name)), kind)


def _is_usable(kind: bytes, name: bytes, content: memoryview, chunk: memoryview) -> bool:
    """Return whether an ancillary chunk is whole, of a bounded size, and has a meaning for the image."""
    is_text = name in _TEXTS
    if not (is_text or kind in _SHOWN) or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
        return False
    if kind == b"iCCP":
        _, _, compressed = bytes(content).partition(b"\0")
        return _decompresses_within(compressed[1:], MAX_PROFILE_BYTES)
    if not is_text:
        return True
    if len(content) > _MAX_TEXT_BYTES:
        return False
    text = bytes(content[len(name) :])
    if kind == b"zTXt":
        return _decompresses_within(text[1:], _MAX_TEXT_BYTES)
    # A compressed iTXt says so in the byte after its name; no program stores an orientation in one.
    return kind == b"tEXt" or text[:1] == b"\0"


def _decompresses_within(compressed: bytes, max_bytes: int) -> bool:
    decompressor = zlib.decompressobj()
    try:
        found = decompressor.decompress(compressed, max_bytes)
    except zlib.error:
        return False
    return bool(found) and not decompressor.unconsumed_tail


def _find_exif_orientation(tiff: bytes) -> int | None:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < _TIFF_HEADER_BYTES:
        return None
    (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
    if directory + 2 > len(tiff):
        return None
    (count,) = struct.unpack_from(f"{order}H", tiff, directory)
    # Each entry stands for itself: damage in one of them does not hide the others.
    for position in range(directory + 2, min(directory + 2 + count * _ENTRY_BYTES, len(tiff) - 11), _ENTRY_BYTES):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, position)
        if tag == _ORIENTATION_TAG and kind in _NUMBERS:
            (value,) = struct.unpack_from(order + _NUMBERS[kind], tiff, position + 8)
            number = int(value) if isinstance(value, int) or value.isdigit() else 0
            return number if number in _ORIENTATIONS else None
    return None
