"""The least size of audio, from text, format and tempo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.tts.formats import FORMATS
from services.tts.providers.interface import SpeechSpec, Voice, VoiceSettings
from services.tts.size_limits import estimate_min_audio_bytes

SPEC = SpeechSpec("x" * 250, Voice("id", "Aria", "espeak", "embedded"), FORMATS["pcm_8000"])


@pytest.mark.parametrize(
    ("output_format", "size_bytes"),
    [
        ("pcm_8000", 160_000),
        ("wav_44100", 882_000),
        ("mp3_44100_128", 160_000),
        ("opus_48000_32", 40_000),
        ("ulaw_8000", 80_000),
    ],
)
def test_ten_seconds_have_the_size_of_their_format(output_format: str, size_bytes: int) -> None:
    assert estimate_min_audio_bytes(replace(SPEC, output_format=FORMATS[output_format])) == size_bytes


def test_only_letters_and_digits_take_time() -> None:
    text = f"{'x' * 250} ... !!! [whispers] <break time='9s'/>\n\n"
    assert estimate_min_audio_bytes(replace(SPEC, text=text)) == estimate_min_audio_bytes(SPEC)


def test_a_fast_tempo_takes_less() -> None:
    fast = replace(SPEC, settings=VoiceSettings(speed=1.2))
    assert estimate_min_audio_bytes(fast) == pytest.approx(160_000 / 1.2, abs=1)
    slow = replace(SPEC, settings=VoiceSettings(speed=0.7))
    assert estimate_min_audio_bytes(slow) == 160_000
