"""What is found when a configuration is looked at: for `make doctor`, and for the log at each start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from services.common.log import logger

log = logger(__name__)


class Level(Enum):
    """How much a finding matters."""

    OK = "ok"
    """All is well."""
    WARNING = "warning"
    """It works, but probably not as meant."""
    PROBLEM = "problem"
    """Something that was asked for cannot work."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that was found. Holds no secret."""

    level: Level
    subject: str
    """What was looked at, in a few words."""
    message: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty where all is well."""


def ok(subject: str, message: str) -> Diagnostic:
    """Return a finding that all is well."""
    return Diagnostic(Level.OK, subject, message)


def warning(subject: str, message: str, remedy: str) -> Diagnostic:
    """Return a finding that something is probably not as meant."""
    return Diagnostic(Level.WARNING, subject, message, remedy)


def problem(subject: str, message: str, remedy: str) -> Diagnostic:
    """Return a finding that something cannot work."""
    return Diagnostic(Level.PROBLEM, subject, message, remedy)


def log_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Log what is not well, at the start of a process."""
    for diagnostic in diagnostics:
        if diagnostic.level is not Level.OK:
            log.warning("configuration", subject=diagnostic.subject, found=diagnostic.message, remedy=diagnostic.remedy)
