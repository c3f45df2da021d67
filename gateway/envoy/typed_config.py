"""Parts that occur all over Envoy's configuration: typed messages, extensions, durations, addresses."""

from __future__ import annotations

from typing import Any

from services.common.rpc.addresses import Address

Config = dict[str, Any]
"""A message of Envoy's configuration in its JSON form."""


def build_typed(type_name: str, **fields: Any) -> Config:
    """Return a message with its type, as every extension point of Envoy expects it."""
    return {"@type": f"type.googleapis.com/{type_name}", **fields}


def build_extension(name: str, type_name: str, **fields: Any) -> Config:
    """Return an extension: its name and its typed settings."""
    return {"name": name, "typed_config": build_typed(type_name, **fields)}


def to_duration(value: float) -> str:
    """Return `value` seconds as a protobuf duration, such as `1.5s`."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def build_socket_address(address: Address) -> Config:
    """Return the address of a TCP socket."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}
