"""Utterances from several calls: long texts, resumed streams, sentences that are cached by themselves, pacing, WAV."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.cache import TieredCache
from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment
from services.tts.cache import SpeechCodec
from services.tts.events import Done, Header, Seam, SpeechEvent
from services.tts.joining.wav import join_wav
from services.tts.planning import SpeechRequest
from services.tts.providers.interface import AudioChunk, Capabilities, SpeechSpec, SpeechStream
from services.tts.utterance import Pacing, PlaybackClock
from tests.fakes.audio import build_wav
from tests.fakes.speech import ALL_FAMILIES, FakeSpeechProvider
from tests.fakes.speech_service import build_speech_parts

TEXT = "One two. Three four! Five six? Seven."
REQUEST = SpeechRequest(TEXT, output_format="pcm_8000", include_alignment=True, streamed=True)
SECONDS_PER_CHARACTER = 0.125
BYTES_PER_CHARACTER = 2000
SMALL, LARGE = 4096, 64 * 1024
BROKEN = MediaError(Reason.GENERATION_FAILED, "Broke.")


class FragileProvider(FakeSpeechProvider):
    """Speaks each character for an eighth of a second; the calls in `breaks` fail after that number of characters."""

    def __init__(self, *, breaks: dict[int, int] | None = None, limit: int = 1000, name: str = "espeak") -> None:
        super().__init__(name=name, capabilities=Capabilities(ALL_FAMILIES, default_max_text_characters=limit))
        self._breaks = breaks or {}

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        self.specs.append((spec, with_alignment))
        with self.live.one():
            yield SpeechStream(self._speak(spec, self._breaks.get(len(self.specs))), cost_units=len(spec.text))

    async def _speak(self, spec: SpeechSpec, breaks_after: int | None) -> AsyncIterator[AudioChunk]:
        for index, character in enumerate(spec.text):
            if index == breaks_after:
                raise BROKEN
            start = index * SECONDS_PER_CHARACTER
            timing = Alignment((character,), (start,), (start + SECONDS_PER_CHARACTER,))
            audio = bytes([len(self.specs)]) * BYTES_PER_CHARACTER
            yield AudioChunk(build_wav(audio, 8000) if spec.output_format.family == "wav" else audio, timing)

    @property
    def texts(self) -> list[str]:
        return [spec.text for spec, _ in self.specs]


class Refusing(FragileProvider):
    """Never accepts."""

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        self.specs.append((spec, with_alignment))
        self._refuse()
        yield SpeechStream(self._speak(spec, None))

    def _refuse(self) -> None:
        raise MediaError(Reason.PROVIDER_UNAVAILABLE)


async def collect(
    *speakers: FragileProvider,
    speech_request: SpeechRequest = REQUEST,
    resume: bool = True,
    fallbacks: tuple[str, ...] = (),
) -> tuple[Header, list[AudioChunk], Done]:
    speech = build_speech_parts(*speakers, resume=resume, fallbacks=fallbacks)
    header, *chunks, done = [event async for event in speech.synthesizer.stream(speech.planner.plan(speech_request))]
    assert isinstance(header, Header)
    assert isinstance(done, Done)
    return header, [chunk for chunk in chunks if isinstance(chunk, AudioChunk)], done


def collect_timing(chunks: list[AudioChunk]) -> Alignment:
    return sum((chunk.alignment for chunk in chunks if chunk.alignment is not None), Alignment())


async def test_a_long_text_is_split_at_the_ends_of_sentences() -> None:
    speaker = FragileProvider(limit=22)
    _, chunks, done = await collect(speaker)
    assert speaker.texts == ["One two. Three four! ", "Five six? Seven."]
    assert [(spec.previous_text, spec.next_text) for spec, _ in speaker.specs] == [
        ("", "Five six? Seven."),
        ("One two. Three four! ", ""),
    ]
    timing = collect_timing(chunks)
    assert timing.text == TEXT
    assert list(timing.starts_seconds) == [index * SECONDS_PER_CHARACTER for index in range(len(TEXT))]
    assert done.duration_seconds == len(TEXT) * SECONDS_PER_CHARACTER
    assert (done.cost_units, done.seams, done.characters) == (len(TEXT), (), len(TEXT))
    assert done.audio_bytes == sum(len(chunk.audio) for chunk in chunks)


async def test_a_wav_in_pieces_is_one_file() -> None:
    class WholeFiles(FragileProvider):
        async def _speak(self, spec: SpeechSpec, breaks_after: int | None) -> AsyncIterator[AudioChunk]:
            yield AudioChunk(build_wav(bytes([len(self.specs)]) * BYTES_PER_CHARACTER * len(spec.text), 8000))

    _, chunks, done = await collect(WholeFiles(limit=22), speech_request=replace(REQUEST, output_format="wav_8000"))
    (file,) = [chunk.audio for chunk in chunks if chunk.audio]
    parts = [build_wav(b"\x01" * BYTES_PER_CHARACTER * 21, 8000), build_wav(b"\x02" * BYTES_PER_CHARACTER * 16, 8000)]
    assert file == join_wav(parts)
    assert len(file) == 44 + BYTES_PER_CHARACTER * len(TEXT)
    assert done.duration_seconds == len(TEXT) * SECONDS_PER_CHARACTER


async def test_an_interrupted_stream_is_resumed_with_the_sentence_that_was_cut() -> None:
    speaker = FragileProvider(breaks={1: 12})
    _, chunks, done = await collect(speaker)
    assert speaker.texts == [TEXT, "Three four! Five six? Seven."]
    assert done.seams == (Seam(9, 12 * SECONDS_PER_CHARACTER, "espeak", "GENERATION_FAILED"),)
    timing = collect_timing(chunks)
    assert timing.text == TEXT[:12] + TEXT[9:]
    assert list(timing.starts_seconds) == sorted(timing.starts_seconds)
    assert done.duration_seconds == len(timing.text) * SECONDS_PER_CHARACTER
    assert speaker.live.now == 0


async def test_a_failure_after_the_last_word_needs_no_further_call() -> None:
    class NeverEnds(FragileProvider):
        async def _speak(self, spec: SpeechSpec, breaks_after: int | None) -> AsyncIterator[AudioChunk]:
            async for chunk in super()._speak(spec, None):
                yield chunk
            raise BROKEN

    speaker = NeverEnds()
    _, _, done = await collect(speaker)
    assert speaker.texts == [TEXT]
    assert [(seam.text_offset, seam.reason) for seam in done.seams] == [(len(TEXT), "GENERATION_FAILED")]


async def test_a_fallback_that_resumes_is_named_in_the_seam() -> None:
    class FailsAfterFirstCall(FragileProvider):
        @asynccontextmanager
        async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
            if self.specs:
                raise MediaError(Reason.PROVIDER_UNAVAILABLE)
            async with super().synthesize(spec, with_alignment=with_alignment) as stream:
                yield stream

    first, second = FailsAfterFirstCall(name="elevenlabs", breaks={1: 12}), FragileProvider()
    header, _, done = await collect(first, second, fallbacks=("espeak",))
    assert header.provider == "elevenlabs"
    assert [(seam.text_offset, seam.provider) for seam in done.seams] == [(9, "espeak")]
    assert second.texts == ["Three four! Five six? Seven."]


async def test_a_fallback_from_the_beginning_is_named_in_the_header_without_a_seam() -> None:
    header, _, done = await collect(Refusing(name="elevenlabs"), FragileProvider(), fallbacks=("espeak",))
    assert (header.provider, done.seams) == ("espeak", ())


async def test_a_stream_is_resumed_as_often_as_allowed() -> None:
    speaker = FragileProvider(breaks={1: 12, 2: 14})
    _, _, done = await collect(speaker)
    assert speaker.texts == [TEXT, TEXT[9:], TEXT[21:]]
    assert [seam.text_offset for seam in done.seams] == [9, 21]


@pytest.mark.parametrize(
    ("speech_request", "resume", "breaks"),
    [
        (replace(REQUEST, text="A single sentence."), True, {1: 5}),
        (replace(REQUEST, streamed=False), True, {1: 12}),
        (REQUEST, False, {1: 12}),
        (REQUEST, True, {1: 12, 2: 3, 3: 3}),
    ],
    ids=["single sentence", "not streamed", "switched off", "too often"],
)
async def test_a_stream_that_cannot_be_resumed_is_an_error(
    speech_request: SpeechRequest, resume: bool, breaks: dict[int, int]
) -> None:
    with pytest.raises(MediaError, match="Broke"):
        await collect(FragileProvider(breaks=breaks), speech_request=speech_request, resume=resume)


async def test_a_sentence_that_is_cached_by_itself_is_paid_for_once() -> None:
    speaker = FragileProvider()
    async with TieredCache(None, SpeechCodec()) as cache:
        speech = build_speech_parts(speaker, reuse_sentences=True, cache=cache)

        async def events(text: str) -> list[SpeechEvent]:
            plan = speech.planner.plan(replace(REQUEST, text=text))
            return [event async for event in speech.synthesizer.stream(plan)]

        await events(TEXT)
        changed = TEXT.replace("Three four!", "Nine ten!")
        *received, done = await events(changed)
    assert speaker.texts == ["One two. ", "Three four! ", "Five six? ", "Seven.", "Nine ten! "]
    assert isinstance(done, Done)
    assert done.cached_characters == len(changed) - len("Nine ten! ")
    assert done.cost_units == len("Nine ten! ")
    timing = collect_timing([event for event in received if isinstance(event, AudioChunk)])
    assert timing.text == changed
    assert timing.ends_seconds[-1] == done.duration_seconds == len(changed) * SECONDS_PER_CHARACTER


async def test_sentences_of_a_fallback_name_it_and_are_not_cached_for_the_first_provider() -> None:
    first, second = Refusing(name="elevenlabs"), FragileProvider()
    async with TieredCache(None, SpeechCodec()) as cache:
        speech = build_speech_parts(first, second, fallbacks=("espeak",), reuse_sentences=True, cache=cache)
        for _ in range(2):
            header, *_, done = [event async for event in speech.synthesizer.stream(speech.planner.plan(REQUEST))]
            assert isinstance(header, Header)
            assert isinstance(done, Done)
            assert (header.provider, header.cache_status, done.seams) == ("espeak", "miss", ())


async def test_cancellation_in_the_second_piece_ends_it() -> None:
    speaker = FragileProvider(limit=22)
    speech = build_speech_parts(speaker)
    events = speech.synthesizer.stream(speech.planner.plan(replace(REQUEST, use_cache=False)))
    async with asyncio.timeout(5):
        async for _ in events:
            if len(speaker.specs) == 2:
                break
    await events.aclose()
    assert speaker.live.now == 0


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_there_is_no_pause_before_the_listener_has_a_lead() -> None:
    listener = PlaybackClock(Pacing(), Clock())
    assert listener.find_pause_seconds(SMALL, 0.3) == 0
    assert listener.find_pause_seconds(SMALL, 0.51) == 0.25


def test_there_is_no_pause_after_large_chunks_or_without_pacing() -> None:
    assert PlaybackClock(Pacing(), Clock()).find_pause_seconds(LARGE, 100) == 0
    assert PlaybackClock(None, Clock()).find_pause_seconds(SMALL, 100) == 0


def test_a_pause_longer_than_the_lead_is_refused() -> None:
    with pytest.raises(ValueError, match="less than lead_seconds"):
        Pacing(lead_seconds=0.2, pause_seconds=0.2)


@given(st.lists(st.floats(0.01, 0.6), min_size=1, max_size=60))
def test_no_pause_interrupts_the_playback(lengths_seconds: list[float]) -> None:
    clock, sent_seconds = Clock(), 0.0
    listener = PlaybackClock(Pacing(), clock)
    for length_seconds in lengths_seconds:
        sent_seconds += length_seconds
        clock.seconds += listener.find_pause_seconds(SMALL, sent_seconds)
        assert clock.seconds <= sent_seconds
