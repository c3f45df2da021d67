"""The interface of joiners, and the choice of one by format."""

from __future__ import annotations

from typing import Protocol

from services.tts.audio_duration import build_duration_meter
from services.tts.formats import OutputFormat
from services.tts.joining.mp3 import Mp3Joiner
from services.tts.joining.ogg_opus import OggOpusJoiner
from services.tts.joining.wav import WavJoiner


class AudioJoiner(Protocol):
    """Passes audio on as it arrives, and makes one stream of pieces that are complete files."""

    def feed(self, audio: bytes) -> bytes:
        """Return what can be sent after the next bytes of the current piece; they may end anywhere."""

    def end_piece(self) -> bytes:
        """Return what completes the current piece, whole or cut, so that another one can follow."""

    def finish(self) -> bytes:
        """Return the last bytes; call it once, at the end of the audio."""

    @property
    def seconds(self) -> float:
        """Duration of all audio so far, as a decoder plays what was sent."""


def build_joiner(output_format: OutputFormat, *, has_several: bool) -> AudioJoiner:
    """Return a new joiner.

    Args:
        output_format: Format of all pieces.
        has_several: Whether there is, or may be, more than one piece; a single one is not changed, except for sizes in
            the header of a WAV file that are not true.
    """
    if output_format.family == "wav":
        return WavJoiner(has_several=has_several)
    if has_several and output_format.family == "mp3":
        return Mp3Joiner()
    if has_several and output_format.family == "opus":
        return OggOpusJoiner()
    return _PlainJoiner(output_format)


class _PlainJoiner:
    """Passes on a single piece, or pieces without headers."""

    def __init__(self, output_format: OutputFormat) -> None:
        self._meter = build_duration_meter(output_format)

    def feed(self, audio: bytes) -> bytes:
        self._meter.feed(audio)
        return audio

    def end_piece(self) -> bytes:
        padding = self._meter.build_padding()
        self._meter.feed(padding)
        return padding

    def finish(self) -> bytes:
        return b""

    @property
    def seconds(self) -> float:
        return self._meter.seconds
