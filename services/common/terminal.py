"""Standard output whose reader may close it, such as `head`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def tolerate_closed_output() -> Iterator[None]:
    """Leave the context quietly if the reader of standard output has closed it; later output is dropped."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise the flush of the buffer at the exit of the interpreter would fail again.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
