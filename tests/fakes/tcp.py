"""A plain TCP server that replies with any bytes, for peers that violate HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class TcpPeer:
    """A server that reads the head of a request and sends a fixed reply."""

    reply: bytes
    """Bytes to send."""
    stays: bool
    """Whether the server then waits until the client closes the connection; otherwise the server closes it."""
    port: int = 0
    """Port on the loopback."""
    heads: list[bytes] = field(default_factory=list)
    """Heads of the requests, in order."""
    _conversations: set[asyncio.Task[None]] = field(default_factory=set)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if (task := asyncio.current_task()) is not None:
            self._conversations.add(task)
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.reply)
            if self.stays:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            # The client closed the connection first, which is allowed.
            return
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def wait_until_closed(self, within_seconds: float = 30) -> None:
        """Wait until every connection is closed."""
        async with asyncio.timeout(within_seconds):
            await asyncio.gather(*self._conversations)


@asynccontextmanager
async def run_tcp_peer(reply: bytes = b"", *, stays: bool = False) -> AsyncIterator[TcpPeer]:
    """Serve on a free port of the loopback; at the end, wait until all clients have disconnected."""
    peer = TcpPeer(reply, stays)
    server = await asyncio.start_server(peer.converse, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await peer.wait_until_closed()
        await server.wait_closed()
