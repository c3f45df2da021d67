"""The embedded provider with the real engine."""

from __future__ import annotations

import asyncio
import wave
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO

import pytest

from services.common.errors import MediaError, Reason
from services.tts.formats import FORMATS
from services.tts.named_voices import NAMED_VOICES
from services.tts.providers.espeak.provider import (
    MAX_PAUSES_SECONDS,
    EspeakProvider,
    build_engine_text,
    get_ignored_fields,
    open_espeak,
)
from services.tts.providers.interface import Voice, VoiceSettings
from tests.unit.tts.providers.espeak.engine_helpers import LONG, SENTENCE, build_spec, speak
from tests.unit.tts.providers.espeak.mpeg import Mpeg

ODD_TEXTS = [
    "😀",
    "👩‍👩‍👧 family",
    "你好，世界。再见！",  # noqa: RUF001 - Chinese punctuation is what is tested
    "こんにちは世界",
    "مرحبا بالعالم",
    "a\0b",
    "x \x01 50P \x1b[31m y",
    "[[h@'loU]] <speak>hi</speak> &amp;",
    "é́́́́́",
    "1234567890" * 5,
    "tab\tand\r\nnewline\u2028end",
    "  spaces around  ",
    "Wait... what?! (really) — yes; no: maybe",
]


@pytest.fixture
async def provider() -> AsyncIterator[EspeakProvider]:
    async with open_espeak() as espeak:
        yield espeak


async def test_every_format_is_valid_and_has_the_duration_of_the_speech(provider: EspeakProvider) -> None:
    seconds = len((await speak(provider, build_spec())).audio) / 2 / 22050
    assert 3 < seconds < 8

    for output_format in FORMATS.values():
        if output_format.family not in provider.capabilities.families:
            continue
        audio = (await speak(provider, build_spec(output_format=output_format.name))).audio
        if output_format.family == "mp3":
            parsed = Mpeg.parse(audio)
            assert parsed.sample_rates_hz == {output_format.sample_rate_hz}
            assert seconds < parsed.duration_seconds < seconds + 0.2
        elif output_format.family == "wav":
            with wave.open(BytesIO(audio)) as file:
                assert file.getframerate() == output_format.sample_rate_hz
                assert file.getnframes() / file.getframerate() == pytest.approx(seconds, abs=0.001)
        else:
            assert len(audio) / 2 / output_format.sample_rate_hz == pytest.approx(seconds, abs=0.001)


async def test_every_character_has_a_time_and_the_last_ends_with_the_audio(provider: EspeakProvider) -> None:
    spoken = await speak(provider, build_spec(), with_alignment=True)
    alignment = spoken.alignment

    assert alignment.characters == tuple(SENTENCE)
    assert alignment.ends_seconds[-1] == pytest.approx(len(spoken.audio) / 2 / 22050)
    assert list(alignment.starts_seconds) == sorted(alignment.starts_seconds)
    assert all(start <= end for start, end in zip(alignment.starts_seconds, alignment.ends_seconds, strict=True))


async def test_the_audio_is_loud_during_a_word_and_silent_during_the_pause_after_it(provider: EspeakProvider) -> None:
    text = "Yes. No."
    spoken = await speak(provider, build_spec(text), with_alignment=True)
    samples = array("h", spoken.audio)

    def peak(first: int, last: int) -> int:
        start = round(spoken.alignment.starts_seconds[first] * 22050)
        end = round(spoken.alignment.ends_seconds[last] * 22050)
        return max(map(abs, samples[start:end]))

    assert peak(0, 3) > 5000
    assert peak(4, 4) < 300
    assert peak(5, 7) > 5000


async def test_timing_arrives_together_with_the_audio(provider: EspeakProvider) -> None:
    seconds_of_audio, timed_until, worst_lag = 0.0, 0.0, 0.0
    async with provider.synthesize(build_spec(LONG), with_alignment=True) as stream:
        async for chunk in stream.chunks:
            seconds_of_audio += len(chunk.audio) / 2 / 22050
            if chunk.alignment:
                timed_until = chunk.alignment.ends_seconds[-1]
            worst_lag = max(worst_lag, seconds_of_audio - timed_until)

    assert worst_lag < 1.5


