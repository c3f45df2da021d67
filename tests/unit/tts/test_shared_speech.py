"""Requests for the same speech are paid for once: while it is produced, just after it, and during the look-up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.common.cache import Entry, TieredCache
from services.common.timing.alignment import Alignment
from services.common.usage import UsageRecorder
from services.tts.accounting import Accounting
from services.tts.cache import SpeechCodec
from services.tts.events import Done, Header, SpeechEvent
from services.tts.metrics import SpeechMetrics
from services.tts.planning import SpeechRequest
from services.tts.providers.interface import AudioChunk, SpeechSpec, SpeechStream
from services.tts.server import SpeechComponents
from tests.fakes.result_store import FakeStore
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import build_speech_parts
from tests.fakes.usage import Ledger

CHUNKS = (
    AudioChunk(bytes(800), Alignment(("H",), (0.0,), (0.05,))),
    AudioChunk(b"\x01" * 800, Alignment(("i",), (0.05,), (0.1,))),
)
AUDIO = b"".join(chunk.audio for chunk in CHUNKS)
REQUEST = SpeechRequest("Hi", output_format="pcm_8000")
MOST_TURNS = 30


async def yield_to_loop(count: int) -> None:
    """Yield to the event loop `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)


class SlowStore(FakeStore):
    """Answers after so many iterations of the event loop."""

    def __init__(self, reading_turns: int) -> None:
        super().__init__()
        self._reading_turns = reading_turns

    async def _read(self, key: str) -> Entry | None:
        await yield_to_loop(self._reading_turns)
        return await super()._read(key)


class SlowSpeaker(FakeSpeechProvider):
    """Sends a chunk every so many iterations of the event loop."""

    def __init__(self, speaking_turns: int) -> None:
        super().__init__(cost_units=2)
        self._speaking_turns = speaking_turns

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        with self.live.one():
            yield SpeechStream(self._write_slowly(), cost_units=2)

    async def _write_slowly(self) -> AsyncIterator[AudioChunk]:
        for chunk in CHUNKS:
            await yield_to_loop(self._speaking_turns)
            yield chunk
        await yield_to_loop(self._speaking_turns)


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that starts after so many iterations of the event loop."""

    after_turns: int
    timing: bool
    streamed: bool
    leaves_after_events: int | None = None


async def call(speech: SpeechComponents, caller: Caller, accounting: Accounting) -> list[SpeechEvent]:
    await yield_to_loop(caller.after_turns)
    request = replace(REQUEST, include_alignment=caller.timing, streamed=caller.streamed)
    events = accounting.watch(speech.synthesizer.stream(speech.planner.plan(request)), "alice", REQUEST.text)
    received: list[SpeechEvent] = []
    try:
        async for event in events:
            received.append(event)
            if len(received) == caller.leaves_after_events:
                break
            await yield_to_loop(0 if caller.streamed else 1)
    finally:
        await events.aclose()
    return received


async def call_all(
    callers: list[Caller], speaking_turns: int, reading_turns: int
) -> tuple[int, list[list[SpeechEvent]]]:
    """Return the number of provider calls and the audio of each caller; check that every call was paid for."""
    speaker, ledger = SlowSpeaker(speaking_turns), Ledger()
    accounting = Accounting(cast("UsageRecorder", ledger), SpeechMetrics(CollectorRegistry()))
    async with TieredCache(SlowStore(reading_turns), SpeechCodec()) as cache:
        speech = build_speech_parts(speaker, cache=cache)
        async with speech.flights, asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(speech, caller, accounting)) for caller in callers]
    assert speaker.live.now == 0
    assert sum(record.cost_units or 0 for record in ledger.records) == 2 * speaker.live.total
    return speaker.live.total, [task.result() for task in tasks]


def check_complete(received: list[SpeechEvent], caller: Caller) -> None:
    assert isinstance(received[0], Header)
    assert isinstance(received[-1], Done)
    chunks = [event for event in received if isinstance(event, AudioChunk)]
    assert b"".join(chunk.audio for chunk in chunks) == AUDIO
    timing = "".join(chunk.alignment.text for chunk in chunks if chunk.alignment is not None)
    assert timing == (REQUEST.text if caller.timing else "")


some_turns = st.integers(0, MOST_TURNS)
stayers = st.builds(Caller, after_turns=some_turns, timing=st.booleans(), streamed=st.booleans())
leavers = st.builds(
    Caller, after_turns=some_turns, timing=st.booleans(), streamed=st.booleans(), leaves_after_events=st.integers(1, 3)
)


@given(st.lists(stayers, min_size=1, max_size=6), st.integers(0, 8), st.integers(0, 12))
async def test_calls_at_any_time_cause_one_provider_call(
    callers: list[Caller], speaking_turns: int, reading_turns: int
) -> None:
    calls, received = await call_all(callers, speaking_turns, reading_turns)
    assert calls == 1
    for caller, events in zip(callers, received, strict=True):
        check_complete(events, caller)
    statuses = [events[0].cache_status for events in received if isinstance(events[0], Header)]
    assert statuses.count("miss") == 1
    assert set(statuses) <= {"miss", "joined", "hit"}
    costs = [events[-1].cost_units for events in received if isinstance(events[-1], Done)]
    assert sum(cost or 0 for cost in costs) == 2


@given(st.lists(stayers, min_size=1, max_size=3), st.lists(leavers, max_size=4), st.integers(0, 8), st.integers(0, 12))
async def test_a_caller_that_leaves_does_not_affect_the_others(
    staying: list[Caller], leaving: list[Caller], speaking_turns: int, reading_turns: int
) -> None:
    calls, received = await call_all([*staying, *leaving], speaking_turns, reading_turns)
    for caller, events in zip(staying, received, strict=False):
        check_complete(events, caller)
    # A production starts again only if all its callers had left.
    assert 1 <= calls <= 1 + len(leaving)


async def test_a_request_at_any_moment_around_the_end_of_a_production_pays_nothing() -> None:
    for after_turns in range(60):
        for reading_turns in (0, 1, 5):
            callers = [Caller(0, timing=False, streamed=True), Caller(after_turns, timing=True, streamed=False)]
            calls, received = await call_all(callers, speaking_turns=3, reading_turns=reading_turns)
            assert calls == 1, f"two provider calls for a request after {after_turns} turns"
            check_complete(received[1], callers[1])
