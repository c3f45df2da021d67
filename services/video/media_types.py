"""Which media files are taken: told by their first bytes, never by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaType:
    """A container format."""

    name: str
    """What results call it."""
    demuxer: str
    """What ffmpeg calls it."""
    extension: str
    """Extension of the file that we keep it in."""


MP4 = MediaType("mp4", "mov", "mp4")
_WEBM = MediaType("webm", "matroska", "webm")
MP3 = MediaType("mp3", "mp3", "mp3")
_WAV = MediaType("wav", "wav", "wav")
_OGG = MediaType("ogg", "ogg", "ogg")
_FLAC = MediaType("flac", "flac", "flac")
_AAC = MediaType("aac", "aac", "aac")

KNOWN = "MP4, MOV, WebM, MP3, WAV, Ogg, FLAC or AAC"
"""All of them, for people."""
HEAD_BYTES = 16
"""How many bytes decide."""

_BEGINNINGS: Sequence[tuple[int, bytes, MediaType]] = (
    (4, b"ftyp", MP4),
    # QuickTime files from before there was a mark.
    *((4, mark, MP4) for mark in (b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3", _WEBM),
    (0, b"ID3", MP3),
    (0, b"OggS", _OGG),
    (0, b"fLaC", _FLAC),
)
_MPEG_SYNC, _MPEG_LAYER_3, _ADTS_LAYER = 0xE0, 0x02, 0x00


def sniff_media_type(head: bytes) -> MediaType | None:
    """Return the kind of the file that begins with `head`; None for everything else.

    Args:
        head: The file's first bytes, HEAD_BYTES of them if it has as many.
    """
    for offset, mark, kind in _BEGINNINGS:
        if head[offset : offset + len(mark)] == mark:
            return kind
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _WAV
    return _mpeg_audio(head)


def _mpeg_audio(head: bytes) -> MediaType | None:
    """Tell frames of MP3 and of AAC by their header: eleven set bits, then the layer."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & _MPEG_SYNC != _MPEG_SYNC:  # noqa: PLR2004 - the header's bytes
        return None
    layer = head[1] & 0x06
    if layer == _MPEG_LAYER_3:
        return MP3
    # Layer 0 does not exist in MPEG audio; with a twelfth bit set it is AAC's own header.
    return _AAC if layer == _ADTS_LAYER and head[1] & 0xF0 == 0xF0 else None  # noqa: PLR2004 - as above
