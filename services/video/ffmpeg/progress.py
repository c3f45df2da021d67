"""Reads what ffmpeg says of its progress (its option -progress: blocks of key=value) between its complaints."""

from __future__ import annotations

from collections import deque

_TAIL_LINES = 4
_LINE_BYTES = 400
_ALMOST = 99.0
_MAX_DIGITS = 18


class Meter:
    """Makes percent of ffmpeg's lines, and keeps the last of its complaints.

    Args:
        seconds: Length of what is made.
    """

    def __init__(self, seconds: float) -> None:
        self._whole_us = max(seconds, 0.001) * 1_000_000
        self._rest = b""
        self._complaints: deque[str] = deque(maxlen=_TAIL_LINES)
        self.percent = 0.0
        """0 to 99 while ffmpeg works, 100 once it says that it has ended; never goes back."""

    @property
    def complaints(self) -> list[str]:
        """Returns the last lines that are no progress, printable and short."""
        return list(self._complaints)

    def feed(self, data: bytes) -> bool:
        """Take what ffmpeg wrote and tells whether the percentage grew."""
        before = self.percent
        *lines, rest = (self._rest + data).split(b"\n")
        # A line without an end may not grow for ever.
        self._rest = rest[:_LINE_BYTES]
        for line in lines:
            self._read(line.strip())
        return self.percent > before

    def _read(self, line: bytes) -> None:
        key, equals, value = line.partition(b"=")
        if equals and key == b"out_time_us":
            # "N/A" before the first frame.
            if value.isdigit() and len(value) <= _MAX_DIGITS:
                self.percent = max(self.percent, min(_ALMOST, 100 * int(value) / self._whole_us))
        elif equals and key == b"progress":
            if value == b"end":
                self.percent = 100.0
        elif line and not _is_statistic(key, equals):
            text = line[:_LINE_BYTES].decode("utf-8", "replace")
            self._complaints.append("".join(letter if letter.isprintable() else "?" for letter in text))


def _is_statistic(key: bytes, equals: bytes) -> bool:
    """Tell whether a line is one of a block's, such as fps=25 or stream_0_0_q=28.0."""
    return bool(equals) and key.replace(b"_", b"").isalnum() and key.islower()
