"""What tests of all kinds share."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from services.common.log import configure

LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_lines() -> Iterator[LogLines]:
    """Configure logging as a process does, at DEBUG; returns a reader of the lines logged since the last reading."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        configure("test", "DEBUG")
    (adopted,) = root.handlers
    # pytest keeps handlers of its own at the root and expects to find them there again.
    root.handlers = [*handlers, adopted]

    def read() -> list[dict[str, Any]]:
        lines = output.getvalue().splitlines()
        output.seek(0)
        output.truncate()
        return [json.loads(line) for line in lines]

    yield read
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, type(adopted))]
    root.setLevel(level)
    structlog.reset_defaults()
