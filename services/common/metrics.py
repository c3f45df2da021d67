"""Outcomes of calls, and the export of metrics to Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily

from services.common.cache import CacheStats
from services.common.errors import MediaError, Reason
from services.common.settings import ConfigurationError

OK = "OK"


@contextmanager
def serve_metrics(registry: CollectorRegistry, host: str, port: int, variable: str) -> Iterator[None]:
    """Answer GET /metrics in the Prometheus text format for as long as the context is open.

    Args:
        registry: The metrics to serve.
        host: Address to listen on.
        port: Port to listen on; 0 serves nothing.
        variable: Environment variable that sets the port, for the error message.

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
            f"{variable}: cannot listen on {host}:{port}: the port is taken. Set {variable} to a free port, or to 0."
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class CacheCollector:
    """Reads the statistics of a result cache at each scrape.

    Args:
        name: Name of the metric.
        stats: Called at each scrape; returns the statistics of the cache.
    """

    def __init__(self, name: str, stats: Callable[[], CacheStats]) -> None:
        self._name = name
        self._stats = stats

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield one counter with the label `event`."""
        family = CounterMetricFamily(self._name, "What the result cache did.", labels=("event",))
        for event, value in asdict(self._stats()).items():
            family.add_metric((event,), value)
        yield family


@contextmanager
def record_outcome(report: Callable[[str, float], None], clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Report the outcome and the duration when the context is left.

    Args:
        report: Called with OK or the name of the reason, and with the duration in seconds.
        clock: Monotonic clock, in seconds.
    """
    began = clock()
    outcome = Reason.CANCELLED.name
    try:
        yield
        outcome = OK
    except MediaError as error:
        outcome = error.reason.name
        raise
    except Exception:
        outcome = Reason.INTERNAL.name
        raise
    finally:
        report(outcome, clock() - began)
