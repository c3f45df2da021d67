"""Structured logs with request ids: one JSON object per line, or text for a console; and a throttle for repeats."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import orjson
import structlog

LogFormat = Literal["json", "console"]
Event = MutableMapping[str, Any]

_MAX_FRAMES = 8
_MAX_CAUSES = 3

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that the current task works for; empty outside one."""


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module. Its messages are constant; pass everything that varies as a field."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(component=name)
    return bound


def configure(service: str, level: str = "INFO", log_format: LogFormat = "json") -> None:
    """Send the logs of this process to standard output; call it once, at the start."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _add_request_id,
            *(_build_json_processors(service) if log_format == "json" else _build_console_processors()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    _redirect_library_logs(max(threshold, logging.WARNING))


@contextmanager
def bind_request_id(value: str) -> Iterator[None]:
    """Add the request id `value` to every line logged inside the context."""
    token = request_id.set(value)
    try:
        yield
    finally:
        request_id.reset(token)


def describe_error(error: BaseException) -> dict[str, object]:
    """Return the log fields of an unexpected error: type, frames, errno and path of an OS error, and its causes.

    The text of the error is left out, because it may quote a prompt or a key. Of a group, the first error counts.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    fields: dict[str, object] = {"error_type": type(error).__name__, "frames": list_frames(error)}
    if isinstance(error, OSError):
        fields |= {"errno": error.errno, "path": error.filename}
    if causes := [_describe_cause(cause) for cause in _list_causes(error)]:
        fields["causes"] = causes
    return {name: value for name, value in fields.items() if value is not None}


def list_frames(error: BaseException) -> list[str]:
    """Return the frames that raised `error`, innermost last, without its text, which may quote a prompt or a key."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    for _ in range(_MAX_CAUSES):
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            return
        yield cause
        error = cause


def _describe_cause(cause: BaseException) -> str:
    place = (list_frames(cause) or ["another process"])[-1]
    detail = f" errno {cause.errno} {cause.filename or ''}".rstrip() if isinstance(cause, OSError) else ""
    return f"{type(cause).__name__}{detail} at {place}"


class LogThrottle:
    """Allows one log line per interval and counts the suppressed ones.

    Args:
        interval_seconds: Least time between two lines.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, interval_seconds: float, monotonic: Callable[[], float]) -> None:
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._next_at: float | None = None
        self._suppressed_since = 0
        self.suppressed = 0
        """How many lines were suppressed between the last allowed line and the one before it."""

    def allows(self) -> bool:
        """Return whether a line may be logged now; a refused line is counted."""
        now = self._monotonic()
        if self._next_at is not None and now < self._next_at:
            self._suppressed_since += 1
            return False
        self._next_at = now + self._interval_seconds
        self.suppressed, self._suppressed_since = self._suppressed_since, 0
        return True


def _build_json_processors(service: str) -> list[structlog.typing.Processor]:
    def add_service(_logger: object, _method: str, event: Event) -> Event:
        event["service"] = service
        return event

    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str).decode()),
    ]


def _build_console_processors() -> list[structlog.typing.Processor]:
    def drop_component(_logger: object, _method: str, event: Event) -> Event:
        event.pop("component", None)
        return event

    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        drop_component,
        structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False),
    ]


def _add_request_id(_logger: object, _method: str, event: Event) -> Event:
    if value := request_id.get():
        event["request_id"] = value
    return event


class _LibraryHandler(logging.Handler):
    """Logs that a library reported a problem, and where; not its message, which may quote a secret."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"library": record.name, "at": f"{record.module}:{record.lineno}"}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= describe_error(record.exc_info[1])
        logger("library").log(record.levelno, "a library reported a problem", **fields)


def _redirect_library_logs(threshold: int) -> None:
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    root.setLevel(threshold)
