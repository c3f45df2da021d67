"""A reader that leaves closes the connection, even while the provider sends nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs
from tests.fakes.elevenlabs_answers import Answer, StepControl
from tests.unit.tts.providers.elevenlabs.speech_requests import build_spec, read_all_chunks

WITHIN_SECONDS = 1.0


@dataclass(frozen=True)
class Silence:
    """A place in the response where the provider stops sending."""

    answer: Answer
    control: StepControl


def before_the_status_line() -> Silence:
    control = StepControl()
    return Silence(Answer(head_control=control), control)


def before_the_first_byte() -> Silence:
    control = StepControl()
    return Silence(Answer(body_control=control), control)


def between_two_pieces() -> Silence:
    control = StepControl(2)
    return Silence(Answer(body_control=control), control)


@pytest.mark.parametrize("with_alignment", [False, True])
@pytest.mark.parametrize("silence", [before_the_status_line, before_the_first_byte, between_two_pieces])
async def test_cancelling_closes_the_connection_of_a_silent_provider(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, silence: type[Silence], with_alignment: bool
) -> None:
    held = silence()  # type: ignore[call-arg]  # a function that returns a Silence
    fake.answers.append(held.answer)
    task = asyncio.create_task(read_all_chunks(provider, build_spec(), with_alignment=with_alignment))
    await held.control.wait_until_held()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.wait_until_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1


@pytest.mark.parametrize("with_alignment", [False, True])
async def test_leaving_during_the_audio_closes_the_connection(
    fake: FakeElevenLabs, provider: ElevenLabsProvider, with_alignment: bool
) -> None:
    fake.answers.append(Answer(body_control=StepControl(1)))
    async with provider.synthesize(build_spec(), with_alignment=with_alignment) as stream:
        assert (await anext(stream.chunks)).audio
    await fake.wait_until_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1


async def test_leaving_without_reading_closes_the_connection(
    fake: FakeElevenLabs, provider: ElevenLabsProvider
) -> None:
    fake.answers.append(Answer(body_control=StepControl()))
    async with provider.synthesize(build_spec(), with_alignment=False):
        assert fake.open_streams == 1
    await fake.wait_until_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1


async def test_a_reader_that_leaves_does_not_affect_another(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    control = StepControl()
    fake.answers += [Answer(body_control=control), Answer(body_control=StepControl())]
    other_reader = asyncio.create_task(read_all_chunks(provider, build_spec()))
    await control.wait_until_held()
    async with provider.synthesize(build_spec(), with_alignment=False):
        assert fake.open_streams == 2
    await fake.until(lambda: fake.open_streams == 1, WITHIN_SECONDS)
    control.release(10)
    assert await other_reader


async def test_closing_the_provider_ends_running_requests(fake: FakeElevenLabs) -> None:
    control = StepControl()
    fake.answers.append(Answer(body_control=control))
    async with open_elevenlabs(ElevenLabsSettings(API_KEY, fake.base_url)) as provider:
        task = asyncio.create_task(read_all_chunks(provider, build_spec()))
        await control.wait_until_held()
    await fake.wait_until_closed(WITHIN_SECONDS)
    assert fake.abandoned == 1
    task.cancel()
    await asyncio.wait([task])
