"""Tests of the drain of the edge: the real Envoy below its supervisor."""

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
from tests.fakes.edge import READY_SECONDS, Edge, make_edge_settings, run_supervised_envoy
from tests.fakes.upstream import LOOPBACK, Upstreams, run_upstreams

DEADLINE_SECONDS = 20
# Above the 2 s that the supervisor gives Envoy to end, and two requests to the admin page.
END_SECONDS = 5
LONG_SECONDS = 600
SUPERVISOR_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DrainHarness:
    """A supervised edge, with services behind it."""

    edge: Edge
    supervisor: Process
    upstreams: Upstreams
    session: aiohttp.ClientSession
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Header with the token."""
        return {"authorization": f"Bearer {self.token}"}

    @asynccontextmanager
    async def open_stream(self) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a stream over HTTP, and yield it after its first bytes."""
        async with self.session.post(f"{self.edge.url}/api/speech/stream", headers=self.headers, data=b"{}") as answer:
            assert await answer.content.readexactly(5) == b"first"
            yield answer

    async def get(self, path: str) -> tuple[int, str | None]:
        """Return the status of a page and its `connection` header."""
        async with self.session.get(f"{self.edge.url}{path}", headers=self.headers) as answer:
            await answer.read()
            return answer.status, answer.headers.get("connection")

    async def wait_until_refused(self) -> None:
        """Wait until new connections are refused."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self.is_accepting():
                pass

    async def is_accepting(self) -> bool:
        """Return whether the edge accepts a new connection."""
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.edge.settings.port)
        except ConnectionRefusedError:
            return False
        except ConnectionResetError:
            # The listener closed before it accepted this connection; the next one decides.
            return True
        writer.close()
        return True

    async def wait_for_exit(self) -> int:
        """Return the exit code of the supervisor, which must end soon."""
        async with asyncio.timeout(END_SECONDS):
            return await self.supervisor.wait()

    def find_envoy_pid(self) -> int:
        """Return the process id of Envoy."""
        return int(Path(f"/proc/{self.supervisor.pid}/task/{self.supervisor.pid}/children").read_text())

    def measure_supervisor_bytes(self) -> int:
        """Return the memory of the supervisor (PSS)."""
        rollup = Path(f"/proc/{self.supervisor.pid}/smaps_rollup").read_text()
        (line,) = [line for line in rollup.splitlines() if line.startswith("Pss:")]
        return int(line.split()[1]) * 1024


RunEdge = Callable[..., Any]


@pytest.fixture
def run_edge(tmp_path: Path) -> RunEdge:
    @asynccontextmanager
    async def run(notice_seconds: float, grace_seconds: float) -> AsyncIterator[DrainHarness]:
        async with run_upstreams() as upstreams, aiohttp.ClientSession() as session:
            settings = make_edge_settings(
                tmp_path,
                drain_notice_seconds=notice_seconds,
                drain_grace_seconds=grace_seconds,
                **upstreams.get_addresses(),
            )
            async with run_supervised_envoy(settings, tmp_path / "edge.log") as (edge, supervisor):
                yield DrainHarness(edge, supervisor, upstreams, session, issue_token(tmp_path, "alice"))

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_in_flight_ends_complete_while_new_connections_are_refused(
    run_edge: RunEdge, number: signal.Signals
) -> None:
    async with run_edge(0, LONG_SECONDS) as harness, harness.open_stream() as answer:
        harness.supervisor.send_signal(number)
        await harness.wait_until_refused()
        assert harness.supervisor.returncode is None
        harness.upstreams.proceed.set()
        assert await answer.content.read() == b"last"
        assert await harness.wait_for_exit() == 0


async def test_a_grpc_stream_in_flight_ends_complete(run_edge: RunEdge) -> None:
    async with run_edge(0, LONG_SECONDS) as harness, grpc.aio.insecure_channel(harness.edge.target) as channel:
        stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
        call: grpc.aio.UnaryStreamCall[Any, Any] = stub.SynthesizeStream(
            tts_pb2.SynthesizeStreamRequest(text="Hello."),
            metadata=[*harness.headers.items()],
            timeout=DEADLINE_SECONDS,
        )
        assert await call.read() == tts_pb2.SynthesizeStreamResponse()
        harness.supervisor.terminate()
        await harness.wait_until_refused()
        harness.upstreams.speech.proceed.set()
        assert await call.read() == tts_pb2.SynthesizeStreamResponse()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        assert await harness.wait_for_exit() == 0


async def test_health_reports_the_drain_before_requests_are_refused(run_edge: RunEdge) -> None:
    async with run_edge(LONG_SECONDS, LONG_SECONDS) as harness:
        assert await harness.get("/health") == (200, None)
        harness.supervisor.terminate()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await harness.get("/health") != (503, "close"):
                pass
        assert await harness.get("/health?from=balancer") == (503, "close")
        assert await harness.get("/api/voices") == (200, "close")


async def test_a_second_signal_ends_the_edge_at_once(run_edge: RunEdge) -> None:
    async with run_edge(0, LONG_SECONDS) as harness, harness.open_stream() as answer:
        harness.supervisor.terminate()
        await harness.wait_until_refused()
        harness.supervisor.terminate()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
        assert await harness.wait_for_exit() == 0


async def test_without_grace_a_stream_is_cut(run_edge: RunEdge) -> None:
    async with run_edge(0, 0) as harness, harness.open_stream() as answer:
        harness.supervisor.terminate()
        assert await harness.wait_for_exit() == 0
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
        assert "requests still in flight are cut" in harness.edge.log.read_text()


async def test_an_idle_edge_ends_soon(run_edge: RunEdge) -> None:
    async with run_edge(0, LONG_SECONDS) as harness:
        harness.supervisor.terminate()
        assert await harness.wait_for_exit() == 0
        assert "are cut" not in harness.edge.log.read_text()


async def test_envoy_ends_if_its_supervisor_is_killed(run_edge: RunEdge) -> None:
    async with run_edge(LONG_SECONDS, LONG_SECONDS) as harness, harness.open_stream() as answer:
        harness.supervisor.kill()
        async with asyncio.timeout(END_SECONDS):
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.read()
        await harness.wait_until_refused()


async def test_the_exit_code_of_a_killed_envoy_is_passed_on(run_edge: RunEdge) -> None:
    async with run_edge(LONG_SECONDS, LONG_SECONDS) as harness:
        os.kill(harness.find_envoy_pid(), signal.SIGKILL)
        assert await harness.wait_for_exit() == 128 + signal.SIGKILL
        assert '"exit_code": 137' in harness.edge.log.read_text()


async def test_ctrl_c_reaches_only_the_supervisor(run_edge: RunEdge) -> None:
    async with run_edge(0, 0) as harness:
        assert os.getpgid(harness.find_envoy_pid()) != os.getpgid(harness.supervisor.pid)


async def test_the_supervisor_uses_little_memory(run_edge: RunEdge) -> None:
    async with run_edge(0, 0) as harness:
        assert harness.measure_supervisor_bytes() < SUPERVISOR_BYTES


def _build_environment(folder: Path, **changes: str) -> dict[str, str]:
    settings = make_edge_settings(folder)
    return {
        **os.environ,
        "MEDIA_JWT_JWKS_FILE": str(settings.jwt_jwks_file),
        "MEDIA_PORT": str(settings.port),
        "MEDIA_ADMIN_PORT": str(settings.admin_port),
        "GATEWAY_ADDRESS": str(settings.gateway_address),
        "MEDIA_EDGE_DRAIN_NOTICE_SECONDS": "0",
        **changes,
    }


async def test_the_command_runs_envoy_until_sigterm(tmp_path: Path) -> None:
    environment = _build_environment(tmp_path)
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
        environment = _build_environment(tmp_path, MEDIA_PORT=str(with_taken_port.sockets[0].getsockname()[1]))
        command = [sys.executable, "-m", "gateway.envoy", "run"]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(READY_SECONDS):
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"in use" in errors