async def test_the_times_of_mp3_include_its_lead_in(provider: EspeakProvider) -> None:
    pcm = (await speak(provider, build_spec(), with_alignment=True)).alignment
    mp3 = (await speak(provider, build_spec(output_format="mp3_44100_128"), with_alignment=True)).alignment

    shifts = [late - early for late, early in zip(mp3.starts_seconds, pcm.starts_seconds, strict=True)]
    assert shifts == pytest.approx([1105 / 44100] * len(SENTENCE))


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        ("scho\u0308n", "sch\u00f6n"),
        ("\uff21\uff22\uff23\u3000\uff48\uff45\uff4c\uff4c\uff4f", "ABC hello"),
        ("so\u00adft ze\u200bro\ufeff", "soft zero"),
        ("\ufb01ne", "fine"),
        ("\u2764\ufe0f", "\u2764"),
    ],
)
async def test_equal_texts_sound_equal_and_keep_their_own_characters(
    provider: EspeakProvider, text: str, equal: str
) -> None:
    spoken = await speak(provider, build_spec(text), with_alignment=True)
    plain = await speak(provider, build_spec(equal), with_alignment=True)
    assert spoken.audio == plain.audio
    assert spoken.alignment.characters == tuple(text)
    assert spoken.alignment.ends_seconds[-1] == plain.alignment.ends_seconds[-1]


@pytest.mark.parametrize(
    ("direction", "seconds"),
    [('<break time="1s"/>', 1.0), ("<break time='1500ms' />", 1.5), ("<break/>", 0.5), ('<break time="99s"/>', 10.0)],
)
async def test_a_break_is_a_pause_between_the_same_words(
    provider: EspeakProvider, direction: str, seconds: float
) -> None:
    text = f"Hello there. {direction} General."
    spoken = await speak(provider, build_spec(text), with_alignment=True)
    before = (await speak(provider, build_spec("Hello there. "))).audio
    after = (await speak(provider, build_spec(" General."))).audio
    pause = bytes(round(22050 * seconds) * 2)
    assert spoken.audio[: len(before) + len(pause)] == before + pause
    assert len(spoken.audio) == pytest.approx(len(before) + len(pause) + len(after), abs=4000)
    alignment = spoken.alignment
    assert alignment.characters == tuple(text)
    assert alignment.starts_seconds[text.index("General")] >= len(before) / 2 / 22050 + seconds
    assert alignment.ends_seconds[-1] == pytest.approx(len(spoken.audio) / 2 / 22050)
    assert list(alignment.starts_seconds) == sorted(alignment.starts_seconds)


async def test_a_text_begins_and_ends_with_its_pauses(provider: EspeakProvider) -> None:
    text = '<break time="1s"/>Yes.<break time="2s"/>'
    spoken = await speak(provider, build_spec(text), with_alignment=True)
    word = (await speak(provider, build_spec("Yes."))).audio
    assert spoken.audio == bytes(22050 * 2) + word + bytes(22050 * 4)
    assert spoken.alignment.text == text


async def test_all_pauses_of_a_text_have_a_limit() -> None:
    _, pauses = build_engine_text('<break time="10s"/> x' * 100)
    assert sum(seconds for _, seconds in pauses) == MAX_PAUSES_SECONDS


async def test_timing_is_absent_unless_requested(provider: EspeakProvider) -> None:
    assert len((await speak(provider, build_spec())).alignment) == 0


@pytest.mark.parametrize("output_format", ["mp3_44100_128", "pcm_16000", "wav_44100"])
async def test_the_same_text_gives_the_same_bytes(provider: EspeakProvider, output_format: str) -> None:
    request = build_spec(output_format=output_format)
    takes = [await speak(provider, request, with_alignment=True) for _ in range(4)]

    assert len({(take.audio, take.alignment) for take in takes}) == 1


async def test_twenty_concurrent_requests_get_their_own_speech(provider: EspeakProvider) -> None:
    texts = [f"This is number {number}." for number in range(20)]
    alone = [(await speak(provider, build_spec(text))).audio for text in texts[:3]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(speak(provider, build_spec(text), with_alignment=True)) for text in texts]

    results = [task.result() for task in tasks]
    assert [result.alignment.text for result in results] == texts
    assert [result.audio for result in results[:3]] == alone
    assert len({result.audio for result in results}) == len(texts)


