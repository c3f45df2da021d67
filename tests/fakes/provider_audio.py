"""Build audio that is valid in its format, and whose duration and content depend on the text."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable

from services.tts.formats import Family, OutputFormat

SECONDS_PER_CHARACTER = 0.06

_MPEG_1_RATES_KBPS = {32: 1, 64: 5, 96: 7, 128: 9, 192: 11}
_MPEG_2_RATES_KBPS = {32: 4, 48: 6}
_OPUS_FRAME_SECONDS = 0.02
_OPUS_SILENCE = b"\xf8\xff\xfe"
_PACKETS_PER_PAGE = 50


def build_speech(text: str, output_format: OutputFormat) -> bytes:
    """Return audio of about SECONDS_PER_CHARACTER for each character of `text`; the same each time."""
    return _MAKERS[output_format.family](text, output_format)


def compute_mp3_frame_seconds(output_format: OutputFormat) -> float:
    """Return the length of one frame: 26.12 ms at 44.1 kHz."""
    return _samples_per_frame(output_format) / output_format.sample_rate_hz


def _samples_per_frame(output_format: OutputFormat) -> int:
    return 1152 if output_format.sample_rate_hz == 44100 else 576


def _seconds(text: str) -> float:
    return max(1, len(text)) * SECONDS_PER_CHARACTER


def _mp3(text: str, output_format: OutputFormat) -> bytes:
    """Return silent frames of constant size. Their unused bytes contain the text, and nothing like a sync word."""
    rate_hz, bit_rate_kbps = output_format.sample_rate_hz, output_format.bit_rate_kbps or 0
    mpeg_1 = rate_hz == 44100
    version_bits = 0xFB if mpeg_1 else 0xF3
    rate_index = (_MPEG_1_RATES_KBPS if mpeg_1 else _MPEG_2_RATES_KBPS)[bit_rate_kbps]
    header = bytes((0xFF, version_bits, rate_index << 4 | (1 if rate_hz == 24000 else 0) << 2, 0xC0))
    side_info = bytes(17 if mpeg_1 else 9)
    frame_bytes = _samples_per_frame(output_format) // 8 * bit_rate_kbps * 1000 // rate_hz
    unused_bytes = frame_bytes - len(header) - len(side_info)
    mark = bytes(byte & 0x7F for byte in hashlib.sha256(text.encode()).digest())
    frame = header + side_info + (mark * (unused_bytes // len(mark) + 1))[:unused_bytes]
    return frame * math.ceil(_seconds(text) / compute_mp3_frame_seconds(output_format))


def _pcm(text: str, output_format: OutputFormat) -> bytes:
    """A sine whose pitch depends on the text."""
    period = output_format.sample_rate_hz // (200 + hashlib.sha256(text.encode()).digest()[0])
    samples = round(_seconds(text) * output_format.sample_rate_hz)
    wave = [round(12000 * math.sin(2 * math.pi * position / period)) for position in range(period)]
    return (struct.pack(f"<{period}h", *wave) * (samples // period + 1))[: samples * 2]


def _wav(text: str, output_format: OutputFormat) -> bytes:
    data, rate_hz = _pcm(text, output_format), output_format.sample_rate_hz
    head = struct.pack("<4sI8sIHHIIHH", b"RIFF", len(data) + 36, b"WAVEfmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    return head + struct.pack("<4sI", b"data", len(data)) + data


def _build_companded(text: str, output_format: OutputFormat) -> bytes:
    """Noise: any bytes are valid G.711."""
    mark = hashlib.sha256(text.encode()).digest()
    samples = round(_seconds(text) * output_format.sample_rate_hz)
    return (mark * (samples // len(mark) + 1))[:samples]


def _opus(text: str, output_format: OutputFormat) -> bytes:
    """Ogg pages of silent 20 ms packets; the stream's serial number depends on the text."""
    serial = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, output_format.sample_rate_hz, 0, 0)
    tags = struct.pack("<8sI4sI", b"OpusTags", 4, b"fake", 0)
    pages = [_ogg_page([head], serial, 0, 0, 0x02), _ogg_page([tags], serial, 1, 0)]
    left = math.ceil(_seconds(text) / _OPUS_FRAME_SECONDS)
    spoken = 0
    while left:
        packets = min(left, _PACKETS_PER_PAGE)
        left, spoken = left - packets, spoken + packets
        kind = 0 if left else 0x04
        pages.append(_ogg_page([_OPUS_SILENCE] * packets, serial, len(pages), spoken * 960, kind))
    return b"".join(pages)


def _ogg_page(packets: list[bytes], serial: int, sequence: int, position: int, kind: int = 0) -> bytes:
    lacing = bytes(map(len, packets))
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, position, serial, sequence, 0, len(lacing)) + lacing
    page = head + b"".join(packets)
    return page[:22] + struct.pack("<I", _ogg_checksum(page)) + page[26:]


def _ogg_checksum(page: bytes) -> int:
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ 0x04C11DB7 if checksum & 0x80000000 else checksum << 1) & 0xFFFFFFFF
    return checksum


_MAKERS: dict[Family, Callable[[str, OutputFormat], bytes]] = {
    "mp3": _mp3,
    "pcm": _pcm,
    "wav": _wav,
    "opus": _opus,
    "ulaw": _build_companded,
    "alaw": _build_companded,
}
