"""Reads the headers of WAV files."""

from __future__ import annotations

import struct
from dataclasses import dataclass

LONGEST_WAV_HEADER_BYTES = 64 * 1024
"""A file whose samples begin later is not taken for a WAV file."""
_RIFF_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 8
_MOST_TRUE_BYTES = 0x2000_0000
"""A larger size, or 0, stands for a length that the writer did not know."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What is before the samples of a WAV file."""

    format: bytes
    """Content of the format chunk."""
    samples_at: int
    """Position of the first sample."""
    samples_bytes: int | None
    """Size of the samples; None if the header does not state it."""
    is_true: bool
    """Whether all sizes of the header are known."""

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of samples."""
        return int.from_bytes(self.format[8:12], "little")

    def compute_seconds(self, file_bytes: int) -> float:
        """Return the duration of the samples in the first `file_bytes` bytes of the file."""
        samples_bytes = max(0, file_bytes - self.samples_at)
        if self.samples_bytes is not None:
            samples_bytes = min(samples_bytes, self.samples_bytes)
        return samples_bytes / self.bytes_per_second if self.bytes_per_second else 0.0


def parse_wav_header(data: bytes) -> WavHeader | None:
    """Return the header of a WAV file; None if `data` does not contain it, or is no WAV file.

    Args:
        data: The beginning of the file.
    """
    if not (data.startswith(b"RIFF") and data[8:12] == b"WAVE"):
        return None
    riff_bytes, content_format = int.from_bytes(data[4:8], "little"), b""
    position = _RIFF_HEADER_BYTES
    while position + _CHUNK_HEADER_BYTES <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        content = position + _CHUNK_HEADER_BYTES
        if name == b"data":
            is_known = 0 < size <= _MOST_TRUE_BYTES
            is_true = is_known and content + size - _CHUNK_HEADER_BYTES <= riff_bytes <= _MOST_TRUE_BYTES
            return WavHeader(content_format, content, size if is_known else None, is_true)
        if name == b"fmt ":
            content_format = data[content : content + size]
        position = content + size + size % 2
    return None
