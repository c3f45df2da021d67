"""Times of the characters of a text, told for the text that it was made from."""

from __future__ import annotations

from services.common.text.mapping import MappedText
from services.common.timing.alignment import Alignment


class AlignmentMapper:
    """Converts the timing of a changed text, piece by piece, to that of its source.

    The result has one entry per code point of the source. A removed code point gets the moment at which it would be.

    Args:
        mapped: The changed text and its source.
    """

    def __init__(self, mapped: MappedText) -> None:
        self._mapped = mapped
        self._next = 0
        # Times of the code points of the changed text from `_first` on, of which the source still needs some.
        self._first = 0
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._last_start_seconds = 0.0

    def map_piece(self, alignment: Alignment, offset: int | None = None) -> Alignment:
        """Return the timing of all characters of the source that are complete now.

        Args:
            alignment: Timing of the next code points of the changed text, one per entry.
            offset: Position of the first one in the changed text; None if it follows the last piece.
        """
        starts, ends = self._mapped.starts, self._mapped.ends
        if starts is None or ends is None:
            return alignment
        if offset is not None and offset != self._first + len(self._starts):
            self._next, self._first = self._mapped.find_source_offset(offset), offset
            self._starts, self._ends = [], []
        self._starts += alignment.starts_seconds
        self._ends += alignment.ends_seconds
        known = self._first + len(self._starts)
        begin = self._next
        while self._next < len(starts) and ends[self._next] <= known and known > self._first:
            self._next += 1
        times = [self._keep_order(self._find_times(starts[at], ends[at])) for at in range(begin, self._next)]
        self._forget()
        return Alignment(
            tuple(self._mapped.source[begin : self._next]),
            tuple(start for start, _ in times),
            tuple(end for _, end in times),
        )

    def _find_times(self, start: float, end: float) -> tuple[float, float]:
        """Return the times between two positions of the changed text."""
        if start == end:
            moment = self._find_start(start) if start < self._first + 1 else self._find_end(end)
            return moment, moment
        return self._find_start(start), self._find_end(end)

    def _keep_order(self, times: tuple[float, float]) -> tuple[float, float]:
        """Return times that are not before those that were told already: ranges of a provider may overlap."""
        self._last_start_seconds = max(self._last_start_seconds, times[0])
        return self._last_start_seconds, max(self._last_start_seconds, times[1])

    def _find_start(self, position: float) -> float:
        index = min(int(position), self._first + len(self._starts) - 1)
        return self._interpolate(index, position)

    def _find_end(self, position: float) -> float:
        index = int(position)
        return self._interpolate(index - 1 if index == position else index, position)

    def _interpolate(self, index: int, position: float) -> float:
        start, end = self._starts[index - self._first], self._ends[index - self._first]
        part = position - index
        return end if part >= 1 else start + (end - start) * part

    def _forget(self) -> None:
        """Drop the times that the rest of the source does not need; the last one stays for removed characters."""
        starts = self._mapped.starts
        known = self._first + len(self._starts)
        needed = int(starts[self._next]) if starts is not None and self._next < len(starts) else known
        count = min(needed, known) - 1 - self._first
        if count > 0:
            del self._starts[:count], self._ends[:count]
            self._first += count
