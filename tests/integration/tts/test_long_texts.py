"""Texts that exceed one call: several calls, one stream, one clock, one digest."""

from __future__ import annotations

import hashlib
from io import BytesIO

import av
import pytest

from services.tts.audio_duration import build_duration_meter
from services.tts.formats import FORMATS
from services.tts.joining.wav import join_wav
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.elevenlabs_answers import Answer
from tests.fakes.provider_audio import build_speech
from tests.integration.tts.conftest import SHAPES, StartService, request_speech

PIECES = (
    "The first sentence is here. The second one too. ",
    "A third follows, which is longer! ",
    "And is this the fourth? It is.",
)
TEXT = "".join(PIECES)
LIMIT = 50


def list_sent_texts(fake: FakeElevenLabs, field: str) -> list[str]:
    return [request.json.get(field, "") for request in fake.requests]


def measure_seconds(text: str, output_format: str) -> float:
    meter = build_duration_meter(FORMATS[output_format])
    meter.feed(build_speech(text, FORMATS[output_format]))
    return meter.seconds


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("output_format", ["mp3_44100_64", "pcm_16000", "ulaw_8000"])
async def test_the_pieces_are_one_stream_on_one_clock(
    fake: FakeElevenLabs, start_service: StartService, shape: str, output_format: str
) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        result = await request_speech(stub, shape, TEXT, output_format=output_format)
    assert list_sent_texts(fake, "text") == list(PIECES)
    assert result.done is not None
    assert result.audio == b"".join(build_speech(piece, FORMATS[output_format]) for piece in PIECES)
    assert result.done.sha256 == hashlib.sha256(result.audio).hexdigest()
    assert (result.done.audio_bytes, result.done.characters) == (len(result.audio), len(TEXT))
    assert result.done.duration_seconds == pytest.approx(sum(measure_seconds(piece, output_format) for piece in PIECES))
    assert result.done.provider_cost_units == len(TEXT)
    assert not result.done.seams


async def test_the_timing_covers_the_text_and_never_decreases(
    fake: FakeElevenLabs, start_service: StartService
) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        result = await request_speech(stub, "timestamps", TEXT)
    assert "".join(character for character, _, _ in result.timing) == TEXT
    starts, ends = ([entry[at] for entry in result.timing] for at in (1, 2))
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    second = len(PIECES[0])
    assert starts[second] == pytest.approx(measure_seconds(PIECES[0], "mp3_44100_128"))


async def test_each_call_gets_the_context_of_its_piece(fake: FakeElevenLabs, start_service: StartService) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        await request_speech(stub, "stream", TEXT, previous_text="Before it all.", next_text="After it all.")
    assert list_sent_texts(fake, "previous_text") == ["Before it all.", PIECES[0], PIECES[0] + PIECES[1]]
    assert list_sent_texts(fake, "next_text") == [PIECES[1] + PIECES[2], PIECES[2], "After it all."]


async def test_only_the_first_and_last_piece_get_the_neighbouring_request_ids(
    fake: FakeElevenLabs, start_service: StartService
) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        await request_speech(stub, "stream", TEXT, previous_request_ids=["before"], next_request_ids=["after"])
    assert [request.json.get("previous_request_ids") for request in fake.requests] == [["before"], None, None]
    assert [request.json.get("next_request_ids") for request in fake.requests] == [None, None, ["after"]]
    assert list_sent_texts(fake, "previous_text")[1:] == [PIECES[0], PIECES[0] + PIECES[1]]


async def test_a_model_without_context_gets_no_context_and_reports_no_ignored_fields(
    fake: FakeElevenLabs, start_service: StartService
) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        result = await request_speech(stub, "unary", TEXT, model_id="eleven_v3")
    assert list_sent_texts(fake, "previous_text") == list_sent_texts(fake, "next_text") == ["", "", ""]
    assert list(result.header.ignored_fields) == []


@pytest.mark.parametrize("shape", SHAPES)
async def test_wav_files_become_one_file(fake: FakeElevenLabs, start_service: StartService, shape: str) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        result = await request_speech(stub, shape, TEXT, output_format="wav_16000")
    assert fake.calls == len(PIECES)
    assert result.audio == join_wav([build_speech(piece, FORMATS["wav_16000"]) for piece in PIECES])
    assert result.done is not None
    assert result.done.sha256 == hashlib.sha256(result.audio).hexdigest()
    assert result.done.duration_seconds == pytest.approx((len(result.audio) - 44) / 32_000)


@pytest.mark.parametrize("shape", SHAPES)
async def test_opus_files_become_one_logical_stream(
    fake: FakeElevenLabs, start_service: StartService, shape: str
) -> None:
    async with start_service(max_call_characters=LIMIT) as stub:
        result = await request_speech(stub, shape, TEXT, output_format="opus_48000_64")
    assert fake.calls == len(PIECES)
    assert result.audio.count(b"OpusHead") == 1
    assert result.done is not None
    assert result.done.sha256 == hashlib.sha256(result.audio).hexdigest()
    seconds = sum(measure_seconds(piece, "opus_48000_64") for piece in PIECES)
    assert result.done.duration_seconds == pytest.approx(seconds)
    with av.open(BytesIO(result.audio), "r", format="ogg") as decoded:
        assert sum(frame.samples for frame in decoded.decode(audio=0)) / 48000 == pytest.approx(seconds)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
async def test_a_wav_file_without_sizes_leaves_with_true_ones(
    fake: FakeElevenLabs, start_service: StartService, shape: str, size: int
) -> None:
    whole = build_speech("Hello.", FORMATS["wav_16000"])
    unknown = size.to_bytes(4, "little")
    fake.answers.append(Answer(audio=whole[:4] + unknown + whole[8:40] + unknown + whole[44:]))
    async with start_service() as stub:
        result = await request_speech(stub, shape, "Hello.", output_format="wav_16000")
    assert result.audio == whole
    assert result.done is not None
    assert result.done.sha256 == hashlib.sha256(whole).hexdigest()
    assert result.done.duration_seconds == pytest.approx((len(whole) - 44) / 32_000)


async def test_a_text_of_the_maximum_length_is_one_call(fake: FakeElevenLabs, start_service: StartService) -> None:
    async with start_service(max_call_characters=len(TEXT)) as stub:
        await request_speech(stub, "unary", TEXT)
    assert list_sent_texts(fake, "text") == [TEXT]
