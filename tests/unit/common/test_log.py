"""Logs: one JSON object a line, filtered by level, everything that varies as a field; repeats are throttled."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import re
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from services.common.log import (
    LogFormat,
    LogThrottle,
    bind_request_id,
    configure,
    describe_error,
    list_frames,
    logger,
    request_id,
)
from tests.conftest import LogLines
from tests.fakes.clocks import Clocks


def test_a_line_has_time_logger_event_and_request_id(log_lines: LogLines) -> None:
    with bind_request_id("req-1"):
        logger("services.probe").info("something happened", count=3)
    (line,) = log_lines()
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() is not None
    assert line == {
        "event": "something happened",
        "level": "info",
        "component": "services.probe",
        "service": "test",
        "request_id": "req-1",
        "count": 3,
    }


def test_a_request_id_ends_with_its_block() -> None:
    with bind_request_id("outer"):
        with bind_request_id("inner"):
            assert request_id.get() == "inner"
        assert request_id.get() == "outer"
    assert request_id.get() == ""


@pytest.mark.usefixtures("log_lines")
@pytest.mark.parametrize(
    ("level", "expected"),
    [("DEBUG", ["debug", "info", "warning", "error"]), ("WARNING", ["warning", "error"]), ("error", ["error"])],
)
def test_less_severe_lines_are_not_logged(level: str, expected: list[str]) -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        configure("test", level)
    for name in ("debug", "info", "warning", "error"):
        getattr(logger("probe"), name)("said")
    assert [json.loads(line)["level"] for line in output.getvalue().splitlines()] == expected


@pytest.mark.usefixtures("log_lines")
@pytest.mark.parametrize(("log_format", "pattern"), [("json", r"\{.*\}\n"), ("console", r"[^{]*\bsaid\b[^{]*\n")])
def test_a_console_gets_text_and_machines_get_json(log_format: LogFormat, pattern: str) -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        configure("test", "INFO", log_format)
    logger("probe").info("said", port=1)
    assert re.fullmatch(pattern, output.getvalue())


def test_a_value_of_any_type_can_be_logged(log_lines: LogLines) -> None:
    logger("probe").info("said", error_type=ValueError, items=("a", 1), nothing=None, text="line\nbreak")
    (line,) = log_lines()
    assert line["items"] == ["a", 1]
    assert line["text"] == "line\nbreak"


def test_libraries_are_logged_from_warnings_up(log_lines: LogLines) -> None:
    logging.getLogger("somelib").info("chat")
    logging.getLogger("somelib").warning("careful: %s", "secret")
    (line,) = log_lines()
    assert (line["library"], line["level"], line["event"]) == ("somelib", "warning", "a library reported a problem")
    assert line["at"].startswith("test_log:")
    assert "secret" not in json.dumps(line)


def test_frames_show_the_place_and_not_the_text() -> None:
    def innermost() -> None:
        raise ValueError("secret")

    with pytest.raises(ValueError, match="secret") as caught:
        innermost()
    frames = list_frames(caught.value)
    assert frames[-1].endswith(" innermost")
    assert "secret" not in " ".join(frames)


def test_an_os_error_is_described_with_errno_and_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "absent").read_bytes()
    found = describe_error(caught.value)
    assert (found["error_type"], found["errno"]) == ("FileNotFoundError", errno.ENOENT)
    assert found["path"] == str(tmp_path / "absent")


def test_the_first_error_of_a_group_is_described_with_its_causes() -> None:
    def fail_inside() -> None:
        try:
            raise PermissionError(errno.EACCES, "secret", "/data")
        except OSError as error:
            raise RuntimeError("secret") from error

    with pytest.raises(RuntimeError) as caught:
        fail_inside()
    found = describe_error(ExceptionGroup("secret", [ExceptionGroup("secret", [caught.value])]))
    assert found["error_type"] == "RuntimeError"
    (cause,) = cast("list[str]", found["causes"])
    assert cause.startswith(f"PermissionError errno {errno.EACCES} /data at ")
    assert cause.endswith(" fail_inside")
    assert "secret" not in json.dumps(found)


def test_one_line_per_interval_is_allowed_and_the_rest_is_counted() -> None:
    clocks = Clocks()
    throttle = LogThrottle(60, lambda: clocks.monotonic_seconds)
    assert [throttle.allows() for _ in range(4)] == [True, False, False, False]
    assert throttle.suppressed == 0
    clocks.pass_seconds(59.9)
    assert not throttle.allows()
    clocks.pass_seconds(0.1)
    assert [throttle.allows(), throttle.suppressed, throttle.allows()] == [True, 4, False]
    clocks.pass_seconds(600)
    assert throttle.allows()
    assert throttle.suppressed == 1
