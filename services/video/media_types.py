"""Detects the container format of a media file from its first bytes, never from its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaType:
    """A container format."""

    name: str
    """Name in results."""
    demuxer: str
    """Name of ffmpeg's demuxer."""
    extension: str
    """Extension for files of this format."""


MP4 = MediaType("mp4", "mov", "mp4")
_WEBM = MediaType("webm", "matroska", "webm")
MP3 = MediaType("mp3", "mp3", "mp3")
_WAV = MediaType("wav", "wav", "wav")
_OGG = MediaType("ogg", "ogg", "ogg")
_FLAC = MediaType("flac", "flac", "flac")
_AAC = MediaType("aac", "aac", "aac")

SUPPORTED_TYPES = "MP4, MOV, WebM, MP3, WAV, Ogg, FLAC or AAC"
"""The supported formats, for error messages."""
HEAD_BYTES = 16
"""Number of bytes that `sniff_media_type` needs."""

_SIGNATURES: Sequence[tuple[int, bytes, MediaType]] = (
    (4, b"ftyp", MP4),
    # Old QuickTime files, which have no ftyp box.
    *((4, signature, MP4) for signature in (b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3", _WEBM),
    (0, b"ID3", MP3),
    (0, b"OggS", _OGG),
    (0, b"fLaC", _FLAC),
)
_MPEG_SYNC, _MPEG_LAYER_3, _ADTS_LAYER = 0xE0, 0x02, 0x00


def sniff_media_type(head: bytes) -> MediaType | None:
    """Return the format of a file that begins with `head`; None if it is not supported.

    Args:
        head: The first HEAD_BYTES bytes of the file, or the whole file if it is shorter.
    """
    for offset, signature, media_type in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return media_type
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _WAV
    return _sniff_mpeg_audio(head)


def _sniff_mpeg_audio(head: bytes) -> MediaType | None:
    """Detect frames of MP3 and AAC by their header: eleven set bits, then the layer."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & _MPEG_SYNC != _MPEG_SYNC:  # noqa: PLR2004 - the header's bytes
        return None
    layer = head[1] & 0x06
    if layer == _MPEG_LAYER_3:
        return MP3
    # Layer 0 does not exist in MPEG audio; with a twelfth bit set it is AAC's own header.
    return _AAC if layer == _ADTS_LAYER and head[1] & 0xF0 == 0xF0 else None  # noqa: PLR2004 - as above
