"""Measures the duration of audio from its samples or frame headers, in pieces of any size."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from services.tts.formats import Family, OutputFormat
from services.tts.mpeg import (
    LONGEST_INFO_BYTES,
    TAG_HEADER_BYTES,
    find_next_frame,
    has_info_tag,
    measure_tag,
    parse_frame_header,
    read_gap_samples,
)
from services.tts.wav import LONGEST_WAV_HEADER_BYTES, WavHeader, parse_wav_header


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


# The bytes of a header that determine the size and duration of its frame.
_DECISIVE_BYTES = 3
_HEADER_BYTES = 4


class _Mp3(_Walker):
    """Counts MPEG layer III frames; skips tags and the info frame, and the gaps that it states."""

    header_bytes = TAG_HEADER_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._gap_seconds = 0.0
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
        return max(0.0, self._seconds - self._gap_seconds)

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
        if tag_bytes := measure_tag(data, position):
            return tag_bytes
        frame = parse_frame_header(data, position)
        if frame is None:
            return find_next_frame(data, position + 1) - position
        start = data[position : position + min(frame.frame_bytes, LONGEST_INFO_BYTES)]
        if self._first and len(start) < min(frame.frame_bytes, LONGEST_INFO_BYTES):
            return 0
        if self._first and has_info_tag(start):
            self._gap_seconds = read_gap_samples(start) / frame.sample_rate_hz
        else:
            self._seconds += frame.seconds
        self._first = False
        header = data[position : position + _HEADER_BYTES]
        self._frames_by_header[header[:_DECISIVE_BYTES]] = frame.seconds, frame.frame_bytes, header
        return frame.frame_bytes


class _Wav:
    """Counts the bytes of the data chunk of a RIFF file, at the rate that its header states."""

    def __init__(self) -> None:
        self._beginning = b""
        self._header: WavHeader | None = None
        self._bytes = 0

    def feed(self, audio: bytes) -> None:
        self._bytes += len(audio)
        if self._header is None and len(self._beginning) < LONGEST_WAV_HEADER_BYTES:
            self._beginning += audio[:LONGEST_WAV_HEADER_BYTES]
            self._header = parse_wav_header(self._beginning)

    def build_padding(self) -> bytes:
        return b""

    @property
    def seconds(self) -> float:
        return 0.0 if self._header is None else self._header.compute_seconds(self._bytes)


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
    "wav": lambda _: _Wav(),
    "opus": lambda _: _OggOpus(),
    "ulaw": lambda item: _Raw(item.sample_rate_hz, bytes_per_sample=1),
    "alaw": lambda item: _Raw(item.sample_rate_hz, bytes_per_sample=1),
}
