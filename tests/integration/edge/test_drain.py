"""Tests of the end of the edge: the real Envoy below the parent that drains it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from deploy.local.dev_keys import issue_token
from deploy.local.ports import find_free_ports
from tests.fakes.edge import READY_SECONDS, Edge, edge_settings, running_parent
from tests.fakes.upstream import LOOPBACK, Upstreams, upstreams

DEADLINE_SECONDS = 20
# More than the 2 s that the parent gives Envoy for its end, with two questions to the admin page.
END_SECONDS = 5
LONG_SECONDS = 600
PARENT_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scene:
    """An edge below its parent, with services behind it."""

    edge: Edge
    parent: Process
    behind: Upstreams
    session: aiohttp.ClientSession
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The header of a token."""
        return {"authorization": f"Bearer {self.token}"}

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[aiohttp.ClientResponse]:
        """A stream over HTTP that has begun."""
        async with self.session.post(f"{self.edge.url}/api/speech/stream", headers=self.headers, data=b"{}") as answer:
            assert await answer.content.readexactly(5) == b"first"
            yield answer

    async def get(self, path: str) -> tuple[int, str | None]:
        """The status of a page, and what is to become of the connection."""
        async with self.session.get(f"{self.edge.url}{path}", headers=self.headers) as answer:
            await answer.read()
            return answer.status, answer.headers.get("connection")

    async def refused(self) -> None:
        """Wait until new connections are refused."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self.accepts():
                pass

    async def accepts(self) -> bool:
        """Say whether a new connection is taken."""
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.edge.settings.port)
        except ConnectionRefusedError:
            return False
        except ConnectionResetError:
            # It was waiting to be accepted when the listener closed, which says nothing yet of the next one.
            return True
        writer.close()
        return True

    async def exit_code(self) -> int:
        """The exit code of the parent, which ends soon."""
        async with asyncio.timeout(END_SECONDS):
            return await self.parent.wait()

    def envoy_pid(self) -> int:
        """The process below the parent."""
        return int(Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children").read_text())

    def parent_bytes(self) -> int:
        """The parent's share of memory (PSS)."""
        rollup = Path(f"/proc/{self.parent.pid}/smaps_rollup").read_text()
        (line,) = [line for line in rollup.splitlines() if line.startswith("Pss:")]
        return int(line.split()[1]) * 1024


Running = Callable[..., Any]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    @asynccontextmanager
    async def run(notice_seconds: float, grace_seconds: float) -> AsyncIterator[Scene]:
        async with upstreams() as behind, aiohttp.ClientSession() as session:
            settings = edge_settings(
                tmp_path,
                drain_notice_seconds=notice_seconds,
                drain_grace_seconds=grace_seconds,
                **behind.addresses(),
            )
            async with running_parent(settings, tmp_path / "edge.log") as (edge, parent):
                yield Scene(edge, parent, behind, session, issue_token(tmp_path, "alice"))

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_in_flight_finishes_whole_while_new_connections_are_refused(
    running: Running, number: signal.Signals
) -> None:
    async with running(0, LONG_SECONDS) as scene, scene.stream() as answer:
        scene.parent.send_signal(number)
        await scene.refused()
        assert scene.parent.returncode is None
        scene.behind.proceed.set()
        assert await answer.content.read() == b"last"
        assert await scene.exit_code() == 0


async def test_a_grpc_stream_in_flight_finishes_whole(running: Running) -> None:
    async with running(0, LONG_SECONDS) as scene, grpc.aio.insecure_channel(scene.edge.target) as channel:
        stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
        call: grpc.aio.UnaryStreamCall[Any, Any] = stub.SynthesizeStream(
            tts_pb2.SynthesizeStreamRequest(text="Hello."), metadata=[*scene.headers.items()], timeout=DEADLINE_SECONDS
        )
        assert await call.read() == tts_pb2.SynthesizeStreamResponse()
        scene.parent.terminate()
        await scene.refused()
        scene.behind.speech.proceed.set()
        assert await call.read() == tts_pb2.SynthesizeStreamResponse()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        assert await scene.exit_code() == 0


