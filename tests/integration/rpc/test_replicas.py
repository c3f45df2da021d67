"""A channel to two replicas: both get calls, and one that refuses, dies or freezes is left."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest_asyncio
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.rpc.addresses import ServiceAddress
from services.common.rpc.channel import (
    CONNECT_MILLISECONDS,
    KEEPALIVE_INTERVAL_MILLISECONDS,
    KEEPALIVE_TIMEOUT_MILLISECONDS,
    open_channel,
)
from tests.fakes.dns import run_dns
from tests.fakes.replica import RECOVER, REFUSE, SPEECH, Replica, run_replica
from tests.fakes.waiting import eventually

LEFT_WITHIN_SECONDS = 2.0
SLACK_SECONDS = 10.0
"""Added to a bound, because the machine of the test may be busy; a call without a bound takes BOUNDLESS_SECONDS."""
FREEZE_BOUND_SECONDS = (
    KEEPALIVE_INTERVAL_MILLISECONDS + KEEPALIVE_TIMEOUT_MILLISECONDS + CONNECT_MILLISECONDS
) / 1000 + SLACK_SECONDS
BOUNDLESS_SECONDS = 120.0
VOICE = tts_pb2.GetVoiceRequest(voice="Aria")
SPEECH_REQUEST = tts_pb2.SynthesizeRequest(text="Hello.")


@pytest_asyncio.fixture
async def replicas() -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as starting:
            started = [starting.create_task(stack.enter_async_context(run_replica())) for _ in range(2)]
        yield [task.result() for task in started]


@pytest_asyncio.fixture
async def channel(replicas: list[Replica]) -> AsyncIterator[grpc.aio.Channel]:
    address = ServiceAddress.parse(",".join(replica.name for replica in replicas))
    async with open_channel(address.target, SPEECH) as opened:
        await wait_for_names(opened, {replica.name for replica in replicas})
        yield opened


async def call(channel: grpc.aio.Channel) -> str:
    """Return the name of the replica that answers a call that is not repeated; the status if the call fails."""
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
    try:
        return (await stub.Synthesize(SPEECH_REQUEST, timeout=BOUNDLESS_SECONDS)).header.voice_id
    except grpc.aio.AioRpcError as error:
        return error.code().name


async def call_safely(channel: grpc.aio.Channel) -> str:
    """Return the name of the replica that answers a call that the channel may repeat."""
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
    return (await stub.GetVoice(VOICE, timeout=BOUNDLESS_SECONDS)).voice.voice_id


async def wait_for_names(channel: grpc.aio.Channel, names: set[str], within_seconds: float = 60) -> None:
    """Call until the last calls reached exactly `names`."""

    async def has_names() -> bool:
        return {await call(channel) for _ in range(4)} == names

    await eventually(has_names, within_seconds)


async def test_both_replicas_get_the_same_number_of_calls(channel: grpc.aio.Channel, replicas: list[Replica]) -> None:
    answers = [await call(channel) for _ in range(40)]
    assert sorted(answers.count(replica.name) for replica in replicas) == [20, 20]


async def test_a_replica_that_reports_not_serving_is_left_and_used_again(
    channel: grpc.aio.Channel, replicas: list[Replica]
) -> None:
    first, second = replicas
    first.send(REFUSE)
    await wait_for_names(channel, {second.name}, LEFT_WITHIN_SECONDS)
    first.send(RECOVER)
    await wait_for_names(channel, {first.name, second.name})


async def test_a_dead_replica_is_left_and_fails_no_safe_call(
    channel: grpc.aio.Channel, replicas: list[Replica]
) -> None:
    first, second = replicas
    first.send(signal.SIGKILL)
    await first.process.wait()
    assert {await call_safely(channel) for _ in range(10)} == {second.name}
    await wait_for_names(channel, {second.name}, LEFT_WITHIN_SECONDS)


async def test_a_replica_that_drains_fails_no_call(channel: grpc.aio.Channel, replicas: list[Replica]) -> None:
    first, second = replicas
    first.send(signal.SIGTERM)
    answers = set()
    while first.process.returncode is None:
        answers.add(await call(channel))
        await asyncio.sleep(0)
    assert answers <= {first.name, second.name}
    assert await call(channel) == second.name


async def test_a_frozen_replica_costs_a_call_a_bounded_wait(channel: grpc.aio.Channel, replicas: list[Replica]) -> None:
    first, second = replicas
    first.send(signal.SIGSTOP)
    async with asyncio.timeout(FREEZE_BOUND_SECONDS):
        safe_answers = asyncio.gather(*(call_safely(channel) for _ in range(4)))
        assert set(await asyncio.gather(*(call(channel) for _ in range(4)))) == {second.name, "UNAVAILABLE"}
        assert set(await safe_answers) == {second.name}
    assert {await call(channel) for _ in range(10)} == {second.name}


async def test_calls_fail_at_once_while_all_replicas_are_frozen(
    channel: grpc.aio.Channel, replicas: list[Replica]
) -> None:
    for replica in replicas:
        replica.send(signal.SIGSTOP)
    async with asyncio.timeout(2 * FREEZE_BOUND_SECONDS):
        while await call(channel) != "UNAVAILABLE":
            pass
        assert {await call(channel) for _ in range(10)} == {"UNAVAILABLE"}
    for replica in replicas:
        replica.send(signal.SIGCONT)
    await wait_for_names(channel, {replica.name for replica in replicas})


async def test_a_name_is_resolved_again_while_its_replicas_serve() -> None:
    async with run_dns("127.0.0.1") as dns, run_replica("127.0.0.1") as first:
        port = int(first.name.rpartition(":")[2])
        async with (
            run_replica("127.0.0.2", port) as second,
            open_channel(f"dns://127.0.0.1:{dns.port}/speech.test:{port}", SPEECH) as channel,
        ):
            await wait_for_names(channel, {first.name})
            dns.addresses.append("127.0.0.2")
            await wait_for_names(channel, {first.name, second.name})
            first.send(signal.SIGKILL)
            await wait_for_names(channel, {second.name})
