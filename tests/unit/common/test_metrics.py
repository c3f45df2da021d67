"""The outcome of a call is reported, for every way in which it can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from services.common.errors import MediaError, Reason
from services.common.metrics import OK, record_outcome


class OutcomeLog:
    """Records the reported outcomes."""

    def __init__(self) -> None:
        self.endings: list[tuple[str, float]] = []

    def __call__(self, outcome: str, seconds: float) -> None:
        self.endings.append((outcome, seconds))


def make_clock(*times: float) -> Callable[[], float]:
    """Return a clock that shows one time after the other."""
    return iter(times).__next__


def test_a_success_is_reported_with_its_duration() -> None:
    log = OutcomeLog()
    with record_outcome(log, make_clock(10.0, 12.5)):
        assert log.endings == []
    assert log.endings == [(OK, 2.5)]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_expected_failure_is_reported_by_name_and_raised(reason: Reason) -> None:
    log = OutcomeLog()
    error = MediaError(reason)
    with pytest.raises(MediaError) as caught, record_outcome(log, make_clock(0.0, 1.0)):
        raise error
    assert caught.value is error
    assert log.endings == [(reason.name, 1.0)]


@pytest.mark.parametrize(
    "error", [ValueError("secret"), TimeoutError(), ExceptionGroup("two", [MediaError(Reason.NOT_FOUND)])]
)
def test_an_unexpected_error_is_reported_as_internal(error: Exception) -> None:
    log = OutcomeLog()
    with pytest.raises(type(error)) as caught, record_outcome(log, make_clock(0.0, 1.0)):
        raise error
    assert caught.value is error
    assert log.endings == [("INTERNAL", 1.0)]


async def test_a_caller_that_leaves_is_reported_as_cancelled() -> None:
    log, started = OutcomeLog(), asyncio.Event()

    async def call() -> None:
        with record_outcome(log, make_clock(0.0, 3.0)):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.endings == [("CANCELLED", 3.0)]


async def test_a_stream_that_is_closed_early_was_cancelled() -> None:
    log = OutcomeLog()

    async def stream() -> AsyncGenerator[int]:
        with record_outcome(log, make_clock(0.0, 3.0)):
            yield 1
            pytest.fail("was not closed")

    running = stream()
    assert [await anext(running)] == [1]
    await running.aclose()
    assert log.endings == [("CANCELLED", 3.0)]


def test_the_default_clock_is_monotonic() -> None:
    log = OutcomeLog()
    with record_outcome(log):
        pass
    ((outcome, seconds),) = log.endings
    assert outcome == OK
    assert 0.0 <= seconds < 60.0
