"""A hundred callers of the same speech: one provider call, and every caller that stays gets all of it."""

from __future__ import annotations

import asyncio

import pytest
from media.common.v1 import cache_pb2

from services.common.cache import TieredCache
from services.tts.cache import SpeechCodec
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.elevenlabs_answers import Answer, StepControl
from tests.integration.tts.conftest import SHAPES, StartService, request_speech

TEXT = "A hundred people want to hear this."
CALLERS = 100
LATE = 50
LEAVING = 30
PIECES = 4


async def test_a_hundred_identical_requests_are_one_call(fake: FakeElevenLabs, start_service: StartService) -> None:
    control, started = StepControl(1), asyncio.Semaphore(0)
    fake.answers.append(Answer(pieces=PIECES, body_control=control))
    # A caller that starts after the end gets the speech from memory, without a second call.
    async with TieredCache(None, SpeechCodec()) as cache, start_service(cache=cache) as stub:
        early = [
            asyncio.create_task(request_speech(stub, SHAPES[number % 3], TEXT)) for number in range(CALLERS - LATE)
        ]
        # The fake holds the second piece back, so the first has been delivered.
        await control.wait_until_held()
        late = [
            asyncio.create_task(request_speech(stub, SHAPES[1 + number % 2], TEXT, started)) for number in range(LATE)
        ]
        async with asyncio.timeout(10):
            for _ in late:
                await started.acquire()
        leaving = early[: LEAVING // 2] + late[: LEAVING // 2]
        staying = early[LEAVING // 2 :] + late[LEAVING // 2 :]
        for caller in leaving:
            caller.cancel()
        await asyncio.wait(leaving)
        control.release(PIECES)
        results = [await caller for caller in staying]
    assert fake.calls == 1
    assert len({one.audio for one in results}) == 1
    assert len({one.timing for one in results if one.timing}) == 1
    assert "".join(character for character, _, _ in results[0].timing or results[1].timing) == TEXT
    assert len({one.done.sha256 for one in results if one.done is not None}) == 1
    assert all(one.done is not None for one in results)
    late_ones = results[-(LATE - LEAVING // 2) :]
    assert {one.header.cache_status for one in late_ones} == {cache_pb2.CACHE_STATUS_JOINED}


@pytest.mark.parametrize("shape", SHAPES)
async def test_when_all_callers_have_left_the_provider_call_is_closed(
    fake: FakeElevenLabs, start_service: StartService, shape: str
) -> None:
    control = StepControl(1)
    fake.answers.append(Answer(pieces=PIECES, body_control=control))
    async with start_service() as stub:
        callers = [asyncio.create_task(request_speech(stub, shape, TEXT)) for _ in range(10)]
        await control.wait_until_held()
        for caller in callers:
            caller.cancel()
        await fake.wait_until_closed()
    assert fake.calls == 1
    assert fake.abandoned == 1
