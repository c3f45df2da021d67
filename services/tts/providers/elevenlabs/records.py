"""Cuts a body into its JSON records, however the network cut it."""

from __future__ import annotations

from typing import Protocol

from services.common.errors import MediaError, Reason

# A quarter of an hour of 48 kHz WAV in base64 fits; nothing that is not a fault exceeds it.
MAX_RECORD_BYTES = 128 * 1024 * 1024


class Records(Protocol):
    """Collects bytes and gives back whole records."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Takes the next bytes and returns the records that they complete."""

    def end(self) -> list[bytes]:
        """Returns what is left when the body has ended."""


class Lines:
    """Records that end with a newline; empty lines are no records, and the last one needs no newline.

    Args:
        max_bytes: Longest line; a longer one is GENERATION_FAILED.
    """

    def __init__(self, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Takes the next bytes and returns the lines that they complete, without line ends."""
        first, newline, rest = piece.partition(b"\n")
        self._keep(first)
        if not newline:
            return []
        *whole, last = rest.split(b"\n")
        lines = [*self.end(), *_not_blank(whole)]
        self._keep(last)
        return lines

    def end(self) -> list[bytes]:
        """Returns the line that had no newline, if any."""
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        return _not_blank([line])

    def _keep(self, part: bytes) -> None:
        # Joined only when the line is whole: appending to one buffer would copy a long line once per read.
        self._pending.append(part)
        self._pending_bytes += len(part)
        if self._pending_bytes > self._max_bytes:
            raise MediaError(Reason.GENERATION_FAILED, "The provider sent a record of a size that can not be right.")


class Whole(Lines):
    """One record that is the whole body, whatever line ends it holds."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Takes the next bytes; there is no record before the end."""
        self._keep(piece)
        return []


def _not_blank(lines: list[bytes]) -> list[bytes]:
    return [stripped for line in lines if (stripped := line.strip())]
