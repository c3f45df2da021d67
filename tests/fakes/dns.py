"""A DNS server on the loopback that answers every question for an IPv4 address with the addresses of a test."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHHIH")
_A_RECORD, _INTERNET, _POINTER_TO_NAME = 1, 1, 0xC00C
_ANSWER_FLAGS = 0x8180


class FakeDns(asyncio.DatagramProtocol):
    """Answers with `addresses`, which a test may change while it runs."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override] # as asyncio documents
        """Keep the transport to answer on."""
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        number = _HEADER.unpack_from(data)[0]
        end = data.index(0, _HEADER.size) + 5
        kind = struct.unpack_from(">H", data, end - 4)[0]
        found = self.addresses if kind == _A_RECORD else []
        records = b"".join(
            _RECORD.pack(_POINTER_TO_NAME, _A_RECORD, _INTERNET, 0, 4) + ipaddress.ip_address(item).packed
            for item in found
        )
        assert self._transport is not None
        header = _HEADER.pack(number, _ANSWER_FLAGS, 1, len(found), 0, 0)
        self._transport.sendto(header + data[_HEADER.size : end] + records, addr)


@asynccontextmanager
async def run_dns(*addresses: str) -> AsyncIterator[FakeDns]:
    """Run the server on a free port until the context ends."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: FakeDns(list(addresses)), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
