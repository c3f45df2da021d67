"""The addresses of our processes: one replica, or all replicas behind one variable."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

_SCHEMES = ("dns:///", "dns:", "ipv4:", "ipv6:")
_IP_SCHEMES = {4: "ipv4:", 6: "ipv6:"}


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of a listener."""

    host: str
    """Name or IP address, without brackets."""
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse `host:port`; an IPv6 address is in brackets.

        Raises:
            ValueError: `text` has another form.
        """
        parts = urlsplit(f"//{text}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or not port or parts.path or parts.query or parts.username:
            raise ValueError("must be host:port, such as 127.0.0.1:50051 or tts:50051")
        return cls(host, port)

    @property
    def ip_version(self) -> int:
        """4 or 6 if the host is an IP address; 0 if it is a name."""
        try:
            return ipaddress.ip_address(self.host).version
        except ValueError:
            return 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where a service listens: a name that resolves to all its replicas, or the IP addresses of the replicas."""

    replicas: tuple[Address, ...]

    @classmethod
    def parse(cls, value: object) -> ServiceAddress:
        """Parse `host:port`, or several `ip:port` with commas; a prefix such as `ipv4:` or `dns:///` is accepted.

        Raises:
            ValueError: `value` has another form, or names several hosts that gRPC cannot use together.
        """
        if isinstance(value, ServiceAddress):
            return value
        if isinstance(value, Address):
            return cls((value,))
        replicas = tuple(Address.parse(item) for item in _split(str(value)))
        versions = {replica.ip_version for replica in replicas}
        if len(replicas) > 1 and (len(versions) > 1 or 0 in versions):
            raise ValueError(
                "several addresses must be IP addresses of one version, such as 10.0.0.1:50051,10.0.0.2:50051;"
                " for names, use one name that resolves to all replicas"
            )
        return cls(replicas)

    @property
    def target(self) -> str:
        """The gRPC name of the service; gRPC resolves a name again when a connection ends."""
        scheme = _IP_SCHEMES.get(self.replicas[0].ip_version, "dns:///")
        return f"{scheme}{self}"

    def __str__(self) -> str:
        return ",".join(map(str, self.replicas))


def _split(text: str) -> Iterator[str]:
    scheme = next((scheme for scheme in _SCHEMES if text.startswith(scheme)), "")
    for item in text.removeprefix(scheme).split(","):
        yield item.strip()


# Without NoDecode, pydantic-settings expects a dataclass as JSON.
ServiceAddressSetting = Annotated[ServiceAddress, NoDecode, BeforeValidator(ServiceAddress.parse)]
"""Type of a setting that says where a service listens."""
