"""Which addresses may be connected to on behalf of a caller: the public ones, and those that the operator allows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beyond what Python calls not global: cloud metadata that hides behind public-looking or translated addresses.
_NEVER: tuple[Network, ...] = (
    ipaddress.ip_network("100.64.0.0/10"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("168.63.129.16/32"),
    ipaddress.ip_network("fec0::/10"),
    # 6to4 stands for an IPv4 address and is withdrawn (RFC 7526); versions of Python differ about it.
    ipaddress.ip_network("2002::/16"),
)
_NAT64: tuple[ipaddress.IPv6Network, ...] = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
_LAST_32_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Private places that may be connected to all the same."""

    hosts: frozenset[str] = frozenset()
    """Names, in lower case, that may lead anywhere."""
    places: frozenset[tuple[str, int]] = frozenset()
    """Names with a port."""
    networks: tuple[Network, ...] = ()
    """Networks."""

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AddressPolicy:
        """Read entries such as `minio.internal`, `127.0.0.1:9000` and `10.1.0.0/16`."""
        hosts: set[str] = set()
        places: set[tuple[str, int]] = set()
        networks: list[Network] = []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry))
                continue
            except ValueError:
                pass
            host, colon, port = entry.rpartition(":")
            if colon and port.isdigit():
                places.add((host.strip("[]").lower(), int(port)))
            else:
                hosts.add(entry.lower())
        return cls(frozenset(hosts), frozenset(places), tuple(networks))

    def allows_name(self, host: str, port: int) -> bool:
        """Tell whether `host` may lead anywhere, private addresses included."""
        return host in self.hosts or (host, port) in self.places

    def allows_address(self, address: Address) -> bool:
        """Tell whether `address` is in an allowed network."""
        return any(address in network for network in self.networks if network.version == address.version)


def is_public(address: Address) -> bool:
    """Tell whether `address` is one of the open internet, and all that it stands for is."""
    return all(_is_open(one) for one in (address, *_translate(address)))


def _is_open(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in _NEVER if network.version == address.version)


def _translate(address: Address) -> Iterable[Address]:
    """Yield the addresses that a translated one leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:
        yield ipaddress.IPv4Address(int(address) & _LAST_32_BITS)
