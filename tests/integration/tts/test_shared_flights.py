"""A hundred callers of the same speech: one provider call, and every caller that stays gets all of it."""

from __future__ import annotations

import asyncio

import pytest
from media.common.v1 import cache_pb2

from services.common.cache import TieredCache
from services.tts.cache import SpeechCodec
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.elevenlabs_answers import Answer, StepGate
from tests.integration.tts.conftest import SHAPES, Speaking, ask

TEXT = "A hundred people want to hear this."
CALLERS = 100
LATE = 50
LEAVING = 30
PIECES = 4


async def test_a_hundred_identical_requests_are_one_call(fake: FakeElevenLabs, speaking: Speaking) -> None:
    limiter, listening = StepGate(1), asyncio.Semaphore(0)
    fake.answers.append(Answer(pieces=PIECES, limiter=limiter))
    # A caller that starts after the end gets the speech from memory: that is not a second call either.
    async with TieredCache(None, SpeechCodec()) as cache, speaking(cache=cache) as stub:
        early = [asyncio.create_task(ask(stub, SHAPES[number % 3], TEXT)) for number in range(CALLERS - LATE)]
        # The second piece is held back: the first has been delivered.
        await limiter.held()
        late = [asyncio.create_task(ask(stub, SHAPES[1 + number % 2], TEXT, listening)) for number in range(LATE)]
        async with asyncio.timeout(10):
            for _ in late:
                await listening.acquire()
        leaving = early[: LEAVING // 2] + late[: LEAVING // 2]
        staying = early[LEAVING // 2 :] + late[LEAVING // 2 :]
        for caller in leaving:
            caller.cancel()
        await asyncio.wait(leaving)
        limiter.release(PIECES)
        heard = [await caller for caller in staying]
    assert fake.calls == 1
    assert len({one.audio for one in heard}) == 1
    assert len({one.timing for one in heard if one.timing}) == 1
    assert "".join(character for character, _, _ in heard[0].timing or heard[1].timing) == TEXT
    assert len({one.done.sha256 for one in heard if one.done is not None}) == 1
    assert all(one.done is not None for one in heard)
    late_ones = heard[-(LATE - LEAVING // 2) :]
    assert {one.header.cache_status for one in late_ones} == {cache_pb2.CACHE_STATUS_JOINED}


@pytest.mark.parametrize("shape", SHAPES)
async def test_when_all_have_left_the_provider_is_left(fake: FakeElevenLabs, speaking: Speaking, shape: str) -> None:
    limiter = StepGate(1)
    fake.answers.append(Answer(pieces=PIECES, limiter=limiter))
    async with speaking() as stub:
        callers = [asyncio.create_task(ask(stub, shape, TEXT)) for _ in range(10)]
        await limiter.held()
        for caller in callers:
            caller.cancel()
        await fake.all_closed()
    assert fake.calls == 1
    assert fake.abandoned == 1
