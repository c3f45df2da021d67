"""A TCP proxy that holds given bytes back: stops a client, or simulates its crash, at a chosen moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK_BYTES = 65_536


class HoldingProxy:
    """Forwards bytes in both directions until a client sends `needle`; that and all later bytes wait for `release`.

    Args:
        target_port: Port of the server, on the loopback.
        needle: Bytes of the client that stop the proxy.
    """

    def __init__(self, target_port: int, needle: bytes) -> None:
        self.port = 0
        """Port on the loopback."""
        self.holds = asyncio.Event()
        """Set once the needle was received."""
        self._released = asyncio.Event()
        self._target_port = target_port
        self._needle = needle

    def release(self) -> None:
        """Forward what was held back, and everything from now on."""
        self._released.set()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            with suppress(ConnectionError):
                async with asyncio.TaskGroup() as ways:
                    back = ways.create_task(_copy(from_server, writer))
                    await self._forth(reader, to_server)
                    back.cancel()
        finally:
            to_server.close()
            writer.close()

    async def _forth(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        received = b""
        while piece := await reader.read(_CHUNK_BYTES):
            received = received[-len(self._needle) :] + piece
            if self._needle in received:
                self.holds.set()
            if self.holds.is_set():
                await self._released.wait()
            to_server.write(piece)
            await to_server.drain()


@asynccontextmanager
async def run_holding_proxy(target_port: int, needle: bytes) -> AsyncIterator[HoldingProxy]:
    """Serve on a free port of the loopback."""
    proxy = HoldingProxy(target_port, needle)
    server = await asyncio.start_server(proxy.pass_on, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_CHUNK_BYTES):
        writer.write(piece)
        await writer.drain()
    writer.close()
