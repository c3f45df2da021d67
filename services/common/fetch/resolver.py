"""Finds the addresses of a name, and hands on only those that may be connected to: nobody asks a second time."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from services.common.fetch.addresses import AddressPolicy, is_public


class ForbiddenAddressError(OSError):
    """A name leads where nobody may be led."""


class Lookup(Protocol):
    """Finds addresses, as `loop.getaddrinfo` does."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`; raises OSError if it has none."""


class PolicyResolver(AbstractResolver):
    """Resolves names for connections, which go to the very addresses that were checked.

    Args:
        allowed: Private places that are allowed.
        lookup: Finds addresses.
    """

    def __init__(self, allowed: AddressPolicy, lookup: Lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            ForbiddenAddressError: One of them may not be connected to: a name that leads to both is a trap.
            OSError: It has none.
        """
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self._lookup(host, port)]
        if not self._allowed.allows_name(host.lower(), port):
            for address in found:
                if not is_public(address) and not self._allowed.allows_address(address):
                    raise ForbiddenAddressError
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,  # noqa: PLR2004 - the version
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Hold nothing."""
