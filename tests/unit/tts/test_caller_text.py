"""Callers that write a text differently share its speech, and each gets the timing of its own characters."""

from __future__ import annotations

import unicodedata

import pytest

from services.common.cache import TieredCache
from services.common.timing.alignment import Alignment, join_alignments
from services.tts.cache import SpeechCodec
from services.tts.events import Done
from services.tts.planning import SpeechRequest
from services.tts.providers.interface import AudioChunk
from services.tts.server import SpeechComponents
from tests.fakes.speech_service import build_speech_parts
from tests.unit.tts.test_utterance import BYTES_PER_CHARACTER, SECONDS_PER_CHARACTER, FragileProvider

COMPOSED = "Très schön. Ça va! Voilà."
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


async def speak(speech: SpeechComponents, text: str, *, use_cache: bool = True) -> tuple[bytes, Alignment, Done]:
    """Return the audio, its timing and the end of the speech of `text`."""
    plan = speech.planner.plan(
        SpeechRequest(text, output_format="pcm_8000", include_alignment=True, use_cache=use_cache, streamed=True)
    )
    *events, done = [event async for event in speech.synthesizer.stream(plan)]
    assert isinstance(done, Done)
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    timing = join_alignments(chunk.alignment for chunk in chunks if chunk.alignment is not None)
    return b"".join(chunk.audio for chunk in chunks), timing, done


@pytest.mark.parametrize("texts", [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (f"\ufeff{COMPOSED}\x00", COMPOSED)])
async def test_equal_texts_share_speech_and_each_caller_gets_its_own_characters(texts: tuple[str, str]) -> None:
    speaker = FragileProvider()
    async with TieredCache(None, SpeechCodec()) as cache:
        speech = build_speech_parts(speaker, cache=cache)
        async with speech.flights:
            first, second = [await speak(speech, text) for text in texts]
    assert speaker.texts == [COMPOSED]
    assert first[0] == second[0]
    for text, (_, timing, done) in zip(texts, (first, second), strict=True):
        assert timing.characters == tuple(text)
        assert timing.ends_seconds[-1] == len(COMPOSED) * SECONDS_PER_CHARACTER
        assert done.characters == len(text)
    assert (first[2].cached_characters, second[2].cached_characters) == (0, len(texts[1]))


async def test_offsets_of_a_resumed_stream_count_the_callers_code_points() -> None:
    speaker = FragileProvider(breaks={1: 15})
    speech = build_speech_parts(speaker)
    audio, timing, done = await speak(speech, DECOMPOSED, use_cache=False)
    assert speaker.texts == [COMPOSED, COMPOSED[12:]]
    (seam,) = done.seams
    assert seam.text_offset == len(unicodedata.normalize("NFD", COMPOSED[:12]))
    assert timing.text == unicodedata.normalize("NFD", COMPOSED[:15]) + DECOMPOSED[seam.text_offset :]
    assert timing.ends_seconds[-1] == len(audio) / BYTES_PER_CHARACTER * SECONDS_PER_CHARACTER


async def test_blank_text_between_pieces_takes_no_time() -> None:
    text = "One two." + " " * 30 + "Three."
    speaker = FragileProvider(limit=10)
    _, timing, _ = await speak(build_speech_parts(speaker), text, use_cache=False)
    assert all(piece.strip() for piece in speaker.texts)
    assert timing.text == text
    assert timing.ends_seconds[-1] == sum(map(len, speaker.texts)) * SECONDS_PER_CHARACTER


async def test_a_provider_gets_no_control_characters() -> None:
    speaker = FragileProvider()
    _, timing, done = await speak(build_speech_parts(speaker), "\x00Stop\u202e here.\x1b", use_cache=False)
    assert speaker.texts == ["Stop here."]
    assert (timing.text, done.characters) == ("\x00Stop\u202e here.\x1b", 13)
