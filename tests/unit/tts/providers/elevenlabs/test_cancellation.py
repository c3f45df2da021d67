"""A reader that stops also stops the provider, even while it is silent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs
from tests.fakes.elevenlabs_answers import Answer, StepGate
from tests.unit.tts.providers.elevenlabs.speaking import build_spec, read_all_chunks

WITHIN_SECONDS = 1.0


@dataclass(frozen=True)
class Silence:
    """Where in its answer the provider falls silent."""

    answer: Answer
    limiter: StepGate


def before_the_status_line() -> Silence:
    limiter = StepGate()
    return Silence(Answer(head_limiter=limiter), limiter)


def before_the_first_byte() -> Silence:
    limiter = StepGate()
    return Silence(Answer(limiter=limiter), limiter)


def between_two_pieces() -> Silence:
    limiter = StepGate(2)
    return Silence(Answer(limiter=limiter), limiter)


@pytest.mark.parametrize("with_alignment", [False, True])
@pytest.mark.parametrize("silence", [before_the_status_line, before_the_first_byte, between_two_pieces])
async def test_cancelling_closes_the_connection_of_a_silent_provider(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, silence: type[Silence], with_alignment: bool
) -> None:
    held = silence()  # type: ignore[call-arg]  # a function that returns a Silence
    fake.answers.append(held.answer)
    task = asyncio.create_task(read_all_chunks(provider, build_spec(), with_alignment=with_alignment))
    await held.limiter.held()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.all_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1


@pytest.mark.parametrize("with_alignment", [False, True])
async def test_leaving_half_way_closes_the_connection(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, with_alignment: bool
) -> None:
    fake.answers.append(Answer(limiter=StepGate(1)))
    async with provider.synthesize(build_spec(), with_alignment=with_alignment) as stream:
        assert (await anext(stream.chunks)).audio
    await fake.all_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1


async def test_leaving_without_listening_closes_the_connection(
    fake: FakeElevenLabs, provider: ElevenLabsProvider
) -> None:
    fake.answers.append(Answer(limiter=StepGate()))
    async with provider.synthesize(build_spec(), with_alignment=False):
        assert fake.open_streams == 1
    await fake.all_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1


async def test_one_that_leaves_does_not_disturb_another(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    limiter = StepGate()
    fake.answers += [Answer(limiter=limiter), Answer(limiter=StepGate())]
    staying = asyncio.create_task(read_all_chunks(provider, build_spec()))
    await limiter.held()
    async with provider.synthesize(build_spec(), with_alignment=False):
        assert fake.open_streams == 2
    await fake.until(lambda: fake.open_streams == 1, WITHIN_SECONDS)
    limiter.release(10)
    assert await staying


async def test_closing_the_engine_ends_what_is_under_way(fake: FakeElevenLabs) -> None:
    limiter = StepGate()
    fake.answers.append(Answer(limiter=limiter))
    async with open_elevenlabs(ElevenLabsSettings(API_KEY, fake.base_url)) as provider:
        task = asyncio.create_task(read_all_chunks(provider, build_spec()))
        await limiter.held()
    await fake.all_closed(WITHIN_SECONDS)
    task.cancel()
    await asyncio.wait([task])