async def test_health_reports_the_drain_before_requests_are_refused(running: Running) -> None:
    async with running(LONG_SECONDS, LONG_SECONDS) as scene:
        assert await scene.get("/health") == (200, None)
        scene.parent.terminate()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await scene.get("/health") != (503, "close"):
                pass
        assert await scene.get("/health?from=balancer") == (503, "close")
        assert await scene.get("/api/voices") == (200, "close")


async def test_a_second_signal_ends_the_edge_at_once(running: Running) -> None:
    async with running(0, LONG_SECONDS) as scene, scene.stream() as answer:
        scene.parent.terminate()
        await scene.refused()
        scene.parent.terminate()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
        assert await scene.exit_code() == 0


async def test_without_grace_a_stream_is_cut_and_not_ended(running: Running) -> None:
    async with running(0, 0) as scene, scene.stream() as answer:
        scene.parent.terminate()
        assert await scene.exit_code() == 0
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
        assert "what is still in flight is cut" in scene.edge.log.read_text()


async def test_an_edge_without_work_ends_soon(running: Running) -> None:
    async with running(0, LONG_SECONDS) as scene:
        scene.parent.terminate()
        assert await scene.exit_code() == 0
        assert "is cut" not in scene.edge.log.read_text()


async def test_no_envoy_is_left_behind_by_a_parent_that_is_killed(running: Running) -> None:
    async with running(LONG_SECONDS, LONG_SECONDS) as scene, scene.stream() as answer:
        scene.parent.kill()
        async with asyncio.timeout(END_SECONDS):
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.read()
        await scene.refused()


async def test_the_end_of_a_crashing_envoy_is_passed_on(running: Running) -> None:
    async with running(LONG_SECONDS, LONG_SECONDS) as scene:
        os.kill(scene.envoy_pid(), signal.SIGKILL)
        assert await scene.exit_code() == 128 + signal.SIGKILL
        assert '"exit_code": 137' in scene.edge.log.read_text()


async def test_the_terminal_reaches_the_parent_alone(running: Running) -> None:
    async with running(0, 0) as scene:
        assert os.getpgid(scene.envoy_pid()) != os.getpgid(scene.parent.pid)


async def test_the_parent_stays_small(running: Running) -> None:
    async with running(0, 0) as scene:
        assert scene.parent_bytes() < PARENT_BYTES


def _environment(folder: Path, **changes: str) -> dict[str, str]:
    settings = edge_settings(folder)
    return {
        **os.environ,
        "MEDIA_JWT_JWKS_FILE": str(settings.jwt_jwks_file),
        "MEDIA_PORT": str(settings.port),
        "MEDIA_ADMIN_PORT": str(settings.admin_port),
        "GATEWAY_ADDRESS": str(settings.gateway_address),
        "MEDIA_EDGE_DRAIN_NOTICE_SECONDS": "0",
        **changes,
    }


async def test_the_command_runs_envoy_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    environment = _environment(tmp_path)
    command = [sys.executable, "-m", "gateway.envoy"]
    process = await asyncio.create_subprocess_exec(*command, "run", env=environment)
    try:
        async with asyncio.timeout(READY_SECONDS):
            while await (await asyncio.create_subprocess_exec(*command, "ready", env=environment)).wait():
                assert process.returncode is None
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_the_exit_code_of_an_envoy_that_cannot_start_is_passed_on(tmp_path: Path) -> None:
    with_taken_port = await asyncio.start_server(lambda *_: None, LOOPBACK, find_free_ports(1)[0])
    async with with_taken_port:
        environment = _environment(tmp_path, MEDIA_PORT=str(with_taken_port.sockets[0].getsockname()[1]))
        command = [sys.executable, "-m", "gateway.envoy", "run"]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(READY_SECONDS):
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"in use" in errors
