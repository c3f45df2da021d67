"""Fixtures that all tests share."""

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
    """Configure logging as a process does, at DEBUG; the fixture returns the lines logged since its last call."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        configure("test", "DEBUG")
    (own,) = root.handlers
    # pytest has handlers of its own at the root logger and expects them to stay there.
    root.handlers = [*handlers, own]

    def read_lines() -> list[dict[str, Any]]:
        lines = output.getvalue().splitlines()
        output.seek(0)
        output.truncate()
        return [json.loads(line) for line in lines]

    yield read_lines
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, type(own))]
    root.setLevel(level)
    structlog.reset_defaults()
