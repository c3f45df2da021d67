"""Converts the speech of one request to frames: encodes the PCM, and computes the times of characters."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Protocol

from services.tts.formats import FORMATS
from services.tts.providers.espeak.bindings import Mark, MarkKind, Sink
from services.tts.providers.espeak.character_timing import CharacterClock, SampleRange, find_last_loud_sample
from services.tts.providers.espeak.encoding import SOURCE_RATE_HZ, build_encoder
from services.tts.providers.espeak.protocol import (
    MAX_AUDIO_BYTES,
    AudioFrame,
    DoneFrame,
    FailedFrame,
    Frame,
    SpeakRequest,
)
from services.tts.providers.espeak.voices import VoiceVariant, get_identifier

SILENT = "silent"
"""Failure code of a text without anything to speak."""

# Each message has a fixed cost in every process: send the first piece at once, and gather the later ones.
_GATHER_SAMPLES = SOURCE_RATE_HZ // 2
_GATHER_BYTES = 32_768


class Library(Protocol):
    """The part of the speech library that synthesis uses."""

    def speak(self, text: str, identifier: str, words_per_minute: int, sink: Sink) -> None:
        """Speak `text`, and pass the audio to `sink`, until the end or until the sink returns False."""


class FrameSynthesizer:
    """Sends the speech of one request as frames.

    Args:
        request: What to speak.
        send: Called with each frame, in order; may block. Its exceptions end the speech.
        is_wanted: Returns whether the caller is still connected.

    Raises:
        KeyError: The voice or format is not in the tables.
        ValueError: There is no encoder for the format.
    """

    def __init__(self, request: SpeakRequest, send: Callable[[Frame], None], is_wanted: Callable[[], bool]) -> None:
        self._request = request
        self._send = send
        self._is_wanted = is_wanted
        self._identifier = get_identifier(VoiceVariant(request.language, request.variant))
        self._encoder = build_encoder(FORMATS[request.output_format])
        self._clock: CharacterClock | None = None
        self._samples = 0
        # Length of the audio before the part of the text that is spoken now.
        self._part_start = 0
        self._speech_end = 0
        self._silent_start = bytearray()
        self._audio = bytearray()
        self._starts, self._ends = array("d"), array("d")
        # Send the first audio at once.
        self._flush_at_sample = 0

    def run(self, library: Library) -> None:
        """Send the whole speech and `DoneFrame`, or only `FailedFrame` if the text has nothing to speak."""
        position = 0
        for pause_position, seconds in (*self._request.pauses, (len(self._request.text), 0.0)):
            self._speak_part(library, self._request.text[position:pause_position])
            if not self._add_silence(round(seconds * SOURCE_RATE_HZ)):
                break
            position = pause_position
        if not self._speech_end:
            self._send(FailedFrame(SILENT))
            return
        self._audio += self._encoder.finish()
        self._flush()
        self._send(DoneFrame(self._samples))

    def _speak_part(self, library: Library, text: str) -> None:
        """Speak the text between two pauses; text without a visible character takes no time."""
        self._part_start = self._samples
        self._clock = CharacterClock(text) if self._request.with_alignment else None
        if text and not text.isspace():
            library.speak(text, self._identifier, self._request.words_per_minute, self._on_audio)
        if self._clock is not None:
            length, speech_end = self._samples - self._part_start, self._speech_end - self._part_start
            self._add_times(self._clock.finish(length, max(0, speech_end)))

    def _add_silence(self, samples: int) -> bool:
        """Add a pause, and return whether the caller is still connected."""
        self._clock = None
        while samples > 0:
            block = min(samples, _GATHER_SAMPLES)
            if not self._on_audio(bytes(2 * block), []):
                return False
            samples -= block
        return True

    def _on_audio(self, pcm: bytes, marks: list[Mark]) -> bool:
        loud = find_last_loud_sample(pcm)
        if loud is not None:
            self._speech_end = self._samples + loud
        self._samples += len(pcm) // 2
        if self._clock is not None:
            self._apply_marks(self._clock, marks)
        if not self._speech_end:
            # Send nothing before the first sound: a text without sound must fail without audio.
            self._silent_start += pcm
            return self._is_wanted()
        self._encode(pcm)
        if self._audio and (self._samples >= self._flush_at_sample or len(self._audio) >= _GATHER_BYTES):
            self._flush()
        return self._is_wanted()

    def _encode(self, pcm: bytes) -> None:
        if self._silent_start:
            pcm = bytes(self._silent_start) + pcm
            self._silent_start.clear()
        if pcm:
            self._audio += self._encoder.encode(pcm)

    def _apply_marks(self, clock: CharacterClock, marks: list[Mark]) -> None:
        for mark in marks:
            if mark.kind is MarkKind.WORD:
                self._add_times(clock.mark_word(mark.position, mark.sample))
            else:
                self._add_times(clock.mark_clause_end(mark.position, mark.sample, self._speech_end - self._part_start))

    def _add_times(self, spans: list[SampleRange]) -> None:
        shift = self._part_start / SOURCE_RATE_HZ + self._encoder.lead_in_seconds
        for start, end in spans:
            self._starts.append(start / SOURCE_RATE_HZ + shift)
            self._ends.append(end / SOURCE_RATE_HZ + shift)

    def _flush(self) -> None:
        for piece in _split_audio(bytes(self._audio)):
            self._send(AudioFrame(piece, self._starts, self._ends))
            self._starts, self._ends = array("d"), array("d")
        self._audio.clear()
        self._flush_at_sample = self._samples + _GATHER_SAMPLES


def _split_audio(audio: bytes) -> Iterator[bytes]:
    for start in range(0, max(len(audio), 1), MAX_AUDIO_BYTES):
        yield audio[start : start + MAX_AUDIO_BYTES]
