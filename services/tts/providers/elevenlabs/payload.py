"""Parses the JSON records of the endpoints with timestamps, and puts their timing on one clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

import orjson
import pybase64

from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk

_MEMBERS = ("audio_base64", "alignment", "normalized_alignment")
_TIMING_MEMBERS = ("characters", "character_start_times_seconds", "character_end_times_seconds")
_ONLY_TEXT = frozenset({str})
_ONLY_NUMBERS = frozenset({int, float})
# Speech starts earlier than this in its audio, and rounding errors are smaller than this.
_LEAD_IN_SECONDS = 0.5


class RecordReader:
    """Converts the records of one response, in order, to chunks."""

    def __init__(self) -> None:
        self._clock = StreamClock()

    def read(self, record: bytes) -> AudioChunk:
        """Return the audio and timing of the next record; either may be missing.

        The timing is that of the caller's own text, not of the normalized text, which the caller does not know.

        Raises:
            MediaError: GENERATION_FAILED, the record does not match the API.
        """
        try:
            members = orjson.loads(record)
            if not isinstance(members, dict) or members.keys().isdisjoint(_MEMBERS):
                raise _build_invalid_record_error()
            # pybase64, because the standard library's decoder would take more time than the rest of this method.
            audio = pybase64.b64decode(members.get("audio_base64") or "", validate=True)
            timing = members.get("alignment")
            return AudioChunk(audio, None if timing is None else self._parse_alignment(timing))
        except (TypeError, ValueError):
            raise _build_invalid_record_error() from None

    def _parse_alignment(self, timing: object) -> Alignment | None:
        if not isinstance(timing, dict):
            raise _build_invalid_record_error()
        characters, starts, ends = (timing.get(name) for name in _TIMING_MEMBERS)
        if not (isinstance(characters, list) and _ONLY_TEXT.issuperset(map(type, characters))):
            raise _build_invalid_record_error()
        placed = self._clock.place(characters, _parse_seconds(starts), _parse_seconds(ends))
        return placed if len(placed) else None


def _parse_seconds(times: object) -> list[float]:
    if not (isinstance(times, list) and _ONLY_NUMBERS.issuperset(map(type, times)) and all(map(math.isfinite, times))):
        raise _build_invalid_record_error()
    return list(map(float, times))


def _build_invalid_record_error() -> MediaError:
    return MediaError(
        Reason.GENERATION_FAILED, "The provider sent a record of audio and timing that cannot be parsed; try again."
    )


class StreamClock:
    """Converts the times of successive chunks to times that never decrease.

    The API does not document whether times count from the start of the stream or of each chunk, so both are accepted. A
    chunk that begins before the middle of the previous one has restarted at zero, and is counted from the end of that
    one. Smaller steps back, such as rounding errors, are raised to the last time.
    """

    def __init__(self) -> None:
        self._offset_seconds = 0.0
        self._last_start_seconds = 0.0
        self._last_end_seconds = 0.0
        # The previous chunk, on the clock of the provider.
        self._chunk_start_seconds = 0.0
        self._chunk_end_seconds = 0.0

    def place(self, characters: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> Alignment:
        """Return the timing of the next chunk on the clock of the stream.

        Args:
            characters: The characters of the chunk.
            starts: Start of each, in seconds on the provider's clock.
            ends: End of each, in seconds on the provider's clock.

        Raises:
            ValueError: The lists differ in length.
        """
        if starts and self._has_restarted(starts[0]):
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

    def _has_restarted(self, start_seconds: float) -> bool:
        middle = (self._chunk_start_seconds + self._chunk_end_seconds) / 2
        near_zero = start_seconds < _LEAD_IN_SECONDS
        far_back = self._chunk_end_seconds - start_seconds > _LEAD_IN_SECONDS
        return start_seconds < middle and (near_zero or far_back)
