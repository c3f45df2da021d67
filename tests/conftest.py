"""What tests of all kinds share."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from services.common.log import configure

LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[LogLines]:
    """Configures logging as a process does, at DEBUG, and returns a reader of the lines logged since the last reading."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure("test", "DEBUG")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
