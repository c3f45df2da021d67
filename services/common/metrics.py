"""Shows the metrics of a process to whoever scrapes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from services.common.settings import ConfigurationError


@contextmanager
def served_metrics(registry: CollectorRegistry, host: str, port: int, variable: str) -> Iterator[None]:
    """Answers GET /metrics in the Prometheus text format for as long as the context is open.

    Args:
        registry: What is shown.
        host: Address to listen on.
        port: Port to listen on; 0 shows nothing.
        variable: Variable that sets the port, for the error that names it.

    Raises:
        ConfigurationError: The port is taken.
    """
    if port == 0:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError:
        raise ConfigurationError(
            f"{variable}: can not listen on {host}:{port}: the port is taken. Set {variable} to a free port, or to 0."
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
