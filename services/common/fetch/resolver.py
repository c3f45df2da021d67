"""The resolver: returns only allowed addresses, which connections use without a second lookup."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from services.common.fetch.addresses import AddressPolicy, is_public


class ForbiddenAddressError(OSError):
    """Raised when a name resolves to a forbidden address."""


class Lookup(Protocol):
    """Called to resolve a name, like `loop.getaddrinfo`."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`; raise OSError if it has none."""


class PolicyResolver(AbstractResolver):
    """Resolves names for aiohttp, which connects to exactly the addresses that were checked.

    Args:
        allowed: Private addresses that are allowed.
        lookup: Called to resolve names.
    """

    def __init__(self, allowed: AddressPolicy, lookup: Lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            ForbiddenAddressError: An address is forbidden. One is enough, since a name with both kinds is an attack.
            OSError: The name has no address.
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
        """Do nothing: there is nothing to release."""
