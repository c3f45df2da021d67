"""The log throttle allows one line per interval and counts the suppressed ones."""

from __future__ import annotations

from services.common.cache.log_throttle import LogThrottle
from tests.fakes.clocks import Clocks


def test_one_line_per_interval_is_allowed_and_the_rest_is_counted() -> None:
    clocks = Clocks()
    throttle = LogThrottle(60, lambda: clocks.monotonic_seconds)
    assert [throttle.allows() for _ in range(4)] == [True, False, False, False]
    assert throttle.suppressed == 0
    clocks.pass_seconds(59.9)
    assert not throttle.allows()
    clocks.pass_seconds(0.1)
    assert [throttle.allows(), throttle.suppressed, throttle.allows()] == [True, 4, False]
    clocks.pass_seconds(600)
    assert throttle.allows()
    assert throttle.suppressed == 1