async def test_speed_scales_the_duration(provider: EspeakProvider) -> None:
    async def samples(speed: float | None) -> int:
        return len((await speak(provider, build_spec(settings=VoiceSettings(speed=speed)))).audio)

    usual = await samples(None)
    assert await samples(1.0) == usual
    assert await samples(0.7) == pytest.approx(usual / 0.7, rel=0.04)
    assert await samples(1.2) == pytest.approx(usual / 1.2, rel=0.04)


async def test_each_named_voice_sounds_different(provider: EspeakProvider) -> None:
    takes = {(await speak(provider, build_spec("Hello.", voice=named.name))).audio for named in NAMED_VOICES}

    assert len(takes) == len(NAMED_VOICES)


async def test_a_language_code_changes_the_speech(provider: EspeakProvider) -> None:
    english = await speak(provider, build_spec("Die Rose", voice="Aria"))
    german = await speak(provider, build_spec("Die Rose", voice="Aria", language_code="de"))

    assert english.audio != german.audio


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_unusual_texts_are_spoken_and_timed(provider: EspeakProvider, text: str) -> None:
    spoken = await speak(provider, build_spec(text), with_alignment=True)

    assert spoken.audio
    assert spoken.alignment.characters == tuple(text)
    assert spoken.alignment.ends_seconds[-1] == pytest.approx(len(spoken.audio) / 2 / 22050)


async def test_a_word_of_twenty_thousand_letters_is_spoken_and_timed(provider: EspeakProvider) -> None:
    text = "x" * 20_000
    spoken = await speak(provider, build_spec(text), with_alignment=True)

    assert spoken.alignment.text == text
    assert spoken.chunks > 10


@pytest.mark.parametrize("text", ["...", "—", "\x01\x02", "\u200b", "𝄞"])
@pytest.mark.parametrize("output_format", ["mp3_44100_128", "wav_22050"])
async def test_a_text_without_anything_to_speak_is_an_error(
    provider: EspeakProvider, text: str, output_format: str
) -> None:
    with pytest.raises(MediaError) as caught:
        await speak(provider, build_spec(text, output_format))

    assert caught.value.reason is Reason.GENERATION_FAILED
    assert "text" in caught.value.message


async def test_a_voice_that_looks_like_a_path_does_not_reach_the_engine(provider: EspeakProvider) -> None:
    path = Voice("en+/etc/passwd", "x", "espeak", "embedded")

    with pytest.raises(MediaError) as caught:
        await speak(provider, replace(build_spec(), voice=path))

    assert caught.value.reason is Reason.VOICE_NOT_FOUND
    assert provider.resolve("../../etc/passwd") is None


async def test_a_format_that_is_not_offered_is_refused(provider: EspeakProvider) -> None:
    with pytest.raises(MediaError) as caught:
        await speak(provider, build_spec(output_format="ulaw_8000"))

    assert [item.field for item in caught.value.violations] == ["output_format"]


async def test_speech_costs_nothing_and_reports_ignored_fields(provider: EspeakProvider) -> None:
    request = build_spec(settings=VoiceSettings(stability=0.0, speed=1.1, use_speaker_boost=False))
    async with provider.synthesize(replace(request, seed=0, previous_text="So."), with_alignment=False) as stream:
        assert stream.cost_units == 0
        assert stream.ignored_fields == ("stability", "use_speaker_boost", "seed", "previous_text")


def test_fields_that_are_not_set_are_not_reported_as_ignored() -> None:
    assert get_ignored_fields(build_spec(settings=VoiceSettings(speed=0.9), language_code="en")) == ()


def test_all_fields_that_the_engine_ignores_are_reported() -> None:
    settings = VoiceSettings(stability=0.1, similarity_boost=0.1, style=0.1, use_speaker_boost=True)
    full = replace(
        build_spec(settings=settings),
        model_id="eleven_v3",
        seed=1,
        previous_text="a",
        next_text="b",
        previous_request_ids=("x",),
        next_request_ids=("y",),
        apply_text_normalization="on",
    )

    assert len(get_ignored_fields(full)) == 11


async def test_the_named_voices_are_listed_first(provider: EspeakProvider) -> None:
    listed = await provider.list_voices()

    assert [voice.name for voice in listed[: len(NAMED_VOICES)]] == [named.name for named in NAMED_VOICES]
    assert "espeak German" in {voice.name for voice in listed}
    assert all(provider.resolve(voice.voice_id) is voice for voice in listed)
