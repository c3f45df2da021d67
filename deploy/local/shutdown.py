"""How the suite is asked to stop: the first signal ends it in order, the next one at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Cancels the task that made it when a stop is asked for, and knows when patience has ended."""

    def __init__(self) -> None:
        self.asked = False
        """Whether somebody asked for the stop; false if the work ended by itself or failed."""
        self.urgent = asyncio.Event()
        """Set when everything must end at once."""
        self._ending = False
        self._task = asyncio.current_task()

    def ask(self) -> None:
        """Ask for an orderly stop; does nothing where one is under way."""
        if not (self.asked or self._ending) and self._task is not None:
            self.asked = True
            self._task.cancel()

    def handle_signal(self) -> None:
        """Take a signal: asks for an orderly stop, and for an immediate one where that is under way."""
        if self.asked or self._ending:
            self.urgent.set()
        self.ask()

    def ending(self) -> None:
        """Note that the stop is under way, for whatever reason: it must not be interrupted, only hastened."""
        self._ending = True

    def absorb(self, cancelled: asyncio.CancelledError) -> None:
        """Take back the cancellation that the stop was asked for by.

        Raises:
            CancelledError: The cancellation came from elsewhere.
        """
        if not self.asked or self._task is None:
            raise cancelled
        self._task.uncancel()


@contextmanager
def catch_stop_signals() -> Iterator[StopRequest]:
    """Leave the context, as if its end were reached, when SIGINT, SIGTERM or SIGHUP arrives."""
    request = StopRequest()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, request.handle_signal)
    try:
        yield request
    except asyncio.CancelledError as cancelled:
        request.absorb(cancelled)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
