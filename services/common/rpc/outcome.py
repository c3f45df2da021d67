"""Report the outcome of a call, for every way in which it can end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.common.errors import MediaError, Reason

OK = "OK"


@contextmanager
def record_outcome(report: Callable[[str, float], None], clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Report the outcome and the duration when the context is left.

    Args:
        report: Called with OK or the name of the reason, and with the duration in seconds.
        clock: Monotonic clock, in seconds.
    """
    began = clock()
    outcome = Reason.CANCELLED.name
    try:
        yield
        outcome = OK
    except MediaError as error:
        outcome = error.reason.name
        raise
    except Exception:
        outcome = Reason.INTERNAL.name
        raise
    finally:
        report(outcome, clock() - began)
