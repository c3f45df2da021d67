"""Tests of run_limited, which runs the images of a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from services.common.errors import MediaError, Reason
from services.image.service import run_limited
from tests.conftest import LogLines


class Calls:
    """Calls that end when the test opens their gate."""

    def __init__(self, count: int) -> None:
        self.gates = [asyncio.Event() for _ in range(count)]
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self.most_at_once = 0
        self._at_once = 0
        self._changed = asyncio.Condition()

    def work(self) -> list[Callable[[], Awaitable[str]]]:
        def make_call(number: int) -> Callable[[], Awaitable[str]]:
            return lambda: self._run(number)

        return [make_call(number) for number in range(len(self.gates))]

    async def _run(self, number: int) -> str:
        self.started.append(number)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            # Yields also if the gate is open, so that the other calls start first.
            await asyncio.sleep(0)
            await self.gates[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self._at_once -= 1
        return f"result {number}"


async def test_results_come_in_the_order_of_completion() -> None:
    calls = Calls(3)
    calls.gates[2].set()
    async with asyncio.timeout(5), aclosing(run_limited(calls.work(), 3)) as ready:
        assert await anext(ready) == (2, "result 2")
        calls.gates[0].set()
        assert await anext(ready) == (0, "result 0")
        calls.gates[1].set()
        assert await anext(ready) == (1, "result 1")
        assert [item async for item in ready] == []


@pytest.mark.parametrize("parallelism", [1, 2, 5])
async def test_no_more_calls_run_at_once_than_allowed(parallelism: int) -> None:
    calls = Calls(7)
    for gate in calls.gates:
        gate.set()
    async with aclosing(run_limited(calls.work(), parallelism)) as ready:
        found = [item async for item in ready]
    assert sorted(found) == [(number, f"result {number}") for number in range(7)]
    assert calls.started == list(range(7))
    assert calls.most_at_once == min(parallelism, 7)


async def test_a_failed_call_is_reported_and_does_not_stop_the_others() -> None:
    async def fail() -> str:
        raise MediaError(Reason.CONTENT_BLOCKED)

    async def succeed() -> str:
        return "result"

    async with aclosing(run_limited([fail, succeed, fail, succeed], 2)) as ready:
        found = dict([item async for item in ready])
    outcomes = [found[number] for number in range(4)]
    reasons = [outcome.reason if isinstance(outcome, MediaError) else outcome for outcome in outcomes]
    assert reasons == [Reason.CONTENT_BLOCKED, "result", Reason.CONTENT_BLOCKED, "result"]


async def test_an_unexpected_error_is_logged_without_its_text(log_lines: LogLines) -> None:
    async def crash() -> str:
        raise RuntimeError("a secret prompt")

    async with aclosing(run_limited([crash], 1)) as ready:
        ((_, outcome),) = [item async for item in ready]
    assert isinstance(outcome, MediaError)
    assert outcome.reason is Reason.INTERNAL
    (line,) = [line for line in log_lines() if line["level"] == "error"]
    assert line["error_type"] == "RuntimeError"
    assert "secret" not in str(line)


async def test_closing_the_generator_cancels_the_running_calls() -> None:
    calls = Calls(4)
    calls.gates[0].set()
    async with asyncio.timeout(5), aclosing(run_limited(calls.work(), 3)) as ready:
        await anext(ready)
    assert sorted(calls.cancelled) == [1, 2]
    assert 3 not in calls.started
