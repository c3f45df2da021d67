"""Cuts a body into its JSON records, however the network cut it."""

from __future__ import annotations

from typing import Protocol

from services.common.errors import MediaError, Reason

# A quarter of an hour of 48 kHz WAV in base64 fits; nothing that is not a fault exceeds it.
MAX_RECORD_BYTES = 128 * 1024 * 1024


class RecordFramer(Protocol):
    """Collects bytes and gives back whole records."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and returns the records that they complete."""

    def end(self) -> list[bytes]:
        """Return what is left when the body has ended."""


class LineFramer:
    """Records that end with a newline; blank lines are no records, and the last one needs no newline.

    Args:
        max_bytes: Longest line; a longer one raises MediaError, GENERATION_FAILED.
    """

    def __init__(self, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._partial = _PartialRecord(max_bytes)

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and returns the lines that they complete, without line ends."""
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
    """One record that is the whole body, whatever line ends it holds.

    Args:
        max_bytes: Longest body; a longer one raises MediaError, GENERATION_FAILED.
    """

    def __init__(self, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._partial = _PartialRecord(max_bytes)

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes; there is no record before the end."""
        self._partial.add(piece)
        return []

    def end(self) -> list[bytes]:
        """Return the body, unless it is blank."""
        return _drop_blank([self._partial.take()])


class _PartialRecord:
    """A record that is not whole yet, joined only once: to append would copy a long one at every read."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._bytes = 0

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._bytes += len(part)
        if self._bytes > self._max_bytes:
            raise MediaError(
                Reason.GENERATION_FAILED, "ElevenLabs sent a record of a size that cannot be right; try again."
            )

    def take(self) -> bytes:
        record = b"".join(self._parts)
        self._parts.clear()
        self._bytes = 0
        return record


def _drop_blank(lines: list[bytes]) -> list[bytes]:
    return [stripped for line in lines if (stripped := line.strip())]
