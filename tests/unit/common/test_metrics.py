"""The outcome of a call is reported, for every way in which it can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from services.common.errors import MediaError, Reason
from services.common.metrics import OK, record_outcome


class GenerationStatus:
    """Records the reported outcomes."""

    def __init__(self) -> None:
        self.endings: list[tuple[str, float]] = []

    def __call__(self, outcome: str, seconds: float) -> None:
        self.endings.append((outcome, seconds))


def clock(*times: float) -> Callable[[], float]:
    """Return a clock that shows one time after the other."""
    return iter(times).__next__


def test_a_success_is_reported_with_its_duration() -> None:
    told = GenerationStatus()
    with record_outcome(told, clock(10.0, 12.5)):
        assert told.endings == []
    assert told.endings == [(OK, 2.5)]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_expected_failure_is_reported_by_name_and_raised(reason: Reason) -> None:
    told = GenerationStatus()
    error = MediaError(reason)
    with pytest.raises(MediaError) as caught, record_outcome(told, clock(0.0, 1.0)):
        raise error
    assert caught.value is error
    assert told.endings == [(reason.name, 1.0)]


@pytest.mark.parametrize(
    "error", [ValueError("secret"), TimeoutError(), ExceptionGroup("two", [MediaError(Reason.NOT_FOUND)])]
)
def test_an_unexpected_error_is_reported_as_internal(error: Exception) -> None:
    told = GenerationStatus()
    with pytest.raises(type(error)) as caught, record_outcome(told, clock(0.0, 1.0)):
        raise error
    assert caught.value is error
    assert told.endings == [("INTERNAL", 1.0)]


async def test_a_caller_that_leaves_is_reported_as_cancelled() -> None:
    told, begun = GenerationStatus(), asyncio.Event()

    async def call() -> None:
        with record_outcome(told, clock(0.0, 3.0)):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.endings == [("CANCELLED", 3.0)]


async def test_a_stream_that_is_closed_early_was_cancelled() -> None:
    told = GenerationStatus()

    async def stream() -> AsyncGenerator[int]:
        with record_outcome(told, clock(0.0, 3.0)):
            yield 1
            pytest.fail("was not closed")

    running = stream()
    assert [await anext(running)] == [1]
    await running.aclose()
    assert told.endings == [("CANCELLED", 3.0)]


def test_the_usual_clock_does_not_go_back() -> None:
    told = GenerationStatus()
    with record_outcome(told):
        pass
    ((outcome, seconds),) = told.endings
    assert outcome == OK
    assert 0.0 <= seconds < 60.0
