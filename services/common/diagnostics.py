"""Diagnostics of a configuration, for `make doctor` and for the log at each start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from services.common.log import logger

log = logger(__name__)


class Level(Enum):
    """Severity of a diagnostic."""

    OK = "ok"
    """The configuration works."""
    WARNING = "warning"
    """It works, but probably not as intended."""
    PROBLEM = "problem"
    """A configured feature cannot work."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One result of a configuration check. Contains no secret."""

    level: Level
    subject: str
    """What was checked, in a few words."""
    message: str
    """The result of the check."""
    remedy: str = ""
    """What to do about it; empty at level OK."""


def ok(subject: str, message: str) -> Diagnostic:
    """Return a diagnostic of level OK."""
    return Diagnostic(Level.OK, subject, message)


def warning(subject: str, message: str, remedy: str) -> Diagnostic:
    """Return a diagnostic for a setting that is probably not as intended."""
    return Diagnostic(Level.WARNING, subject, message, remedy)


def problem(subject: str, message: str, remedy: str) -> Diagnostic:
    """Return a diagnostic for something that cannot work."""
    return Diagnostic(Level.PROBLEM, subject, message, remedy)


def log_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Log all diagnostics that are not OK; call this at the start of a process."""
    for diagnostic in diagnostics:
        if diagnostic.level is not Level.OK:
            log.warning("configuration", subject=diagnostic.subject, found=diagnostic.message, remedy=diagnostic.remedy)
