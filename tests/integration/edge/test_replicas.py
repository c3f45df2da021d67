"""The edge in front of two replicas of a service: both get calls, and one that refuses, dies or freezes is left."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest_asyncio
from media.tts.v1 import tts_pb2

from services.common.rpc.addresses import ServiceAddress
from tests.fakes.replica import RECOVER, REFUSE, Replica, run_replica
from tests.fakes.waiting import eventually
from tests.integration.edge.harness import EdgeHarness, run_harness

BOUND_SECONDS = 20.0
"""Bound of a call to a frozen replica, on a busy machine; without a bound it takes BOUNDLESS_SECONDS."""
BOUNDLESS_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Scene:
    """An edge in front of two replicas."""

    harness: EdgeHarness
    first: Replica
    second: Replica

    @property
    def names(self) -> set[str]:
        """The names of both replicas."""
        return {self.first.name, self.second.name}

    async def call(self) -> str:
        """Return the name of the replica that answers a call that is not repeated; the status if the call fails."""
        try:
            reply = await self.harness.make_speech_stub().Synthesize(
                tts_pb2.SynthesizeRequest(text="Hello."), timeout=BOUNDLESS_SECONDS, metadata=self._build_metadata()
            )
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return reply.header.voice_id

    async def call_safely(self) -> str:
        """Return the name of the replica that answers a call that the edge may repeat."""
        reply = await self.harness.make_speech_stub().GetVoice(
            tts_pb2.GetVoiceRequest(voice="Aria"), timeout=BOUNDLESS_SECONDS, metadata=self._build_metadata()
        )
        return reply.voice.voice_id

    async def wait_for_names(self, names: set[str]) -> None:
        """Call until the last calls reached exactly `names`."""

        async def has_names() -> bool:
            return {await self.call() for _ in range(4)} == names

        await eventually(has_names)

    def _build_metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple(self.harness.build_bearer().items())


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(run_replica()) for _ in range(2)]
        address = ServiceAddress.parse(f"{first.name},{second.name}")
        harness = await stack.enter_async_context(
            run_harness(tmp_path, tts_address=address, rate_limit_per_second=10_000)
        )
        running = Scene(harness, first, second)
        await running.wait_for_names(running.names)
        yield running


async def test_a_replica_that_refuses_or_dies_is_left(scene: Scene) -> None:
    answers = [await scene.call() for _ in range(20)]
    assert {answers.count(name) for name in scene.names} == {10}
    scene.first.send(REFUSE)
    await scene.wait_for_names({scene.second.name})
    scene.first.send(RECOVER)
    await scene.wait_for_names(scene.names)
    scene.first.send(signal.SIGKILL)
    await scene.first.process.wait()
    # A connection that is refused has carried no request, so that calls that cost money are repeated, too.
    assert {await scene.call() for _ in range(10)} <= {scene.second.name, "UNAVAILABLE"}
    assert {await scene.call_safely() for _ in range(10)} == {scene.second.name}
    assert {await scene.call() for _ in range(10)} == {scene.second.name}


async def test_a_frozen_replica_costs_a_call_a_bounded_wait(scene: Scene) -> None:
    scene.first.send(signal.SIGSTOP)
    async with asyncio.timeout(BOUND_SECONDS):
        safe_answers = asyncio.gather(*(scene.call_safely() for _ in range(4)))
        assert set(await asyncio.gather(*(scene.call() for _ in range(4)))) == {scene.second.name, "UNAVAILABLE"}
        assert set(await safe_answers) == {scene.second.name}
    assert {await scene.call() for _ in range(10)} == {scene.second.name}
