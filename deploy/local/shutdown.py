"""Stop signals of the suite: the first starts an orderly stop, the next one makes it urgent."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Cancels the task that created it when a stop is requested; a second signal makes the stop urgent."""

    def __init__(self) -> None:
        self.requested = False
        """Whether a stop was requested; false if the work ended by itself or failed."""
        self.urgent = asyncio.Event()
        """Set when all processes must be killed at once."""
        self._in_progress = False
        self._task = asyncio.current_task()

    def request(self) -> None:
        """Request an orderly stop; do nothing if one is in progress."""
        if not (self.requested or self._in_progress) and self._task is not None:
            self.requested = True
            self._task.cancel()

    def handle_signal(self) -> None:
        """Request an orderly stop, or make it urgent if it is in progress."""
        if self.requested or self._in_progress:
            self.urgent.set()
        self.request()

    def mark_in_progress(self) -> None:
        """Record that the stop is in progress: later signals make it urgent but do not cancel it."""
        self._in_progress = True

    def suppress_cancellation(self, error: asyncio.CancelledError) -> None:
        """Suppress the cancellation that the stop request caused.

        Raises:
            CancelledError: Something else caused the cancellation.
        """
        if not self.requested or self._task is None:
            raise error
        self._task.uncancel()


@contextmanager
def catch_stop_signals() -> Iterator[StopRequest]:
    """Leave the context without an error when SIGINT, SIGTERM or SIGHUP arrives."""
    request = StopRequest()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, request.handle_signal)
    try:
        yield request
    except asyncio.CancelledError as error:
        request.suppress_cancellation(error)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
