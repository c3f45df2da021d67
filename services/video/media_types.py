"""Detects the container format of a media file from its content, never from its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
WAV = MediaType("wav", "wav", "wav")
OGG = MediaType("ogg", "ogg", "ogg")
_FLAC = MediaType("flac", "flac", "flac")
_AAC = MediaType("aac", "aac", "aac")

SUPPORTED_TYPES = "MP4, MOV, WebM, MP3, WAV, Ogg, FLAC or AAC"
"""The supported formats, for error messages."""
HEAD_BYTES = 16 * 1024
"""Number of bytes that `sniff_media_type` needs: several frames of MP3 or AAC."""

_SIGNATURES: Sequence[tuple[bytes, MediaType]] = (
    (b"\x1aE\xdf\xa3", _WEBM),
    # The version, which has always been 0.
    (b"OggS\0", OGG),
    # A FLAC stream begins with the block that describes it, of 34 bytes.
    (b"fLaC\x00\x00\x00\x22", _FLAC),
    (b"fLaC\x80\x00\x00\x22", _FLAC),
)
# Old QuickTime files have no ftyp box.
_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_IMAGE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1"})
_BOX_BYTES = 8
_WAV_SIGNATURES = frozenset({b"RIFF", b"RF64", b"BW64"})

_ID3_BYTES = 10
_ID3_FOOTER = 0x10
_ID3_AT_END = b"TAG"
_FRAMES = 3
"""Number of frames in a row that no other file has by chance."""
_SYNC_BITS, _ADTS_SYNC_BITS = 0x7FF, 0xFFF
_LAYER_3, _MPEG_1, _RESERVED_VERSION = 1, 3, 1
_MP3_SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MPEG_1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG_2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_ADTS_RATES, _ADTS_HEADER_BYTES = 13, 7


def sniff_media_type(head: bytes) -> MediaType | None:
    """Return the format of a file that begins with `head`; None if it is not supported.

    Args:
        head: The first HEAD_BYTES bytes of the file, or the whole file if it is shorter.
    """
    tag_bytes = measure_id3(head)
    if tag_bytes and tag_bytes >= len(head):
        # What the tag describes comes later: see `Inputs.fetch`.
        return MP3
    body = head[tag_bytes:]
    found = next((media_type for signature, media_type in _SIGNATURES if body.startswith(signature)), None)
    if found is not None:
        return found
    if body[:4] in _WAV_SIGNATURES and body[8:12] == b"WAVE":
        return WAV
    if _is_mp4(body):
        return MP4
    # Some programs leave room for a tag, or write a wrong size into it.
    frames = body.lstrip(b"\0")
    return next((kind for kind, measure in _FRAMED if _has_frames(frames, measure)), None)


def measure_id3(head: bytes) -> int:
    """Return the size of the ID3v2 tags at the beginning of a file, which may be larger than `head`; 0 without one."""
    position = 0
    while head.startswith(b"ID3", position) and len(head) >= position + _ID3_BYTES:
        _, flags, *size = head[position + 4 : position + _ID3_BYTES]
        if max(size) > 0x7F:  # noqa: PLR2004 - seven bits of each byte count
            break
        footer_bytes = _ID3_BYTES if flags & _ID3_FOOTER else 0
        position += _ID3_BYTES + footer_bytes + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    return position


def _is_mp4(body: bytes) -> bool:
    length = int.from_bytes(body[:4])
    if body[4:8] not in _MP4_BOXES or len(body) < _BOX_BYTES or 1 < length < _BOX_BYTES:
        return False
    # Photos are files of the same boxes.
    return body[4:8] != b"ftyp" or body[8:12] not in _IMAGE_BRANDS


def _has_frames(body: bytes, measure: Callable[[bytes], int]) -> bool:
    """Return whether `body` begins with frames in a row; fewer than _FRAMES count only where the file ends."""
    position = 0
    for number in range(_FRAMES):
        if number and (position >= len(body) or body.startswith(_ID3_AT_END, position)):
            return True
        frame_bytes = measure(body[position : position + _ADTS_HEADER_BYTES])
        if not frame_bytes:
            return False
        position += frame_bytes
    return True


def _measure_mp3_frame(header: bytes) -> int:
    """Return the size of a layer III frame (ISO 11172-3, 13818-3 and MPEG 2.5); 0 if it is not one."""
    bits = int.from_bytes(header[:4].ljust(4, b"\0"))
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    rate, sample_rate, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    usable = bits >> 21 == _SYNC_BITS and version != _RESERVED_VERSION and layer == _LAYER_3
    if not usable or rate in (0, 15) or sample_rate == 3:  # noqa: PLR2004 - the reserved values
        return 0
    is_first_version = version == _MPEG_1
    kbps = (_MPEG_1_KBPS if is_first_version else _MPEG_2_KBPS)[rate]
    return (144 if is_first_version else 72) * kbps * 1000 // _MP3_SAMPLE_RATES_HZ[version][sample_rate] + padding


def _measure_adts_frame(header: bytes) -> int:
    """Return the size of an AAC frame in ADTS (ISO 13818-7); 0 if it is not one."""
    bits = int.from_bytes(header.ljust(_ADTS_HEADER_BYTES, b"\0"))
    usable = bits >> 44 == _ADTS_SYNC_BITS and not bits >> 41 & 3 and bits >> 34 & 15 < _ADTS_RATES
    frame_bytes = bits >> 13 & 0x1FFF
    return frame_bytes if usable and frame_bytes > _ADTS_HEADER_BYTES else 0


_FRAMED: Sequence[tuple[MediaType, Callable[[bytes], int]]] = (
    (MP3, _measure_mp3_frame),
    (_AAC, _measure_adts_frame),
)
