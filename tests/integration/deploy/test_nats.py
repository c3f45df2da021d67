"""`python -m deploy.nats` starts the server with its settings; acknowledged messages survive when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest

from deploy.local.ports import find_free_ports
from deploy.local.readiness import build_readiness_check
from tests.fakes.waiting import eventually

ROOT = Path(__file__).parents[3]
READY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: asyncio.subprocess.Process
    port: int
    monitor_port: int

    @property
    def url(self) -> str:
        """URL for clients."""
        return f"nats://127.0.0.1:{self.port}"

    async def read_page(self, page: str) -> Any:
        """Return the JSON of a monitoring page."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.monitor_port}/{page}") as answer:
            return await answer.json()


async def start_module(folder: Path, port: int, monitor_port: int) -> asyncio.subprocess.Process:
    """Start the module in `folder`."""
    roots = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.nats"),
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": roots,
            "NATS_PORT": str(port),
            "NATS_MONITOR_PORT": str(monitor_port),
            "MEDIA_STATE_DIR": str(folder / "state"),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@asynccontextmanager
async def run_nats_module(folder: Path) -> AsyncIterator[Server]:
    """Run the server on free ports while the context is open."""
    port, monitor_port = find_free_ports(2)
    process = await start_module(folder, port, monitor_port)
    try:
        is_ready = build_readiness_check(f"http://127.0.0.1:{monitor_port}/healthz")
        await eventually(is_ready, READY_SECONDS)
        yield Server(process, port, monitor_port)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_the_server_stores_messages_in_the_state_folder_and_listens_on_loopback_only(tmp_path: Path) -> None:
    async with run_nats_module(tmp_path) as server:
        variables = await server.read_page("varz")
    assert variables["server_name"] == "media"
    assert (variables["host"], variables["port"]) == ("127.0.0.1", server.port)
    assert (variables["http_host"], variables["http_port"]) == ("127.0.0.1", server.monitor_port)
    stream_config = variables["jetstream"]["config"]
    assert Path(stream_config["store_dir"]).is_relative_to(tmp_path / "state" / "nats")
    assert stream_config["sync_always"] is True
    assert stream_config["max_memory"] == 64 * 1024 * 1024
    assert stat.S_IMODE((tmp_path / "state" / "nats").stat().st_mode) == 0o700


async def test_the_process_becomes_the_server_and_ends_on_sigterm(tmp_path: Path) -> None:
    async with run_nats_module(tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(READY_SECONDS):
            await server.process.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await server.read_page("varz")


async def test_acknowledged_messages_survive_when_the_server_is_killed(tmp_path: Path) -> None:
    async with run_nats_module(tmp_path) as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="STORED", subjects=["stored.>"])
        acknowledged = await stream.publish("stored.one", b"job")
        server.process.kill()
        await server.process.wait()
        await client.close()
    async with run_nats_module(tmp_path) as server:
        client = await nats.connect(server.url)
        message = await client.jetstream().get_msg("STORED", seq=acknowledged.seq)
        await client.close()
    assert message.data == b"job"


async def test_the_start_fails_if_a_port_is_taken(tmp_path: Path) -> None:
    async with run_nats_module(tmp_path) as server:
        other = tmp_path / "other"
        other.mkdir()
        process = await start_module(other, server.port, find_free_ports(1)[0])
        async with asyncio.timeout(READY_SECONDS):
            assert await process.wait() != 0
        assert (await server.read_page("healthz"))["status"] == "ok"
