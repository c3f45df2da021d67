"""Audio that is built byte by byte, so that its duration is known."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MpegFrame:
    """One layer III frame; `header` is its first four bytes, as in the standard."""

    header: int
    frame_bytes: int
    samples: int
    sample_rate_hz: int

    def bytes(self, payload: bytes = b"") -> bytes:
        """Return the frame, with zeros after `payload`."""
        return (self.header.to_bytes(4) + payload).ljust(self.frame_bytes, b"\x00")

    @property
    def seconds(self) -> float:
        """Duration of the frame."""
        return self.samples / self.sample_rate_hz


# Computed by hand: bytes = samples / 8 * bit rate / sample rate, rounded down, plus one if padded.
MPEG_1_128_KBPS_44100_HZ = MpegFrame(0xFFFB90C0, 417, 1152, 44100)
MPEG_1_128_KBPS_44100_HZ_PADDED = MpegFrame(0xFFFB92C0, 418, 1152, 44100)
MPEG_1_32_KBPS_48000_HZ = MpegFrame(0xFFFB14C0, 96, 1152, 48000)
MPEG_2_32_KBPS_22050_HZ = MpegFrame(0xFFF340C0, 104, 576, 22050)
MPEG_2_48_KBPS_24000_HZ = MpegFrame(0xFFF364C0, 144, 576, 24000)
MPEG_2_5_8_KBPS_8000_HZ = MpegFrame(0xFFE318C0, 72, 576, 8000)


def build_id3_tag(body_bytes: int) -> bytes:
    """Return an ID3v2 tag of this many bytes after its header, full of bytes that look like frame headers."""
    size = bytes(body_bytes >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + size + (b"\xff\xfb\x90\xc0" * body_bytes)[:body_bytes]


def build_wav(samples: bytes, sample_rate_hz: int, *extra_chunks: bytes) -> bytes:
    """Return a RIFF file of 16-bit mono samples, with chunks between format and data."""
    rates = struct.pack("<IIHH", sample_rate_hz, sample_rate_hz * 2, 2, 16)
    chunks = b"fmt " + struct.pack("<IHH", 16, 1, 1) + rates + b"".join(extra_chunks)
    body = b"WAVE" + chunks + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def build_ogg_page(packets: Iterable[bytes], granule: int, *, sequence: int = 0) -> bytes:
    """Return an Ogg page of whole packets, each below 255 bytes; the checksum is left out."""
    cached = list(packets)
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, granule, 1, sequence, 0, len(cached))
    return head + bytes(len(packet) for packet in cached) + b"".join(cached)


def build_ogg_opus(packets: Iterable[bytes], *, pre_skip_samples: int = 312, samples_per_packet: int = 960) -> bytes:
    """Return a stream of Opus packets, one per page, after the two header pages."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, pre_skip_samples, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I4sI", 4, b"test", 0)
    pages = [build_ogg_page([head], 0), build_ogg_page([tags], 0, sequence=1)]
    for index, packet in enumerate(packets, start=1):
        pages.append(build_ogg_page([packet], index * samples_per_packet, sequence=index + 1))
    return b"".join(pages)
