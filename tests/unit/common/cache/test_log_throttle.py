"""One log line a minute, and how many it stands for."""

from __future__ import annotations

from services.common.cache.log_throttle import LogThrottle
from tests.fakes.clocks import Clocks


def test_one_passes_per_interval_and_the_rest_is_counted() -> None:
    clocks = Clocks()
    throttle = LogThrottle(60, lambda: clocks.monotonic_seconds)
    assert [throttle.turn() for _ in range(4)] == [0, None, None, None]
    clocks.pass_seconds(59.9)
    assert throttle.turn() is None
    clocks.pass_seconds(0.1)
    assert [throttle.turn(), throttle.turn()] == [4, None]
    clocks.pass_seconds(600)
    assert throttle.turn() == 1
