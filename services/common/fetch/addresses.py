"""The URLs and addresses that callers may use, and the resolver that returns no other addresses."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.common.errors import MediaError, Reason, invalid

MAX_URL_CHARACTERS = 4096
_SCHEMES = ("http", "https")
_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN_MESSAGE = "must have a public address; private, local and metadata addresses are not fetched"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Forbidden beside those that Python reports as not global: some lead to cloud metadata or translate to other addresses.
_FORBIDDEN_NETWORKS: tuple[Network, ...] = (
    ipaddress.ip_network("100.64.0.0/10"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("168.63.129.16/32"),
    ipaddress.ip_network("fec0::/10"),
    # 6to4 embeds an IPv4 address and is deprecated (RFC 7526); versions of Python treat it differently.
    ipaddress.ip_network("2002::/16"),
)
_NAT64: tuple[ipaddress.IPv6Network, ...] = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
_LAST_32_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a request."""

    url: URL
    """URL as the caller wrote it: requoting would break signatures in its query."""
    host: str
    """Host name or address, in lower case."""
    port: int


def parse_target(text: str, field: str, allowed: AddressPolicy) -> Target:
    """Return the target of `text`, checked without resolving its host name.

    Raises:
        MediaError: VALIDATION_ERROR, it is not a URL; URL_FORBIDDEN, its target is forbidden.
    """
    if (
        len(text) > MAX_URL_CHARACTERS
        or not text.isascii()
        or any(character <= " " or character == "\\" for character in text)
    ):
        raise invalid(
            field, f"must be an http or https URL of at most {MAX_URL_CHARACTERS} ASCII characters, percent-encoded"
        )
    try:
        url = URL(text, encoded=True)
        host, port = (url.host or "").lower().rstrip("."), url.port or 0
    except ValueError:
        raise invalid(field, "must be an http or https URL") from None
    if url.scheme not in _SCHEMES or not host:
        raise invalid(field, "must be an http or https URL")
    if url.user is not None or url.password is not None:
        raise build_forbidden_url_error(field, "must not contain a user or a password")
    if not allowed.allows_name(host, port):
        if port not in _WEB_PORTS and port < _FIRST_FREE_PORT:
            raise build_forbidden_url_error(field, "must have port 80, 443 or one above 1023")
        address = _parse_address(host)
        if address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
            # No name ends in a number: this is an unusual spelling of an address, such as 127.1 or 0x7f000001.
            raise build_forbidden_url_error(field)
        if address is not None and not is_public(address) and not allowed.allows_address(address):
            raise build_forbidden_url_error(field)
    return Target(url, host, port)


def build_forbidden_url_error(field: str, description: str = _FORBIDDEN_MESSAGE) -> MediaError:
    """Return the error for a URL that may not be fetched."""
    return invalid(field, description, Reason.URL_FORBIDDEN)


def _parse_address(host: str) -> Address | None:
    """Return `host` as an address; None for a name, which `PolicyResolver` checks when it is resolved."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Private addresses that the operator allows."""

    hosts: frozenset[str] = frozenset()
    """Hosts, in lower case, that are allowed with every port and address."""
    endpoints: frozenset[tuple[str, int]] = frozenset()
    """Hosts with a port."""
    networks: tuple[Network, ...] = ()
    """Allowed networks."""

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AddressPolicy:
        """Parse entries such as `minio.internal`, `127.0.0.1:9000` and `10.1.0.0/16`."""
        hosts: set[str] = set()
        endpoints: set[tuple[str, int]] = set()
        networks: list[Network] = []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry))
                continue
            except ValueError:
                pass
            host, colon, port = entry.rpartition(":")
            if colon and port.isdigit():
                endpoints.add((host.strip("[]").lower(), int(port)))
            else:
                hosts.add(entry.lower())
        return cls(frozenset(hosts), frozenset(endpoints), tuple(networks))

    def allows_name(self, host: str, port: int) -> bool:
        """Return whether `host` may have any address, even a private one."""
        return host in self.hosts or (host, port) in self.endpoints

    def allows_address(self, address: Address) -> bool:
        """Return whether `address` is in an allowed network."""
        return any(address in network for network in self.networks if network.version == address.version)


def is_public(address: Address) -> bool:
    """Return whether `address` is public, and so are the addresses embedded in it."""
    return all(_is_global(candidate) for candidate in (address, *_list_embedded(address)))


def _is_global(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in _FORBIDDEN_NETWORKS if network.version == address.version)


def _list_embedded(address: Address) -> Iterable[Address]:
    """Yield the IPv4 addresses that are embedded in an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:
        yield ipaddress.IPv4Address(int(address) & _LAST_32_BITS)


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
