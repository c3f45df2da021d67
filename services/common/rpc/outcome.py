"""Tells how a call ended, whichever way it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.common.errors import MediaError, Reason

OK = "OK"


@contextmanager
def record_outcome(tell: Callable[[str, float], None], clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Calls `tell` when the context is left, with OK or the name of the reason, and the seconds that it took.

    Args:
        tell: What is called.
        clock: Seconds that never go back.
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
        tell(outcome, clock() - began)
