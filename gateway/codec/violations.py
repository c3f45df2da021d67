"""Collects everything that is wrong with a request, and reports it in one error."""

from __future__ import annotations

import re

from google.protobuf.descriptor import Descriptor

from services.common.errors import FieldViolation, MediaError, Reason

# A suggestion for an unknown field costs about 0.2 ms; a body of thousands of wrong fields is not read to its end.
MAX_VIOLATIONS = 25
_MAX_SHOWN_CHARACTERS = 64


class Violations:
    """The violations found so far in one request.

    Args:
        root: Message of the whole request.
    """

    __slots__ = ("depth", "found", "root")

    def __init__(self, root: Descriptor) -> None:
        self.root = root
        """Message of the whole request."""
        self.found: list[FieldViolation] = []
        self.depth = 0
        """How many messages enclose the value that is read now."""

    def add(self, path: str, description: str) -> object:
        """Record that the field at `path` is wrong; an empty path is the request itself.

        Returns:
            None, which a reader returns in place of a value.

        Raises:
            MediaError: MAX_VIOLATIONS have been found.
        """
        self.found.append(FieldViolation(path or "request", description))
        if len(self.found) >= MAX_VIOLATIONS:
            raise self.build_error()
        return None

    def build_error(self) -> MediaError:
        """Return the VALIDATION_ERROR that names every violation."""
        summary = "; ".join(f"{item.field}: {item.description}" for item in self.found)
        return MediaError(Reason.VALIDATION_ERROR, summary, violations=self.found)


def shorten(key: str) -> str:
    """Return a caller's own key in a form that is short and safe to send back."""
    text = key if len(key) <= _MAX_SHOWN_CHARACTERS else key[: _MAX_SHOWN_CHARACTERS - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def to_camel_case(path: str) -> str:
    """Return a field's path as JSON spells it, such as `items[0].outputFormat`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), path)
