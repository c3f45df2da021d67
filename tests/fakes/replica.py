"""Replicas of the speech service as processes of their own: each answers with its name, and obeys signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.log import configure
from services.common.rpc.server import ServerOptions, run_server, stop_signal

SPEECH = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name
REFUSE = signal.SIGUSR1
"""Makes a replica report NOT_SERVING; it still answers calls."""
RECOVER = signal.SIGUSR2
"""Makes a replica report SERVING again."""
_START_SECONDS = 60

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Replica:
    """A running replica; its name is `host:port`."""

    name: str
    process: asyncio.subprocess.Process

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)


@asynccontextmanager
async def run_replica(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Replica]:
    """Run a replica until the context ends; it is killed if it still runs then."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.fakes.replica", host, str(port)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            name = (await process.stdout.readline()).decode().strip()
        assert name, "the replica ended at its start"
        yield Replica(name, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # The transport of the pipe would otherwise outlive the event loop.
        await process.stdout.read()


class _Speech(tts_pb2_grpc.TextToSpeechServiceServicer):
    """Answers GetVoice and Synthesize with the name of the replica."""

    name = ""

    async def GetVoice(self, request: tts_pb2.GetVoiceRequest, context: Context) -> tts_pb2.GetVoiceResponse:  # noqa: N802 - the contract's name
        return tts_pb2.GetVoiceResponse(voice=tts_pb2.Voice(voice_id=self.name))

    async def Synthesize(self, request: tts_pb2.SynthesizeRequest, context: Context) -> tts_pb2.SynthesizeResponse:  # noqa: N802 - the contract's name
        return tts_pb2.SynthesizeResponse(header=tts_pb2.SpeechHeader(voice_id=self.name))


async def _serve(host: str, port: int) -> None:
    health, speech = HealthServicer(), _Speech()  # type: ignore[abstract] # nothing else is called

    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(speech, server)
        return [SPEECH]

    options = ServerOptions(host, port, "REPLICA_PORT", notice_seconds=0.5, connection_age_seconds=1)
    async with run_server(register, options, health) as running:
        speech.name = f"{host}:{running.port}"
        for number, status in ((REFUSE, "NOT_SERVING"), (RECOVER, "SERVING")):
            _report_on_signal(health, number, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
        print(speech.name, flush=True)  # noqa: T201 - the parent reads it
        await stop_signal()
        await running.drain()


def _report_on_signal(health: HealthServicer, number: signal.Signals, status: int) -> None:
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    loop.add_signal_handler(number, lambda: tasks.add(loop.create_task(health.set(SPEECH, status))))


if __name__ == "__main__":
    configure("replica", "ERROR")
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
