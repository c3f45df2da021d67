"""Successful speech: the request, the audio, and its pieces."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment
from services.tts.audio_duration import build_duration_meter
from services.tts.formats import FORMATS
from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from services.tts.providers.interface import AudioChunk
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs, cut, line
from tests.fakes.elevenlabs_answers import Answer, StepControl
from tests.fakes.provider_audio import SECONDS_PER_CHARACTER, build_speech
from tests.fakes.tcp import run_tcp_peer
from tests.unit.tts.providers.elevenlabs.speech_requests import TEXT, VOICE, build_spec, join_chunks, read_all_chunks


def collect_timing(chunks: list[AudioChunk]) -> Alignment:
    return sum((chunk.alignment for chunk in chunks if chunk.alignment is not None), Alignment())


@pytest.mark.parametrize("with_alignment", [False, True])
@pytest.mark.parametrize("output_format", FORMATS)
async def test_every_format_is_delivered_byte_by_byte(
    provider: ElevenLabsProvider, output_format: str, with_alignment: bool
) -> None:
    chunks = await read_all_chunks(provider, build_spec(output_format), with_alignment=with_alignment)
    audio = join_chunks(chunks)
    assert audio == build_speech(TEXT, FORMATS[output_format])
    assert collect_timing(chunks).text == (TEXT if with_alignment else "")
    meter = build_duration_meter(FORMATS[output_format])
    meter.feed(audio)
    assert meter.seconds == pytest.approx(len(TEXT) * SECONDS_PER_CHARACTER, abs=0.05)


@pytest.mark.parametrize("clock_restarts", [False, True])
async def test_timing_is_on_the_clock_of_the_whole_stream(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, clock_restarts: bool
) -> None:
    fake.answers.append(Answer(clock_restarts=clock_restarts))
    timing = collect_timing(await read_all_chunks(provider, build_spec(), with_alignment=True))
    starts = [index * SECONDS_PER_CHARACTER for index in range(len(TEXT))]
    assert timing.starts_seconds == pytest.approx(starts)
    assert timing.ends_seconds == pytest.approx([start + SECONDS_PER_CHARACTER for start in starts])


async def test_each_piece_is_delivered_as_soon_as_it_arrives(
    fake: FakeElevenLabs, provider: ElevenLabsProvider
) -> None:
    control = StepControl()
    fake.answers.append(Answer(pieces=5, body_control=control))
    received: list[bytes] = []
    async with provider.synthesize(build_spec(), with_alignment=False) as stream:
        control.release()
        async for chunk in stream.chunks:
            received.append(chunk.audio)
            control.release()
    assert received == cut(build_speech(TEXT, FORMATS["mp3_44100_128"]), 5)


async def test_a_slow_stream_arrives_completely(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    control = StepControl()
    audio = bytes(range(64))
    fake.answers.append(Answer(audio=audio, pieces=64, body_control=control))
    received: list[bytes] = []
    async with provider.synthesize(build_spec(), with_alignment=False) as stream:
        control.release()
        async for chunk in stream.chunks:
            received.append(chunk.audio)
            control.release()
    assert received == [bytes([byte]) for byte in audio]


async def test_a_line_of_a_megabyte_is_read(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    audio = bytes(700_000)
    fake.answers.append(Answer(audio=audio, pieces=1))
    chunks = await read_all_chunks(provider, build_spec(), with_alignment=True)
    assert [chunk.audio for chunk in chunks] == [audio]


async def test_lines_may_be_split_and_joined_anywhere(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    body = b"\n" + line(b"one", "ab", [0.0, 0.06]) + b"\r\n" + line(b"two") + line(b"", "c", [0.12])
    fake.answers.append(Answer(lines=tuple(cut(body.rstrip(), 37))))
    chunks = await read_all_chunks(provider, build_spec(), with_alignment=True)
    assert b"".join(chunk.audio for chunk in chunks) == b"onetwo"
    assert collect_timing(chunks).text == "abc"


async def test_an_empty_line_is_not_a_chunk(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    fake.answers.append(Answer(lines=(line(b""), line(b"sound"), line(b""))))
    chunks = await read_all_chunks(provider, build_spec(), with_alignment=True)
    assert chunks == [AudioChunk(b"sound")]


async def test_request_id_and_cost_are_reported(provider: ElevenLabsProvider) -> None:
    async with provider.synthesize(build_spec(), with_alignment=False) as stream:
        assert (stream.request_id, stream.cost_units, stream.ignored_fields) == ("request-1", len(TEXT), ())


@pytest.mark.parametrize("cost", ["", "many", "-1", "9" * 40])
async def test_malformed_headers_are_ignored(fake: FakeElevenLabs, provider: ElevenLabsProvider, cost: str) -> None:
    fake.answers.append(Answer(headers={"character-cost": cost, "request-id": "no id at all"}))
    async with provider.synthesize(build_spec(), with_alignment=False) as stream:
        assert (stream.request_id, stream.cost_units) == ("", None)


async def test_fields_that_the_model_does_not_support_are_reported(provider: ElevenLabsProvider) -> None:
    spec = replace(build_spec(), model_id="eleven_v3", previous_text="before")
    async with provider.synthesize(spec, with_alignment=False) as stream:
        assert stream.ignored_fields == ("previous_text",)


async def test_the_whole_request_arrives(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    await read_all_chunks(provider, build_spec(text="Füße „quoted“ 👋"), with_alignment=True)
    [request] = fake.requests
    assert request.path == "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM/stream/with-timestamps"
    assert request.query == [("output_format", "mp3_44100_128")]
    assert request.json == {"text": "Füße „quoted“ 👋"}
    assert request.headers["xi-api-key"] == API_KEY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"


async def test_connections_are_reused(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    for with_alignment in (False, True, False):
        await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
    assert (fake.calls, len(fake.connections)) == (3, 1)


async def test_concurrent_calls_do_not_mix(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    texts = [f"Text number {number}." for number in range(20)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(read_all_chunks(provider, build_spec(text=text))) for text in texts]
    assert [join_chunks(task.result()) for task in tasks] == [
        build_speech(text, FORMATS["mp3_44100_128"]) for text in texts
    ]


@pytest.mark.parametrize("key", ["", " \n"])
async def test_without_a_key_the_api_is_not_called(fake: FakeElevenLabs, key: str) -> None:
    async with open_elevenlabs(ElevenLabsSettings(key, fake.base_url)) as provider:
        with pytest.raises(MediaError, match="ELEVENLABS_API_KEY") as failure:
            await read_all_chunks(provider, build_spec())
    assert failure.value.reason is Reason.API_KEY_MISSING
    assert fake.requests == []


@pytest.mark.parametrize("path", ["", "/", "/proxy", "/proxy/"])
async def test_the_base_url_may_have_a_path(path: str) -> None:
    async with run_tcp_peer() as peer:
        settings = ElevenLabsSettings(API_KEY, f"http://127.0.0.1:{peer.port}{path}")
        async with open_elevenlabs(settings) as provider:
            with pytest.raises(MediaError):
                await read_all_chunks(provider, build_spec())
    assert peer.heads[0].startswith(f"POST {path.rstrip('/')}/v1/text-to-speech/".encode())


async def test_the_base_url_may_have_the_user_and_password_of_a_proxy() -> None:
    async with run_tcp_peer() as peer:
        settings = ElevenLabsSettings(API_KEY, f"http://user:pass@127.0.0.1:{peer.port}")
        async with open_elevenlabs(settings) as provider:
            with pytest.raises(MediaError):
                await read_all_chunks(provider, build_spec())
    assert b"Authorization: Basic dXNlcjpwYXNz\r\n" in peer.heads[0]


@pytest.mark.parametrize(("voice_id", "sent"), [("a/../b?c", b"a%2F..%2Fb%3Fc"), ("..", b"..")])
async def test_an_unusual_voice_id_is_sent_as_one_path_segment(voice_id: str, sent: bytes) -> None:
    spec = replace(build_spec(), voice=replace(VOICE, voice_id=voice_id))
    async with (
        run_tcp_peer() as peer,
        open_elevenlabs(ElevenLabsSettings(API_KEY, f"http://127.0.0.1:{peer.port}")) as provider,
    ):
        with pytest.raises(MediaError):
            await read_all_chunks(provider, spec)
    assert peer.heads[0].startswith(b"POST /v1/text-to-speech/" + sent + b"/stream?output_format=")
