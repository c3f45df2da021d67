"""Measures the duration of audio from its samples or frame headers, in pieces of any size."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Protocol

from services.tts.formats import Family, OutputFormat


class DurationMeter(Protocol):
    """Measures the duration of the audio fed to it."""

    def feed(self, audio: bytes) -> None:
        """Count the next bytes; pieces may end anywhere."""

    @property
    def seconds(self) -> float:
        """Duration of the audio fed so far."""

    def build_padding(self) -> bytes:
        """Return bytes that complete a cut sample or frame, so that other audio can follow."""


def build_duration_meter(output_format: OutputFormat) -> DurationMeter:
    """Return a new meter for audio in this format."""
    return _METERS[output_format.family](output_format)


class _Raw:
    """Measures headerless audio with a fixed number of bytes per sample."""

    def __init__(self, sample_rate_hz: int, bytes_per_sample: int) -> None:
        self._bytes_per_second = sample_rate_hz * bytes_per_sample
        self._bytes_per_sample = bytes_per_sample
        self._bytes = 0

    def feed(self, audio: bytes) -> None:
        self._bytes += len(audio)

    @property
    def seconds(self) -> float:
        return self._bytes / self._bytes_per_second

    def build_padding(self) -> bytes:
        return bytes(-self._bytes % self._bytes_per_sample)


class _Walker:
    """Base class of meters that read headers and skip the bytes between them."""

    header_bytes: int

    def __init__(self) -> None:
        self._pending = b""
        self._skip = 0

    def feed(self, audio: bytes) -> None:
        if self._skip >= len(audio):
            self._skip -= len(audio)
            return
        data = self._pending + audio[self._skip :]
        position = self._skip = 0
        while len(data) - position >= self.header_bytes:
            step = self.step(data, position)
            if step == 0:
                break
            position += step
        self._skip = max(0, position - len(data))
        self._pending = data[position:]

    def build_padding(self) -> bytes:
        return bytes(self._skip)

    def step(self, data: bytes, position: int) -> int:
        """Read the header at `position` and return the distance to the next; 0 if more bytes are needed."""
        raise AssertionError("subclasses must implement step()")


_MPEG_BIT_RATES_KBPS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2, layer III
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2.5, layer III
}
_MPEG_SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_SYNC_WORD = 0x7FF
_MPEG_1 = 3
_LAYER_3 = 1
# The bytes of a header that determine the size and duration of its frame.
_DECISIVE_BYTES = 3
_HEADER_BYTES = 4
_FREE_OR_BAD_RATE = (0, 15)
_BAD_SAMPLE_RATE = 3
_INFO_TAGS = (b"Xing", b"Info")
_INFO_TAG_WITHIN_BYTES = 40
_TAG_OR_FRAME = re.compile(rb"[I\xff]")


class _Mp3(_Walker):
    """Counts MPEG layer III frames (ISO 11172-3 and 13818-3); skips leading tags and the info frame."""

    header_bytes = 10

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._first = True
        self._frames_by_header: dict[bytes, tuple[float, int, bytes]] = {}

    def build_padding(self) -> bytes:
        cut = self._pending
        if not cut:
            return super().build_padding()
        # The cut is inside a header: without the whole frame, a decoder would misread it and lose the next frame.
        cut_head = cut[:_HEADER_BYTES]
        frames = (head.ljust(frame_bytes, b"\x00") for _, frame_bytes, head in self._frames_by_header.values())
        frame = next((frame for frame in frames if frame.startswith(cut_head)), cut)
        return frame[len(cut) :]

    @property
    def seconds(self) -> float:
        return self._seconds

    def step(self, data: bytes, position: int) -> int:
        # An encoder uses few different headers, so parse each one only once; that makes this function fast.
        following, last = position, len(data) - self.header_bytes
        while following <= last and (
            frame := self._frames_by_header.get(data[following : following + _DECISIVE_BYTES])
        ):
            self._seconds += frame[0]
            following += frame[1]
        return following - position or self._read(data, position)

    def _read(self, data: bytes, position: int) -> int:
        size = data[position + 6 : position + 10]
        if data.startswith(b"ID3", position) and size.isascii():
            return 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
        head = int.from_bytes(data[position : position + 4])
        version, layer = head >> 19 & 3, head >> 17 & 3
        rate_index, sample_rate_index, padding = head >> 12 & 15, head >> 10 & 3, head >> 9 & 1
        usable = (
            head >> 21 == _SYNC_WORD
            and version in _MPEG_BIT_RATES_KBPS
            and layer == _LAYER_3
            and rate_index not in _FREE_OR_BAD_RATE
            and sample_rate_index != _BAD_SAMPLE_RATE
        )
        if not usable:
            following = _TAG_OR_FRAME.search(data, position + 1)
            return (following.start() if following else len(data)) - position
        if self._first and len(data) - position < _INFO_TAG_WITHIN_BYTES:
            return 0
        samples = 1152 if version == _MPEG_1 else 576
        sample_rate_hz = _MPEG_SAMPLE_RATES_HZ[version][sample_rate_index]
        bit_rate = _MPEG_BIT_RATES_KBPS[version][rate_index] * 1000
        start = data[position : position + _INFO_TAG_WITHIN_BYTES]
        if not (self._first and any(tag in start for tag in _INFO_TAGS)):
            self._seconds += samples / sample_rate_hz
        self._first = False
        frame_bytes = samples // 8 * bit_rate // sample_rate_hz + padding
        header = data[position : position + _HEADER_BYTES]
        self._frames_by_header[header[:_DECISIVE_BYTES]] = samples / sample_rate_hz, frame_bytes, header
        return frame_bytes


class _Wav:
    """Counts the bytes of the data chunk of a RIFF file."""

    _LONGEST_HEADER_BYTES = 64 * 1024

    def __init__(self, sample_rate_hz: int) -> None:
        self._samples = _Raw(sample_rate_hz, bytes_per_sample=2)
        self._header: bytes | None = b""

    def feed(self, audio: bytes) -> None:
        if self._header is None:
            self._samples.feed(audio)
            return
        self._header += audio
        found = self._header.find(b"data", 12, self._LONGEST_HEADER_BYTES)
        start = found + 8 if found >= 0 else self._LONGEST_HEADER_BYTES
        if len(self._header) >= start:
            self._samples.feed(self._header[start:])
            self._header = None

    def build_padding(self) -> bytes:
        return b""

    @property
    def seconds(self) -> float:
        return self._samples.seconds


class _OggOpus(_Walker):
    """Reads the sample position of the last Ogg page (RFC 3533); Opus always counts at 48 kHz (RFC 7845)."""

    header_bytes = 27
    _SEGMENT_COUNT_AT = 26
    _NO_PACKET_ENDS_HERE = -1
    _OPUS_HEAD_BYTES = 19

    def __init__(self) -> None:
        super().__init__()
        self._position_samples = 0
        self._pre_skip_samples = 0

    @property
    def seconds(self) -> float:
        return max(0, self._position_samples - self._pre_skip_samples) / 48000

    def step(self, data: bytes, position: int) -> int:
        if not data.startswith(b"OggS", position):
            following = data.find(b"OggS", position + 1)
            return (following if following > 0 else max(position + 1, len(data) - 3)) - position
        segments = data[position + self._SEGMENT_COUNT_AT]
        body = position + self.header_bytes + segments
        body_bytes = sum(data[position + self.header_bytes : body])
        if len(data) < body + min(body_bytes, self._OPUS_HEAD_BYTES):
            return 0
        (granule,) = struct.unpack_from("<q", data, position + 6)
        if data.startswith(b"OpusHead", body):
            (self._pre_skip_samples,) = struct.unpack_from("<H", data, body + 10)
        if granule != self._NO_PACKET_ENDS_HERE:
            self._position_samples = max(self._position_samples, granule)
        return self.header_bytes + segments + body_bytes


_METERS: dict[Family, Callable[[OutputFormat], DurationMeter]] = {
    "mp3": lambda _: _Mp3(),
    "pcm": lambda item: _Raw(item.sample_rate_hz, bytes_per_sample=2),
    "wav": lambda item: _Wav(item.sample_rate_hz),
    "opus": lambda _: _OggOpus(),
    "ulaw": lambda item: _Raw(item.sample_rate_hz, bytes_per_sample=1),
    "alaw": lambda item: _Raw(item.sample_rate_hz, bytes_per_sample=1),
}
