"""Reads the headers of MP3 streams: frames of MPEG layer III (ISO 11172-3 and 13818-3), tags, the info frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

TAG_HEADER_BYTES = 10
"""Bytes that `measure_tag` and `parse_frame_header` need."""
LONGEST_INFO_BYTES = 192
"""Bytes from the start of an info frame to the end of what is read of it."""

_FRAME_HEADER_BYTES = 4
_SYNC_WORD = 0x7FF
_MPEG_1 = 3
_LAYER_3 = 1
_BIT_RATES_KBPS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2, layer III
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2.5, layer III
}
_SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_FREE_OR_BAD_RATE = (0, 15)
_BAD_SAMPLE_RATE = 3
_INFO_TAGS = (b"Xing", b"Info")
_VBRI_TAG, _VBRI_AT = b"VBRI", 36
_INFO_TAG_WITHIN_BYTES = 40
_TAG_OR_FRAME = re.compile(rb"[I\xff]")
# An info tag has four bytes of flags; each flag stands for a field: frames, bytes, seek table, quality.
_INFO_FIELD_BYTES = (4, 4, 100, 4)
_ENCODER_NAMES = (b"LAME", b"Lavf", b"Lavc")
_GAPS_AT = 21


@dataclass(frozen=True, slots=True)
class MpegFrame:
    """What the header of a frame says."""

    frame_bytes: int
    samples: int
    sample_rate_hz: int

    @property
    def seconds(self) -> float:
        """Duration of the frame."""
        return self.samples / self.sample_rate_hz


def measure_tag(data: bytes, position: int) -> int:
    """Return the size of the ID3v2 tag at `position`; 0 without one."""
    size = data[position + 6 : position + TAG_HEADER_BYTES]
    if not (data.startswith(b"ID3", position) and size.isascii() and len(size) == 4):  # noqa: PLR2004 - bytes of a size
        return 0
    return TAG_HEADER_BYTES + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])


def parse_frame_header(data: bytes, position: int) -> MpegFrame | None:
    """Return what the frame header at `position` says; None if there is no such header."""
    return _parse(data[position : position + _FRAME_HEADER_BYTES])


def find_next_frame(data: bytes, position: int) -> int:
    """Return the next position at which a tag or a frame may begin; the end of `data` without one."""
    following = _TAG_OR_FRAME.search(data, position)
    return following.start() if following else len(data)


def has_info_tag(frame: bytes) -> bool:
    """Return whether a frame, the first of a file, describes the file and has no sound."""
    return any(tag in frame[:_INFO_TAG_WITHIN_BYTES] for tag in _INFO_TAGS) or frame.startswith(_VBRI_TAG, _VBRI_AT)


def read_gap_samples(frame: bytes) -> int:
    """Return how many samples the encoder has added to the sound, at both ends, as an info frame says; 0 if unknown.

    Decoders that know the tag of LAME drop these samples.
    """
    at = max(frame.find(tag, 0, _INFO_TAG_WITHIN_BYTES) for tag in _INFO_TAGS)
    if at < 0:
        return 0
    flags = int.from_bytes(frame[at + 4 : at + 8])
    encoder = at + 8 + sum(size for bit, size in enumerate(_INFO_FIELD_BYTES) if flags >> bit & 1)
    gaps = int.from_bytes(frame[encoder + _GAPS_AT : encoder + _GAPS_AT + 3])
    return (gaps >> 12) + (gaps & 0xFFF) if frame.startswith(_ENCODER_NAMES, encoder) else 0


@lru_cache(maxsize=256)
def _parse(header: bytes) -> MpegFrame | None:
    # An encoder uses few different headers, so parsing each one only once makes this fast.
    head = int.from_bytes(header)
    version, layer = head >> 19 & 3, head >> 17 & 3
    rate_index, sample_rate_index, padding = head >> 12 & 15, head >> 10 & 3, head >> 9 & 1
    usable = (
        len(header) == _FRAME_HEADER_BYTES
        and head >> 21 == _SYNC_WORD
        and version in _BIT_RATES_KBPS
        and layer == _LAYER_3
        and rate_index not in _FREE_OR_BAD_RATE
        and sample_rate_index != _BAD_SAMPLE_RATE
    )
    if not usable:
        return None
    samples = 1152 if version == _MPEG_1 else 576
    sample_rate_hz = _SAMPLE_RATES_HZ[version][sample_rate_index]
    bit_rate = _BIT_RATES_KBPS[version][rate_index] * 1000
    return MpegFrame(samples // 8 * bit_rate // sample_rate_hz + padding, samples, sample_rate_hz)
