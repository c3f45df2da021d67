"""Reads the JSON records of the endpoints with timestamps."""

from __future__ import annotations

import math

import orjson
import pybase64

from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment
from services.tts.providers.elevenlabs.stream_clock import StreamClock
from services.tts.providers.interface import AudioChunk

_MEMBERS = ("audio_base64", "alignment", "normalized_alignment")
_TIMING_MEMBERS = ("characters", "character_start_times_seconds", "character_end_times_seconds")
_ONLY_TEXT = frozenset({str})
_ONLY_NUMBERS = frozenset({int, float})


class RecordReader:
    """Turns the records of one answer, in order, into chunks."""

    def __init__(self) -> None:
        self._clock = StreamClock()

    def read(self, record: bytes) -> AudioChunk:
        """Return the audio and timing of the next record; either may be missing.

        The timing is that of the caller's own text, never of the normalized one, whose characters the caller has not
        written.

        Raises:
            MediaError: GENERATION_FAILED, the record is not what the API promises.
        """
        try:
            members = orjson.loads(record)
            if not isinstance(members, dict) or members.keys().isdisjoint(_MEMBERS):
                raise _invalid_answer()
            # Of a long answer the standard library's decoder would take more time than all else here together.
            audio = pybase64.b64decode(members.get("audio_base64") or "", validate=True)
            timing = members.get("alignment")
            return AudioChunk(audio, None if timing is None else self._alignment(timing))
        except (TypeError, ValueError):
            raise _invalid_answer() from None

    def _alignment(self, timing: object) -> Alignment | None:
        if not isinstance(timing, dict):
            raise _invalid_answer()
        characters, starts, ends = (timing.get(name) for name in _TIMING_MEMBERS)
        if not (isinstance(characters, list) and _ONLY_TEXT.issuperset(map(type, characters))):
            raise _invalid_answer()
        placed = self._clock.place(characters, _seconds(starts), _seconds(ends))
        return placed if len(placed) else None


def _seconds(times: object) -> list[float]:
    if not (isinstance(times, list) and _ONLY_NUMBERS.issuperset(map(type, times)) and all(map(math.isfinite, times))):
        raise _invalid_answer()
    return list(map(float, times))


def _invalid_answer() -> MediaError:
    return MediaError(Reason.GENERATION_FAILED, "The provider sent a record of audio and timing that cannot be read.")
