"""Runs the real Envoy in front of the services of a test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.dev_keys import ensure_identity
from deploy.local.ports import find_free_ports
from gateway.envoy import launcher
from gateway.envoy.config import LOOPBACK, render_config, to_json
from gateway.envoy.settings import EdgeSettings
from services.common.rpc.addresses import Address

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Edge:
    """A running Envoy."""

    settings: EdgeSettings
    log: Path
    """File with its output, which includes the access log."""

    @property
    def target(self) -> str:
        """Address of the public port, for a gRPC channel."""
        return f"{LOOPBACK}:{self.settings.port}"

    @property
    def url(self) -> str:
        """URL of the public port, without a slash at its end."""
        return f"http://{self.target}"

    @property
    def admin_url(self) -> str:
        """URL of the admin page, without a slash at its end."""
        return f"http://{LOOPBACK}:{self.settings.admin_port}"


def make_edge_settings(folder: Path, **changes: Any) -> EdgeSettings:
    """Return settings for a test: free ports, a key pair in `folder`, upstreams without a server."""
    ports = find_free_ports(8)
    chosen: dict[str, Any] = {
        "port": ports[0],
        "admin_port": ports[1],
        "gateway_address": Address(LOOPBACK, ports[2]),
        "gateway_grpc_address": Address(LOOPBACK, ports[3]),
        "tts_address": Address(LOOPBACK, ports[4]),
        "image_address": Address(LOOPBACK, ports[5]),
        "video_address": Address(LOOPBACK, ports[6]),
        "jobs_address": Address(LOOPBACK, ports[7]),
        "threads": 1,
        "log_level": "WARNING",
        "log_format": "json",
        **changes,
    }
    if "jwt_jwks_uri" not in changes:
        chosen.setdefault("jwt_jwks_file", ensure_identity(folder))
    return EdgeSettings(_env_file=None, **chosen)


@asynccontextmanager
async def run_envoy(settings: EdgeSettings, log: Path) -> AsyncIterator[Edge]:
    """Run Envoy until the block ends.

    Args:
        settings: Its settings.
        log: File for its access log.

    Raises:
        RuntimeError: It ended by itself, or was not ready in time.
    """
    async with _run_command(launcher.build_command, settings, log) as (edge, _):
        yield edge


@asynccontextmanager
async def run_supervised_envoy(
    settings: EdgeSettings, log: Path
) -> AsyncIterator[tuple[Edge, asyncio.subprocess.Process]]:
    """Run Envoy below its supervisor, as `python -m gateway.envoy run` does, until the block ends.

    Args:
        settings: Their settings.
        log: File for the output of both.

    Raises:
        RuntimeError: They ended by themselves, or were not ready in time.
    """
    async with _run_command(launcher.build_supervisor_command, settings, log) as (edge, process):
        yield edge, process


@asynccontextmanager
async def _run_command(
    command: Callable[[EdgeSettings, int], list[str]], settings: EdgeSettings, log: Path
) -> AsyncIterator[tuple[Edge, asyncio.subprocess.Process]]:
    descriptor = launcher.create_private_file(to_json(render_config(settings)))
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command(settings, descriptor), pass_fds=[descriptor], stdout=output, stderr=output
            )
    finally:
        os.close(descriptor)
    edge = Edge(settings, log)
    try:
        await _wait_until_ready(edge, process)
        yield edge, process
    finally:
        await _stop(process)


async def _wait_until_ready(edge: Edge, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
            while not await _is_ready(session, edge):
                # Between two polls, wait for the end of the process.
                if await _wait_for_exit(process, _POLL_SECONDS):
                    raise RuntimeError(f"Envoy ended with {process.returncode}: {edge.log.read_text()[-2000:]}")
    except TimeoutError:
        raise RuntimeError(f"Envoy is not ready after {READY_SECONDS:g} s: {edge.log.read_text()[-2000:]}") from None


async def _is_ready(session: aiohttp.ClientSession, edge: Edge) -> bool:
    try:
        async with session.get(f"{edge.admin_url}/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def _wait_for_exit(process: asyncio.subprocess.Process, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        if not await _wait_for_exit(process, STOP_SECONDS):
            process.kill()
            await process.wait()
