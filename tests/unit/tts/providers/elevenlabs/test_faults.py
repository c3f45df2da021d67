"""Failures of the ElevenLabs API, with and without alignment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from services.tts.providers.elevenlabs.provider import MAX_ERROR_BODY_BYTES
from services.tts.providers.interface import AudioChunk
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs, cut, line
from tests.fakes.elevenlabs_answers import (
    Answer,
    StepControl,
    build_field_errors,
    build_html_error,
    build_legacy_error,
    build_refusal,
    build_text_error,
)
from tests.fakes.provider_audio import build_speech
from tests.fakes.tcp import run_tcp_peer
from tests.unit.tts.providers.elevenlabs.speech_requests import TEXT, build_spec, join_chunks, read_all_chunks

pytestmark = pytest.mark.parametrize("with_alignment", [False, True])

REFUSALS = {
    "busy": (build_refusal(429, "rate_limit_exceeded"), Reason.PROVIDER_BUSY),
    "busy, legacy": (build_legacy_error(429, "too_many_concurrent_requests"), Reason.PROVIDER_BUSY),
    "no credit, reported as 401": (build_legacy_error(401, "quota_exceeded"), Reason.PROVIDER_QUOTA_EXCEEDED),
    "payment": (build_refusal(402, "payment_required"), Reason.PROVIDER_QUOTA_EXCEEDED),
    "wrong key": (build_refusal(401, "invalid_api_key"), Reason.PROVIDER_REJECTED_KEY),
    "plan": (build_legacy_error(403, "only_for_creator+"), Reason.PROVIDER_REJECTED_KEY),
    "voice": (build_refusal(404, "voice_not_found"), Reason.VOICE_NOT_FOUND),
    "too long": (build_refusal(400, "max_character_limit_exceeded"), Reason.TEXT_TOO_LONG),
    "fields": (build_field_errors(("body", "seed")), Reason.VALIDATION_ERROR),
    "words": (build_text_error(400), Reason.GENERATION_FAILED),
    "500": (build_refusal(500, "internal_error"), Reason.PROVIDER_UNAVAILABLE),
    "502 in html": (build_html_error(502), Reason.PROVIDER_UNAVAILABLE),
    "503 without a body": (Answer(503), Reason.PROVIDER_UNAVAILABLE),
    "long error": (Answer(500, bytes(MAX_ERROR_BODY_BYTES * 40)), Reason.PROVIDER_UNAVAILABLE),
    "redirect": (Answer(307, headers={"location": "/elsewhere"}), Reason.GENERATION_FAILED),
    "html": (Answer(content_type="text/html"), Reason.GENERATION_FAILED),
    "packed": (Answer(headers={"content-encoding": "gzip"}), Reason.GENERATION_FAILED),
}

BROKEN_OFF = {
    "nothing": Answer(audio=b""),
    "cut at the first byte": Answer(cut_after_pieces=0),
    "cut within a chunk": Answer(cut_after_pieces=2),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_is_raised_before_any_audio(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, case: str, with_alignment: bool
) -> None:
    answer, reason = REFUSALS[case]
    fake.answers.append(answer)
    with pytest.raises(MediaError) as failure:
        async with provider.synthesize(build_spec(), with_alignment=with_alignment):
            pytest.fail("the provider accepted the request")
    assert failure.value.reason is reason
    assert "SECRET" not in failure.value.message
    await fake.wait_until_closed()
    assert fake.calls == 1
    assert len(fake.requests) == 1


@pytest.mark.parametrize("output_format", ["mp3_44100_128", "wav_16000"])
@pytest.mark.parametrize("case", BROKEN_OFF)
async def test_an_incomplete_response_is_an_error(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, case: str, output_format: str, with_alignment: bool
) -> None:
    # The endpoint for a whole file with alignment responds in one piece.
    whole = output_format.startswith("wav") and with_alignment
    answer = BROKEN_OFF[case]
    fake.answers.append(replace(answer, cut_after_pieces=0) if whole and answer.cut_after_pieces else answer)
    with pytest.raises(MediaError) as failure:
        await read_all_chunks(provider, build_spec(output_format), with_alignment=with_alignment)
    assert failure.value.reason is Reason.GENERATION_FAILED
    await fake.wait_until_closed()


async def test_after_a_failure_the_next_call_succeeds(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, with_alignment: bool
) -> None:
    fake.answers += [*BROKEN_OFF.values(), *(answer for answer, _ in REFUSALS.values())]
    while fake.answers:
        with pytest.raises(MediaError):
            await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
    assert await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)


async def test_audio_before_a_cut_is_delivered(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, with_alignment: bool
) -> None:
    control = StepControl()
    fake.answers.append(Answer(body_control=control, cut_after_pieces=2))
    received: list[AudioChunk] = []

    async def listen() -> None:
        async with provider.synthesize(build_spec(), with_alignment=with_alignment) as stream:
            control.release()
            async for chunk in stream.chunks:
                received.append(chunk)
                control.release()

    with pytest.raises(MediaError):
        await listen()
    assert join_chunks(received).startswith(b"".join(cut(build_speech(TEXT, build_spec().output_format), 4)[:2]))


async def test_a_response_without_headers_in_time_is_a_timeout(fake: FakeElevenLabs, with_alignment: bool) -> None:
    fake.answers.append(Answer(head_control=StepControl()))
    async with open_with_short_wait(fake.base_url) as provider:
        with pytest.raises(MediaError) as failure:
            await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
    assert failure.value.reason is Reason.PROVIDER_TIMEOUT
    await fake.wait_until_closed()
    assert fake.abandoned == 1


async def test_an_accepted_response_may_pause_for_longer(fake: FakeElevenLabs, with_alignment: bool) -> None:
    control = StepControl(1)
    fake.answers.append(Answer(pieces=2, body_control=control))
    async with (
        open_with_short_wait(fake.base_url) as provider,
        provider.synthesize(build_spec(), with_alignment=with_alignment) as stream,
    ):
        assert (await anext(stream.chunks)).audio
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(stream.chunks)
        control.release()
        assert (await anext(stream.chunks)).audio


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "https://", "no url at all", "ftp://127.0.0.1"])
async def test_a_provider_without_a_server_is_unavailable(base_url: str, with_alignment: bool) -> None:
    async with open_with_short_wait(base_url, first_byte_timeout_seconds=20) as provider:
        with pytest.raises(MediaError, match="ELEVENLABS_BASE_URL") as failure:
            await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE


async def test_a_handshake_that_does_not_end_is_unavailable(with_alignment: bool) -> None:
    async with run_tcp_peer(stays=True) as peer:
        settings = ElevenLabsSettings(API_KEY, f"https://127.0.0.1:{peer.port}", connect_timeout_seconds=0.1)
        async with open_elevenlabs(settings) as provider:
            with pytest.raises(MediaError) as failure:
                await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-not-http\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_a_response_that_is_not_http_is_unavailable(reply: bytes, with_alignment: bool) -> None:
    async with run_tcp_peer(reply) as peer, open_with_short_wait(f"http://127.0.0.1:{peer.port}", 20) as provider:
        with pytest.raises(MediaError) as failure:
            await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE


async def test_an_endless_error_body_is_not_read_to_its_end(with_alignment: bool) -> None:
    head = b"HTTP/1.1 503 Busy\r\ncontent-length: 1000000000\r\n\r\n"
    async with (
        run_tcp_peer(head + bytes(2 * MAX_ERROR_BODY_BYTES), stays=True) as peer,
        open_with_short_wait(f"http://127.0.0.1:{peer.port}", 20) as provider,
    ):
        with pytest.raises(MediaError) as failure:
            await read_all_chunks(provider, build_spec(), with_alignment=with_alignment)
        await peer.wait_until_closed()
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE


@pytest.mark.parametrize("bad", [b"{broken\n", b"<html>\n", b"{}\n", b'{"detail": {"code": "system_busy"}}\n'])
async def test_a_line_that_cannot_be_parsed_is_an_error(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, bad: bytes, with_alignment: bool
) -> None:
    del with_alignment
    fake.answers.append(Answer(lines=(line(b"sound"), bad, line(b"sound"))))
    async with provider.synthesize(build_spec(), with_alignment=True) as stream:
        assert (await anext(stream.chunks)).audio == b"sound"
        with pytest.raises(MediaError) as failure:
            await anext(stream.chunks)
    assert failure.value.reason is Reason.GENERATION_FAILED


async def test_json_instead_of_audio_is_an_error(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, with_alignment: bool
) -> None:
    del with_alignment
    fake.answers.append(Answer(content_type="application/json"))
    with pytest.raises(MediaError) as failure:
        await read_all_chunks(provider, build_spec(), with_alignment=False)
    assert failure.value.reason is Reason.GENERATION_FAILED


@asynccontextmanager
async def open_with_short_wait(
    base_url: str, first_byte_timeout_seconds: float = 0.2
) -> AsyncIterator[ElevenLabsProvider]:
    settings = ElevenLabsSettings(API_KEY, base_url, first_byte_timeout_seconds=first_byte_timeout_seconds)
    async with open_elevenlabs(settings) as provider:
        yield provider
