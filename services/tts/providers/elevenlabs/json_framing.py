"""Splits a response body into JSON records, wherever the network split it."""

from __future__ import annotations

from typing import Protocol

from services.common.errors import MediaError, Reason

# Holds 15 minutes of 48 kHz WAV in base64; a larger record is an error of the provider.
MAX_RECORD_BYTES = 128 * 1024 * 1024


class RecordFramer(Protocol):
    """Collects bytes and returns complete records."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Add the next bytes, and return the records that they complete."""

    def end(self) -> list[bytes]:
        """Return the remaining records at the end of the body."""


class LineFramer:
    """Frames records that end with a newline; skips blank lines, and the last record needs no newline.

    Args:
        max_bytes: Longest line; a longer one raises MediaError, GENERATION_FAILED.
    """

    def __init__(self, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._partial = _PartialRecord(max_bytes)

    def feed(self, piece: bytes) -> list[bytes]:
        """Add the next bytes, and return the lines that they complete, without line ends."""
        first, newline, rest = piece.partition(b"\n")
        self._partial.add(first)
        if not newline:
            return []
        *whole, last = rest.split(b"\n")
        lines = _drop_blank([self._partial.take(), *whole])
        self._partial.add(last)
        return lines

    def end(self) -> list[bytes]:
        """Return the line that had no newline, if any."""
        return _drop_blank([self._partial.take()])


class WholeBodyFramer:
    """Frames the whole body as one record, whatever line ends it contains.

    Args:
        max_bytes: Longest body; a longer one raises MediaError, GENERATION_FAILED.
    """

    def __init__(self, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._partial = _PartialRecord(max_bytes)

    def feed(self, piece: bytes) -> list[bytes]:
        """Add the next bytes; there is no record before the end."""
        self._partial.add(piece)
        return []

    def end(self) -> list[bytes]:
        """Return the body, unless it is blank."""
        return _drop_blank([self._partial.take()])


class _PartialRecord:
    """An incomplete record; its parts are joined once, because appending would copy them at every read."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._bytes = 0

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._bytes += len(part)
        if self._bytes > self._max_bytes:
            raise MediaError(Reason.GENERATION_FAILED, "ElevenLabs sent a record that is too large; try again.")

    def take(self) -> bytes:
        record = b"".join(self._parts)
        self._parts.clear()
        self._bytes = 0
        return record


def _drop_blank(lines: list[bytes]) -> list[bytes]:
    return [stripped for line in lines if (stripped := line.strip())]
