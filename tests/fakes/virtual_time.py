"""Time that passes at once: an event loop that jumps to its next timer, and a clock that moves when somebody sleeps."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")

_FORGOTTEN = "nothing will ever happen: every task waits, and no timer is set"


class PassingTime:
    """A clock that stands still but while somebody sleeps; then it moves at once."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0
        self.slept_seconds: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now_seconds

    async def sleep(self, seconds: float) -> None:
        """Let others go on once, and the time pass."""
        self.slept_seconds.append(seconds)
        self.now_seconds += seconds
        await asyncio.sleep(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers are due as soon as nothing else is to do; for code without input and output."""

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
            raise RuntimeError(_FORGOTTEN)
        if not ready:
            self.now_seconds += timeout or 0.0
        return ready
