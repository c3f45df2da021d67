"""Puts the timing of every chunk on the clock of the whole stream."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.timing.alignment import Alignment

# Speech begins sooner than this after the start of its audio, and rounding errors are smaller.
_LEAD_IN_SECONDS = 0.5


class StreamClock:
    """Turns the times of successive chunks into times that never decrease.

    The API does not say whether the times of a stream run on from its start or begin again with each chunk; both are
    understood. A chunk that begins before the middle of the one before it has begun again, and counts from the end of
    that one; smaller steps back, such as rounding leaves, are held level.
    """

    def __init__(self) -> None:
        self._offset_seconds = 0.0
        self._last_start_seconds = 0.0
        self._last_end_seconds = 0.0
        # The chunk before, on the clock of the provider.
        self._chunk_start_seconds = 0.0
        self._chunk_end_seconds = 0.0

    def place(self, characters: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> Alignment:
        """Return the timing of the next chunk on the clock of the stream.

        Args:
            characters: What is heard.
            starts: When each begins to sound, in seconds on the provider's clock.
            ends: When each has been heard, in seconds on the provider's clock.

        Raises:
            ValueError: The lists differ in length.
        """
        if starts and self._begins_again(starts[0]):
            skipped = starts[0] if starts[0] > _LEAD_IN_SECONDS else 0.0
            self._offset_seconds = self._last_end_seconds - skipped
        placed_starts: list[float] = []
        placed_ends: list[float] = []
        offset, last_start, last_end = self._offset_seconds, self._last_start_seconds, self._last_end_seconds
        for start, end in zip(starts, ends, strict=True):
            last_start = max(last_start, start + offset)
            last_end = max(last_end, last_start, end + offset)
            placed_starts.append(last_start)
            placed_ends.append(last_end)
        self._last_start_seconds, self._last_end_seconds = last_start, last_end
        if starts:
            self._chunk_start_seconds, self._chunk_end_seconds = starts[0], max(ends)
        return Alignment(tuple(characters), tuple(placed_starts), tuple(placed_ends))

    def _begins_again(self, start_seconds: float) -> bool:
        middle = (self._chunk_start_seconds + self._chunk_end_seconds) / 2
        near_zero = start_seconds < _LEAD_IN_SECONDS
        far_back = self._chunk_end_seconds - start_seconds > _LEAD_IN_SECONDS
        return start_seconds < middle and (near_zero or far_back)
