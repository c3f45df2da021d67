"""Virtual time: an event loop that jumps to its next timer, and a clock that only a sleep advances."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")

_DEADLOCK = "deadlock: every task waits, and no timer is set"


class PassingTime:
    """A clock that only its own `sleep` advances, at once."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0
        self.slept_seconds: list[float] = []

    def __call__(self) -> float:
        """Return the current time in seconds."""
        return self.now_seconds

    async def sleep(self, seconds: float) -> None:
        """Advance the clock, and yield to other tasks once."""
        self.slept_seconds.append(seconds)
        self.now_seconds += seconds
        await asyncio.sleep(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that skips to the next timer when all tasks wait; for code without I/O."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._jumping.now_seconds


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test on a loop of virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError(_DEADLOCK)
        if not ready:
            self.now_seconds += timeout or 0.0
        return ready
