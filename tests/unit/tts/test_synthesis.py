"""From a wish to speech: what is chosen, what is refused, and how a stream of speech begins, ends and fails."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from services.common.alignment import Alignment
from services.common.errors import MediaError, Reason
from services.tts.providers.interface import AudioChunk, Capabilities, VoiceSettings
from services.tts.synthesis import Done, Header, SpeechEvent, SpeechWish, SynthesisOptions, Synthesizer
from tests.fakes.speech import ALL_FAMILIES, FakeSpeechProvider, voice

ONE_SECOND = bytes(16_000)
WISH = SpeechWish("Hello", output_format="pcm_8000")
FIRST, SECOND = AudioChunk(ONE_SECOND), AudioChunk(b"\x01" * 8000)


def synthesizer(
    *providers: FakeSpeechProvider, stall_seconds: float = 5, max_text_characters: int = 100
) -> Synthesizer:
    options = SynthesisOptions(providers[0].name, stall_seconds, max_text_characters)
    return Synthesizer({provider.name: provider for provider in providers}, options)


def speak(
    provider: FakeSpeechProvider, wish: SpeechWish = WISH, stall_seconds: float = 5
) -> AsyncGenerator[SpeechEvent, None]:
    maker = synthesizer(provider, stall_seconds=stall_seconds)
    return maker.stream(maker.plan(wish))


async def test_a_stream_is_header_then_chunks_then_done() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND, cost_units=5, ignored_fields=("seed",))
    header, *chunks, done = [event async for event in speak(provider)]
    assert header == Header(provider.specs[0][0], "espeak", "provider-request-1", ("seed",))
    assert chunks == [FIRST, SECOND]
    digest = hashlib.sha256(FIRST.audio + SECOND.audio).hexdigest()
    assert done == Done(characters=5, audio_bytes=24_000, duration_seconds=1.5, sha256=digest, cost_units=5)
    assert (provider.live.now, provider.live.total) == (0, 1)


@pytest.mark.parametrize(("text", "characters"), [("a", 1), ("👍🏽", 2), ("é", 1), ("e\u0301", 2), ("日本語", 3)])
async def test_characters_are_code_points(text: str, characters: int) -> None:
    *_, done = [event async for event in speak(FakeSpeechProvider(FIRST), replace(WISH, text=text))]
    assert isinstance(done, Done)
    assert done.characters == characters


async def test_the_header_comes_before_any_audio_is_there() -> None:
    audio_there = asyncio.Event()
    async with aclosing(speak(FakeSpeechProvider(audio_there, FIRST))) as events:
        assert isinstance(await anext(events), Header)
        audio_there.set()
        assert await anext(events) == FIRST


async def test_a_chunk_of_timing_only_is_passed_on() -> None:
    timing = AudioChunk(b"", Alignment(("H",), (0.0,), (0.1,)))
    events = [event async for event in speak(FakeSpeechProvider(FIRST, timing))]
    assert events[1:3] == [FIRST, timing]


@pytest.mark.parametrize("steps", [(), (AudioChunk(b""),), (AudioChunk(b"", Alignment(("H",), (0.0,), (0.1,))),)])
async def test_a_provider_that_delivers_no_audio_has_failed(steps: tuple[AudioChunk, ...]) -> None:
    provider = FakeSpeechProvider(*steps)
    seen, error = await failing(speak(provider))
    assert error.reason is Reason.GENERATION_FAILED
    assert not any(isinstance(event, Done) for event in seen)


async def failing(events: AsyncIterator[SpeechEvent]) -> tuple[list[SpeechEvent], MediaError]:
    seen: list[SpeechEvent] = []

    async def read() -> None:
        async for event in events:
            seen.append(event)  # noqa: PERF401 - what came before the failure must be kept

    with pytest.raises(MediaError) as caught:
        await read()
    return seen, caught.value


async def test_a_provider_that_falls_silent_before_its_first_chunk_has_stalled() -> None:
    provider = FakeSpeechProvider(asyncio.Event())
    seen, error = await failing(speak(provider, stall_seconds=0.05))
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert "0.05 seconds" in error.message
    assert [type(event) for event in seen] == [Header]
    assert provider.live.now == 0


async def test_a_provider_that_falls_silent_between_chunks_has_stalled() -> None:
    provider = FakeSpeechProvider(FIRST, asyncio.Event(), SECOND)
    seen, error = await failing(speak(provider, stall_seconds=0.05))
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert seen[1:] == [FIRST]
    assert provider.live.now == 0


async def test_a_slow_reader_is_not_a_stalled_provider() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND)
    async with aclosing(speak(provider, stall_seconds=0.02)) as events:
        await anext(events)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)
        assert await anext(events) == FIRST


async def test_a_timeout_of_the_providers_own_is_not_taken_for_a_stall() -> None:
    with pytest.raises(TimeoutError):
        _ = [event async for event in speak(FakeSpeechProvider(FIRST, TimeoutError()))]


async def test_a_refusal_gives_no_header() -> None:
    provider = FakeSpeechProvider(refusal=MediaError(Reason.PROVIDER_BUSY, retry_after_seconds=3))
    seen, error = await failing(speak(provider))
    assert (seen, error.reason, error.retry_after_seconds) == ([], Reason.PROVIDER_BUSY, 3)
    assert provider.live.now == 0


async def test_a_failure_on_the_way_gives_no_done() -> None:
    provider = FakeSpeechProvider(FIRST, MediaError(Reason.GENERATION_FAILED))
    seen, error = await failing(speak(provider))
    assert [type(event) for event in seen] == [Header, AudioChunk]
    assert error.reason is Reason.GENERATION_FAILED
    assert provider.live.now == 0


@pytest.mark.parametrize("events_read", [1, 2])
async def test_closing_the_stream_ends_the_providers_work(events_read: int) -> None:
    provider = FakeSpeechProvider(FIRST, endless=True)
    async with aclosing(speak(provider)) as events:
        for _ in range(events_read):
            await anext(events)
        assert provider.live.now == 1
    assert provider.live.now == 0


async def test_cancelling_a_reader_of_a_silent_provider_ends_its_work() -> None:
    provider = FakeSpeechProvider(asyncio.Event())

    async def read() -> None:
        async with aclosing(speak(provider)) as events:
            async for _ in events:
                pass

    task = asyncio.create_task(read())
    await provider.live.becomes(1)
    task.cancel()
    await provider.live.becomes(0)
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_a_wish_leaves_open_is_decided() -> None:
    provider = FakeSpeechProvider(capabilities=Capabilities(ALL_FAMILIES, default_model_id="model-1"))
    spec = synthesizer(provider).plan(SpeechWish("Hello")).spec
    assert (spec.voice.name, spec.output_format.name, spec.model_id) == ("Aria", "mp3_44100_128", "model-1")


def test_what_a_wish_says_is_kept() -> None:
    settings = VoiceSettings(0.1, 0.2, 0.3, 0.9, use_speaker_boost=False)
    wish = SpeechWish(
        "Hello",
        voice="bella-ID".lower(),
        provider="second",
        model_id="model-2",
        output_format="wav_8000",
        language_code="pt",
        settings=settings,
        seed=0,
        previous_text="before",
        next_text="after",
        previous_request_ids=("p",),
        next_request_ids=("n",),
        apply_text_normalization="off",
        include_alignment=True,
    )
    second = FakeSpeechProvider(name="second", voices=[voice("Bella", "second")])
    plan = synthesizer(FakeSpeechProvider(), second).plan(wish)
    assert (plan.provider, plan.with_alignment) == (second, True)
    spec = plan.spec
    assert (spec.voice.name, spec.output_format.name, spec.settings) == ("Bella", "wav_8000", settings)
    for field in ("model_id", "language_code", "seed", "previous_text", "next_text", "previous_request_ids"):
        assert getattr(spec, field) == getattr(wish, field)
    assert (spec.next_request_ids, spec.apply_text_normalization) == (("n",), "off")


def test_settings_that_a_wish_leaves_open_are_the_providers() -> None:
    defaults = VoiceSettings(0.5, 0.75, 0.0, 1.0, use_speaker_boost=True)
    provider = FakeSpeechProvider(capabilities=Capabilities(ALL_FAMILIES, default_settings=defaults))
    wish = replace(WISH, settings=VoiceSettings(stability=0.0, use_speaker_boost=False))
    chosen = synthesizer(provider).plan(wish).spec.settings
    assert chosen == VoiceSettings(0.0, 0.75, 0.0, 1.0, use_speaker_boost=False)


def refused(wish: SpeechWish, provider: FakeSpeechProvider) -> MediaError:
    with pytest.raises(MediaError) as caught:
        synthesizer(provider).plan(wish)
    assert provider.live.total == 0
    return caught.value


@pytest.mark.parametrize(
    ("wish", "reason", "field"),
    [
        (SpeechWish("Hello", voice="Nobody"), Reason.VOICE_NOT_FOUND, "voice"),
        (SpeechWish("Hello", provider="elevenlabs"), Reason.VALIDATION_ERROR, "provider"),
        (SpeechWish("Hello", output_format="opus_48000_64"), Reason.VALIDATION_ERROR, "output_format"),
        (SpeechWish("Hello", output_format="mp3"), Reason.VALIDATION_ERROR, "output_format"),
        (SpeechWish("a" * 101), Reason.TEXT_TOO_LONG, "text"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_can_not_be_done_is_refused_by_field_without_asking_the_provider(
    wish: SpeechWish, reason: Reason, field: str
) -> None:
    error = refused(wish, FakeSpeechProvider(capabilities=Capabilities(frozenset({"mp3", "pcm"}))))
    assert error.reason is reason
    assert [item.field for item in error.violations] == [field]


def test_a_format_that_is_not_offered_is_answered_with_those_that_are() -> None:
    error = refused(
        SpeechWish("Hello", output_format="opus_48000_64"),
        FakeSpeechProvider(capabilities=Capabilities(frozenset({"ulaw", "alaw"}))),
    )
    assert "espeak offers: ulaw_8000, alaw_8000" in error.message


LIMITS = Capabilities(
    ALL_FAMILIES,
    default_model_id="large",
    max_text_characters={"large": 30, "small": 10, "huge": 1000},
    default_max_text_characters=20,
)


@pytest.mark.parametrize(("model", "limit"), [("", 30), ("large", 30), ("small", 10), ("unlisted", 20), ("huge", 100)])
def test_the_limit_of_a_text_is_its_models_but_never_above_the_services(model: str, limit: int) -> None:
    provider = FakeSpeechProvider(capabilities=LIMITS)
    wish = SpeechWish("é" * limit, model_id=model)
    assert synthesizer(provider).plan(wish).spec.text == wish.text
    error = refused(replace(wish, text="é" * (limit + 1)), provider)
    assert error.reason is Reason.TEXT_TOO_LONG
    assert f"at most {limit} characters" in error.message


def test_a_text_that_is_too_long_is_not_quoted() -> None:
    assert "secret" not in refused(SpeechWish("secret" * 50), FakeSpeechProvider()).message
