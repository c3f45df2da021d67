"""RIFF files of 16-bit mono samples: taken apart and put together."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from services.common.errors import MediaError, Reason

_RIFF_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 8


def join_wav(files: Sequence[bytes]) -> bytes:
    """Return one file that sounds like `files` one after the other; all have the format of the first.

    Raises:
        MediaError: GENERATION_FAILED, one of them is no RIFF file with samples.
    """
    taken_apart = [_chunks(file) for file in files]
    samples = b"".join(data for _, data in taken_apart)
    body = b"WAVE" + _chunk(b"fmt ", taken_apart[0][0]) + _chunk(b"data", samples)
    return _chunk(b"RIFF", body)


def _chunks(file: bytes) -> tuple[bytes, bytes]:
    """Return the content of the format and of the data chunk."""
    found: dict[bytes, bytes] = {}
    position = _RIFF_HEADER_BYTES
    while position + _CHUNK_HEADER_BYTES <= len(file):
        name, size = struct.unpack_from("<4sI", file, position)
        content = position + _CHUNK_HEADER_BYTES
        # A writer that did not know the length leaves a size that is too large: then the rest is data.
        found[name] = file[content : content + size]
        position = content + size + size % 2
    if not (file.startswith(b"RIFF") and found.get(b"fmt ") and b"data" in found):
        raise MediaError(Reason.GENERATION_FAILED, "The provider delivered something other than a WAV file.")
    return found[b"fmt "], found[b"data"]


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)
