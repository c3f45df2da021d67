"""Reads the JSON records of the endpoints with timestamps."""

from __future__ import annotations

import binascii
import math

import orjson

from services.common.alignment import Alignment
from services.common.errors import MediaError, Reason
from services.tts.providers.elevenlabs.clock import StreamClock
from services.tts.providers.interface import AudioChunk

_MEMBERS = ("audio_base64", "alignment", "normalized_alignment")
_TIMING_MEMBERS = ("characters", "character_start_times_seconds", "character_end_times_seconds")


class RecordReader:
    """Turns the records of one answer, in order, into chunks."""

    def __init__(self) -> None:
        self._clock = StreamClock()

    def read(self, record: bytes) -> AudioChunk:
        """Returns the audio and timing of the next record; either may be missing.

        The timing is that of the caller's own text, never of the normalized one, whose characters the caller has not
        written.

        Raises:
            MediaError: GENERATION_FAILED, the record is not what the API promises.
        """
        try:
            members = orjson.loads(record)
            if not isinstance(members, dict) or not any(name in members for name in _MEMBERS):
                raise _malformed()
            audio = binascii.a2b_base64(members.get("audio_base64") or "", strict_mode=True)
            timing = members.get("alignment")
            return AudioChunk(audio, None if timing is None else self._alignment(timing))
        except (TypeError, ValueError):
            raise _malformed() from None

    def _alignment(self, timing: object) -> Alignment | None:
        if not isinstance(timing, dict):
            raise _malformed()
        characters, starts, ends = (timing.get(name) for name in _TIMING_MEMBERS)
        if not (isinstance(characters, list) and all(isinstance(item, str) for item in characters)):
            raise _malformed()
        placed = self._clock.place(characters, _seconds(starts), _seconds(ends))
        return placed if len(placed) else None


def _seconds(times: object) -> list[float]:
    if not isinstance(times, list):
        raise _malformed()
    seconds = [float(item) for item in times if isinstance(item, int | float)]
    if len(seconds) != len(times) or not all(map(math.isfinite, seconds)):
        raise _malformed()
    return seconds


def _malformed() -> MediaError:
    return MediaError(Reason.GENERATION_FAILED, "The provider sent a record of audio and timing that can not be read.")
