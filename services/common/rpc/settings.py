"""Settings of every gRPC server of the suite: address, limits and drain."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.common.rpc.interceptor import ServerLimits
from services.common.rpc.server import ServerOptions
from services.common.settings import Settings

Port = Annotated[int, Field(ge=0, le=65535, description="Port that the process listens on (gRPC).")]
"""Port of a server; with 0 the process takes a free one."""
MetricsPort = Annotated[
    int, Field(ge=0, le=65535, description="Port that serves Prometheus metrics over HTTP. 0: no metrics.")
]
"""Port of a metrics page, on the host of the process."""
ConcurrentRpcs = Annotated[int, Field(ge=1, description="Calls served at once; further calls are refused.")]
"""Limit of concurrent calls of a server."""
CallSeconds = Annotated[float, Field(gt=0, description="Longest duration of one call.")]
"""Limit of the deadline of every call."""
GraceSeconds = Annotated[float, Field(ge=0, description="How long a process that drains lets running calls continue.")]
"""Limit of the second part of a drain."""


class ListenSettings(Settings):
    """Settings of a process with a gRPC port.

    A subclass names the prefix of its variables, such as `TTS_`, as `env_prefix` in its `model_config`, and sets its
    own port.
    """

    host: str = Field("127.0.0.1", description="Address that the process listens on.")
    port: Port

    @classmethod
    def port_variable(cls) -> str:
        """Return the variable that sets the port."""
        return f"{cls.model_config.get('env_prefix', '')}PORT"


class ServerSettings(ListenSettings):
    """Settings of a service; docs/architecture.md describes the drain."""

    reflection: bool = Field(False, description="Whether the port itself answers gRPC reflection.")
    max_concurrent_rpcs: ConcurrentRpcs
    max_call_seconds: CallSeconds
    drain_notice_seconds: float = Field(
        1.0, ge=0, description="How long a process that drains reports NOT_SERVING before it refuses calls."
    )
    drain_grace_seconds: GraceSeconds = 20.0

    def server_options(self) -> ServerOptions:
        """Return the options of the server: address, limits and drain."""
        return ServerOptions(
            host=self.host,
            port=self.port,
            port_variable=self.port_variable(),
            limits=ServerLimits(concurrent_rpcs=self.max_concurrent_rpcs, deadline_seconds=self.max_call_seconds),
            reflection=self.reflection,
            notice_seconds=self.drain_notice_seconds,
            grace_seconds=self.drain_grace_seconds,
        )
