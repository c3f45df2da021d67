"""Several pieces of work at once: each is told as it ends, and one that fails stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from services.common.errors import MediaError, Reason
from services.image.service import run_limited
from tests.conftest import LogLines


class Pieces:
    """Work that ends when it is told to."""

    def __init__(self, count: int) -> None:
        self.limiters = [asyncio.Event() for _ in range(count)]
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self.most_at_once = 0
        self._at_once = 0
        self._changed = asyncio.Condition()

    def work(self) -> list[Callable[[], Awaitable[str]]]:
        def piece(number: int) -> Callable[[], Awaitable[str]]:
            return lambda: self._run(number)

        return [piece(number) for number in range(len(self.limiters))]

    async def _run(self, number: int) -> str:
        self.begun.append(number)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            # Even where the gate is open: others have their turn first.
            await asyncio.sleep(0)
            await self.limiters[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self._at_once -= 1
        return f"piece {number}"


async def test_each_piece_is_told_as_it_ends() -> None:
    pieces = Pieces(3)
    pieces.limiters[2].set()
    async with asyncio.timeout(5), aclosing(run_limited(pieces.work(), 3)) as ready:
        assert await anext(ready) == (2, "piece 2")
        pieces.limiters[0].set()
        assert await anext(ready) == (0, "piece 0")
        pieces.limiters[1].set()
        assert await anext(ready) == (1, "piece 1")
        assert [item async for item in ready] == []


@pytest.mark.parametrize("parallelism", [1, 2, 5])
async def test_no_more_are_at_work_than_allowed(parallelism: int) -> None:
    pieces = Pieces(7)
    for limiter in pieces.limiters:
        limiter.set()
    async with aclosing(run_limited(pieces.work(), parallelism)) as ready:
        found = [item async for item in ready]
    assert sorted(found) == [(number, f"piece {number}") for number in range(7)]
    assert pieces.begun == list(range(7))
    assert pieces.most_at_once == min(parallelism, 7)


async def test_a_failure_is_told_and_stops_no_other() -> None:
    async def refused() -> str:
        raise MediaError(Reason.CONTENT_BLOCKED)

    async def made() -> str:
        return "made"

    async with aclosing(run_limited([refused, made, refused, made], 2)) as ready:
        found = dict([item async for item in ready])
    outcomes = [found[number] for number in range(4)]
    reasons = [outcome.reason if isinstance(outcome, MediaError) else outcome for outcome in outcomes]
    assert reasons == [Reason.CONTENT_BLOCKED, "made", Reason.CONTENT_BLOCKED, "made"]


async def test_what_nobody_foresaw_is_logged_without_its_text(log_lines: LogLines) -> None:
    async def broken() -> str:
        raise RuntimeError("a secret prompt")

    async with aclosing(run_limited([broken], 1)) as ready:
        ((_, outcome),) = [item async for item in ready]
    assert isinstance(outcome, MediaError)
    assert outcome.reason is Reason.INTERNAL
    (line,) = [line for line in log_lines() if line["level"] == "error"]
    assert line["error_type"] == "RuntimeError"
    assert "secret" not in str(line)


async def test_who_leaves_ends_the_work() -> None:
    pieces = Pieces(4)
    pieces.limiters[0].set()
    async with asyncio.timeout(5), aclosing(run_limited(pieces.work(), 3)) as ready:
        await anext(ready)
    assert sorted(pieces.cancelled) == [1, 2]
    assert 3 not in pieces.begun
