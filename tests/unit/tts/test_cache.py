"""Cache keys, cached entries and their replay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.timing.alignment import Alignment
from services.tts.cache import CachedSpeech, SpeechCodec, SpeechRecorder, build_cache_key, replay
from services.tts.events import Done, Header, Plan, Seam
from services.tts.formats import FORMATS
from services.tts.providers.interface import AudioChunk, SpeechSpec, VoiceSettings
from tests.fakes.speech import FakeSpeechProvider, build_voice

SPEC = SpeechSpec("Hi!", build_voice(), FORMATS["pcm_8000"])
PLAN = Plan(FakeSpeechProvider(), SPEC, with_alignment=True)
TIMING = Alignment(("H", "i", "!"), (0.0, 0.25, 0.5), (0.25, 0.5, 1.0))
DONE = Done(characters=3, audio_bytes=16_000, duration_seconds=1.0, sha256="ab", cost_units=3)

DECISIVE: list[dict[str, Any]] = [
    {"text": "Ho!"},
    {"voice": build_voice("Bella")},
    {"output_format": FORMATS["pcm_16000"]},
    {"settings": VoiceSettings(speed=1.1)},
    {"settings": VoiceSettings(use_speaker_boost=False)},
    {"model_id": "other"},
    {"language_code": "pt"},
    {"seed": 0},
    {"previous_text": "before"},
    {"next_text": "after"},
    {"previous_request_ids": ("a",)},
    {"next_request_ids": ("a",)},
    {"apply_text_normalization": "off"},
]


def test_each_field_that_decides_the_sound_changes_the_key() -> None:
    keys = {build_cache_key(replace(PLAN, spec=replace(SPEC, **change))) for change in DECISIVE}
    other_provider = replace(PLAN, provider=FakeSpeechProvider(name="elevenlabs"))
    assert len(keys | {build_cache_key(PLAN), build_cache_key(other_provider)}) == len(DECISIVE) + 2


def test_delivery_does_not_change_the_key() -> None:
    others = [replace(PLAN, with_alignment=False), replace(PLAN, resumable=True), replace(PLAN, streamed=True)]
    assert {build_cache_key(plan) for plan in others} == {build_cache_key(PLAN)}


def record(done: Done = DONE, provider: str = "espeak") -> CachedSpeech | None:
    recorder = SpeechRecorder(PLAN)
    recorder.feed(Header(SPEC, provider, ignored_fields=("seed",)))
    recorder.feed(AudioChunk(bytes(8000), Alignment(("H",), (0.0,), (0.25,))))
    recorder.feed(AudioChunk(bytes(8000), Alignment(("i", "!"), (0.25, 0.5), (0.5, 1.0))))
    recorder.feed(done)
    return recorder.build_entry()


def test_a_whole_utterance_is_cached_with_its_timing() -> None:
    cached = record()
    assert cached is not None
    assert (cached.audio, cached.alignment, cached.done) == (bytes(16_000), TIMING, DONE)
    assert cached.document["parameters"]["outputFormat"] == "pcm_8000"
    assert "Hi!" not in str(cached.document)


@pytest.mark.parametrize(
    ("done", "provider"),
    [(replace(DONE, seams=(Seam(0, 0.5, "espeak", "GENERATION_FAILED"),)), "espeak"), (DONE, "elevenlabs")],
    ids=["with a seam", "by a fallback"],
)
def test_resumed_and_fallback_speech_is_not_cached(done: Done, provider: str) -> None:
    assert record(done, provider) is None


def test_incomplete_speech_is_not_cached() -> None:
    recorder = SpeechRecorder(PLAN)
    recorder.feed(Header(SPEC, "espeak"))
    recorder.feed(AudioChunk(bytes(10)))
    assert recorder.build_entry() is None


def test_the_codec_restores_the_utterance() -> None:
    cached, now = record(), datetime.now(UTC)
    assert cached is not None
    codec = SpeechCodec()
    entry = codec.encode("key", cached, now, now)
    assert codec.decode(entry) == cached
    assert {"contentType", "voiceId", "voiceName", "textLength", "parameters"} <= set(entry.fields)


@given(seconds=st.integers(1, 40), characters=st.integers(0, 60))
def test_a_replay_is_the_whole_audio_with_the_whole_timing(seconds: int, characters: int) -> None:
    ends = tuple(seconds * (index + 1) / max(characters, 1) for index in range(characters))
    alignment = Alignment(("x",) * characters, (0.0,) * characters, ends)
    audio = bytes(range(256)) * (seconds * 16_000 // 256)
    done = replace(DONE, audio_bytes=len(audio), duration_seconds=float(seconds))
    header, *chunks, end = replay(CachedSpeech(audio, alignment, done, (), {}), PLAN)
    pieces = [chunk for chunk in chunks if isinstance(chunk, AudioChunk)]
    assert isinstance(header, Header)
    assert header.cache_status == "hit"
    assert b"".join(piece.audio for piece in pieces) == audio
    timing = sum((piece.alignment for piece in pieces if piece.alignment is not None), Alignment())
    assert timing == alignment
    assert isinstance(end, Done)
    assert (end.cost_units, end.saved_cost_units, end.cached_characters) == (0, 3, 3)
