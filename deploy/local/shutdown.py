"""Stop signals of the suite: the first starts an orderly stop, the next one ends it at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Cancels the task that created it when a stop is requested; a second request ends the wait."""

    def __init__(self) -> None:
        self.asked = False
        """Whether a stop was requested; false if the work ended by itself or failed."""
        self.urgent = asyncio.Event()
        """Set when everything must end at once."""
        self._ending = False
        self._task = asyncio.current_task()

    def ask(self) -> None:
        """Request an orderly stop; do nothing if one is in progress."""
        if not (self.asked or self._ending) and self._task is not None:
            self.asked = True
            self._task.cancel()

    def handle_signal(self) -> None:
        """Request an orderly stop, or an immediate one if the orderly stop is in progress."""
        if self.asked or self._ending:
            self.urgent.set()
        self.ask()

    def ending(self) -> None:
        """Note that the stop is in progress: later requests shorten it but do not interrupt it."""
        self._ending = True

    def absorb(self, cancelled: asyncio.CancelledError) -> None:
        """Suppress the cancellation that the stop request caused.

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
