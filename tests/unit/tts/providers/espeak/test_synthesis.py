"""Frames of a request, with a scripted speech library."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from services.tts.providers.espeak.bindings import Mark, MarkKind, Sink
from services.tts.providers.espeak.encoding import SOURCE_RATE_HZ
from services.tts.providers.espeak.protocol import (
    MAX_AUDIO_BYTES,
    AudioFrame,
    DoneFrame,
    FailedFrame,
    Frame,
    SpeakRequest,
)
from services.tts.providers.espeak.synthesis import SILENT, FrameSynthesizer

BUFFER_SAMPLES = 1323
LOUD = array("h", [5000] * BUFFER_SAMPLES).tobytes()
QUIET = bytes(len(LOUD))


@dataclass
class ScriptedLibrary:
    """Passes its script to the sink for any request."""

    script: Sequence[tuple[bytes, list[Mark]]]
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    passed_blocks: int = 0

    def speak(self, text: str, identifier: str, words_per_minute: int, sink: Sink) -> None:
        self.calls.append((text, identifier, words_per_minute))
        for pcm, marks in self.script:
            self.passed_blocks += 1
            if not sink(pcm, marks):
                return


def request(output_format: str = "pcm_22050", *, text: str = "one two", with_alignment: bool = False) -> SpeakRequest:
    return SpeakRequest(text, "en-us", "f3", 175, output_format, with_alignment)


def speak(library: ScriptedLibrary, request: SpeakRequest) -> list[Frame]:
    frames: list[Frame] = []
    FrameSynthesizer(request, frames.append, lambda: True).run(library)
    return frames


def join_audio(frames: list[Frame]) -> list[AudioFrame]:
    return [frame for frame in frames if isinstance(frame, AudioFrame)]


def test_the_library_gets_the_voice_identifier_from_the_table() -> None:
    library = ScriptedLibrary([(LOUD, [])])

    speak(library, request())

    assert library.calls == [("one two", "gmw/en-US+f3", 175)]


def test_all_audio_is_sent_then_the_length() -> None:
    frames = speak(ScriptedLibrary([(LOUD, []), (QUIET, []), (LOUD, [])]), request())

    assert b"".join(frame.audio for frame in join_audio(frames)) == LOUD + QUIET + LOUD
    assert frames[-1] == DoneFrame(3 * BUFFER_SAMPLES)


def test_the_first_piece_is_sent_at_once_and_later_ones_are_gathered() -> None:
    pieces = 60
    frames = join_audio(speak(ScriptedLibrary([(LOUD, [])] * pieces), request()))

    assert frames[0].audio == LOUD
    assert len(frames) < pieces // 5


def test_a_text_that_gives_only_silence_fails_without_audio() -> None:
    assert speak(ScriptedLibrary([(QUIET, []), (QUIET, [])]), request()) == [FailedFrame(SILENT)]
    assert speak(ScriptedLibrary([]), request("wav_22050")) == [FailedFrame(SILENT)]


def test_silence_before_the_first_sound_is_encoded() -> None:
    frames = speak(ScriptedLibrary([(QUIET, []), (LOUD, [])]), request())

    assert join_audio(frames)[0].audio == QUIET + LOUD


def test_a_disconnected_caller_stops_the_speech() -> None:
    library = ScriptedLibrary([(LOUD, [])] * 10)

    FrameSynthesizer(request("wav_22050"), lambda _: None, lambda: library.passed_blocks < 3).run(library)

    assert library.passed_blocks == 3


def test_a_large_file_is_sent_in_pieces() -> None:
    frames = join_audio(speak(ScriptedLibrary([(LOUD, [])] * 60), request("wav_22050", with_alignment=True)))

    assert max(len(frame.audio) for frame in frames) == MAX_AUDIO_BYTES
    assert sum(len(frame.audio) for frame in frames) == 44 + 60 * len(LOUD)
    assert [len(frame.starts_seconds) for frame in frames][:2] == [len("one two"), 0]


@pytest.mark.parametrize(("name", "lead_in_seconds"), [("pcm_22050", 0.0), ("mp3_44100_128", 1105 / 44100)])
def test_times_are_those_of_the_decoded_audio(name: str, lead_in_seconds: float) -> None:
    marks = [Mark(MarkKind.WORD, 0, 0), Mark(MarkKind.WORD, 4, 700)]
    frames = join_audio(speak(ScriptedLibrary([(LOUD, marks), (LOUD, [])]), request(name, with_alignment=True)))

    starts = [start for frame in frames for start in frame.starts_seconds]
    ends = [end for frame in frames for end in frame.ends_seconds]
    assert len(starts) == len(ends) == len("one two")
    assert starts[0] == pytest.approx(lead_in_seconds)
    assert starts[4] == pytest.approx(700 / SOURCE_RATE_HZ + lead_in_seconds)
    assert ends[-1] == pytest.approx(2 * BUFFER_SAMPLES / SOURCE_RATE_HZ + lead_in_seconds)


def test_an_unknown_format_or_voice_is_refused() -> None:
    with pytest.raises(KeyError):
        FrameSynthesizer(request("flac_44100"), lambda _: None, lambda: True)
    with pytest.raises(ValueError, match="opus"):
        FrameSynthesizer(request("opus_48000_32"), lambda _: None, lambda: True)
    with pytest.raises(KeyError):
        FrameSynthesizer(replace(request(), language="../../etc"), lambda _: None, lambda: True)
