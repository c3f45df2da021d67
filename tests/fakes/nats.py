"""A real NATS server for tests, on free ports and in a temporary folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from deploy.local.ports import find_free_ports
from deploy.local.readiness import build_readiness_check
from deploy.nats.server import find_nats_server, render_config
from deploy.nats.settings import NatsSettings
from tests.fakes.waiting import eventually

_READY_SECONDS = 60.0


@asynccontextmanager
async def run_nats(
    folder: Path, *, streams: bool = True, authority: str = "", ports: tuple[int, int] | None = None
) -> AsyncIterator[str]:
    """Run the server while the context is open; yield its URL.

    Args:
        folder: Folder of its configuration and its data.
        streams: Whether JetStream is enabled.
        authority: Part of the configuration that names the users; empty accepts every client.
        ports: Ports of the server and its monitoring page; None for free ones.
    """
    port, monitor_port = ports or find_free_ports(2)
    text = render_config(NatsSettings(_env_file=None, NATS_PORT=port, NATS_MONITOR_PORT=monitor_port), folder)
    configuration = folder / "nats.conf"
    text = text if streams else text[: text.index("jetstream")]
    configuration.write_text(f"{text}{authority}")
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        find_nats_server(), "-c", str(configuration), stdout=nowhere, stderr=nowhere
    )
    try:
        serves = build_readiness_check(f"http://127.0.0.1:{monitor_port}/healthz")
        await eventually(serves, _READY_SECONDS)
        yield f"nats://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
