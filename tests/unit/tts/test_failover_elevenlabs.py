"""Failover with a real provider: how often its API is called, and how many calls are concurrent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.common.resilience.retry import ProviderPolicy
from services.tts.failover import open_with_failover
from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs, run_elevenlabs
from tests.fakes.elevenlabs_answers import Answer, StepControl, build_legacy_error, build_refusal
from tests.fakes.provider_audio import build_speech
from tests.fakes.tcp import run_tcp_peer
from tests.fakes.virtual_time import PassingTime
from tests.unit.tts.candidates import TEXT, build_plan, build_policy


@pytest.fixture
async def fake() -> AsyncIterator[FakeElevenLabs]:
    async with run_elevenlabs() as server:
        yield server


@asynccontextmanager
async def open_provider(base_url: str) -> AsyncIterator[ElevenLabsProvider]:
    async with open_elevenlabs(ElevenLabsSettings(API_KEY, base_url)) as provider:
        yield provider


async def read_audio(provider: ElevenLabsProvider, policy: ProviderPolicy, wait_seconds: float = 30) -> bytes:
    plan = build_plan(provider)
    async with open_with_failover([plan], replace(policy, wait_seconds=wait_seconds)) as found:
        audio = b"".join([chunk.audio async for chunk in found.chunks])
    assert audio == build_speech(TEXT, plan.spec.output_format)
    return audio


ANSWERED = {
    "busy, with a delay": ([build_refusal(429, "rate_limit_exceeded", headers={"Retry-After": "3"})], 2),
    "down twice": ([Answer(503), Answer(503)], 3),
}


@pytest.mark.parametrize("case", ANSWERED)
async def test_safe_failures_are_retried(fake: FakeElevenLabs, case: str) -> None:
    answers, calls = ANSWERED[case]
    fake.answers += answers
    passing = PassingTime()
    async with open_provider(fake.base_url) as provider:
        await read_audio(provider, build_policy(provider, passing=passing))
    assert (fake.calls, len(passing.slept_seconds)) == (calls, calls - 1)
    assert case != "busy, with a delay" or 3 <= passing.slept_seconds[0] <= 3.25


async def test_a_connection_lost_after_the_request_is_not_retried() -> None:
    passing = PassingTime()
    async with run_tcp_peer() as peer, open_provider(f"http://127.0.0.1:{peer.port}") as provider:
        with pytest.raises(MediaError) as failure:
            await read_audio(provider, build_policy(provider, passing=passing))
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert (len(peer.heads), passing.slept_seconds) == (1, [])


REFUSED = {
    "no credit": (build_legacy_error(401, "quota_exceeded"), Reason.PROVIDER_QUOTA_EXCEEDED),
    "wrong key": (build_refusal(401, "invalid_api_key"), Reason.PROVIDER_REJECTED_KEY),
    "no audio": (Answer(audio=b""), Reason.GENERATION_FAILED),
    "cut before the first byte": (Answer(cut_after_pieces=0, audio=b"ID"), Reason.GENERATION_FAILED),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_other_failures_are_not_retried(fake: FakeElevenLabs, case: str) -> None:
    answer, reason = REFUSED[case]
    fake.answers.append(answer)
    async with open_provider(fake.base_url) as provider:
        with pytest.raises(MediaError) as failure:
            await read_audio(provider, build_policy(provider))
    assert (failure.value.reason, fake.calls) == (reason, 1)


async def test_a_refused_connection_is_retried() -> None:
    async with run_tcp_peer() as peer:
        free_port = peer.port
    passing = PassingTime()
    async with open_provider(f"http://127.0.0.1:{free_port}") as provider:
        with pytest.raises(MediaError) as failure:
            await read_audio(provider, build_policy(provider, passing=passing))
    assert failure.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert failure.value.metadata["attempts"] == " ".join(["elevenlabs:PROVIDER_UNAVAILABLE"] * 3)
    assert len(passing.slept_seconds) == 2


async def test_the_concurrency_limit_of_the_account_is_never_exceeded(fake: FakeElevenLabs) -> None:
    fake.concurrency_limit = 5
    fake.refuses_above_limit = True
    async with open_provider(fake.base_url) as provider:
        policy = build_policy(provider)
        await read_audio(provider, policy)
        fake.answers += [Answer(body_control=(held := StepControl()))] * 20
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(read_audio(provider, policy))
            await fake.until(lambda: fake.open_streams == 5)
            held.release(steps=80)
    assert policy.limiters["elevenlabs"].limit == 5
    assert (fake.calls, fake.most_open_streams) == (21, 5)


async def test_an_unknown_limit_is_learned_from_refusals(fake: FakeElevenLabs) -> None:
    fake.concurrency_limit = 3
    fake.refuses_above_limit = True
    async with open_provider(fake.base_url) as provider:
        policy = build_policy(provider)
        fake.answers += [Answer(body_control=(held := StepControl()))] * 12
        async with asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(read_audio(provider, policy))
            await fake.until(lambda: fake.calls >= 12)
            held.release(steps=48)
    assert fake.most_open_streams == 3
    assert (policy.limiters["elevenlabs"].in_flight, policy.limiters["elevenlabs"].queued) == (0, 0)


async def test_leaving_early_closes_the_connection_and_frees_the_permit(fake: FakeElevenLabs) -> None:
    held = StepControl(permits=1)
    fake.answers.append(Answer(body_control=held))
    async with open_provider(fake.base_url) as provider:
        policy = build_policy(provider, limit=1)
        async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=0)):
            await held.wait_until_held()
        assert policy.limiters["elevenlabs"].in_flight == 0
        await fake.wait_until_closed()
    assert fake.abandoned == 1


def reply(name: str, value: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 2\r\n{name}: {value}\r\n\r\nID".encode()


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("maximum-concurrent-requests", "15", 15),
        ("Maximum-Concurrent-Requests", "10000", 10_000),
        ("MAXIMUM-CONCURRENT-REQUESTS", " 1 ", 1),
        ("maximum-concurrent-requests", "0", None),
        ("maximum-concurrent-requests", "10001", None),
        ("maximum-concurrent-requests", "-4", None),
        ("maximum-concurrent-requests", "many", None),
        ("maximum-concurrent-requests", "9" * 400, None),
        ("x-other", "15", None),
    ],
)
async def test_the_limit_is_read_from_the_header_in_any_case(name: str, value: str, limit: int | None) -> None:
    async with run_tcp_peer(reply(name, value)) as peer, open_provider(f"http://127.0.0.1:{peer.port}") as provider:
        policy = build_policy(provider)
        async with open_with_failover([build_plan(provider)], replace(policy, wait_seconds=0)) as found:
            assert found.stream.max_concurrent_requests == limit
        assert policy.limiters["elevenlabs"].limit == limit
