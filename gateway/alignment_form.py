"""The form in which routes give timing: callers choose with `alignmentForm`, in the query or in a JSON body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor

from gateway.codec.enums import fold
from gateway.http_rules import HttpRule
from services.common.errors import invalid
from services.common.timing.alignment import Alignment
from services.common.timing.raw import to_raw

PARAMETER = "alignmentForm"
FORMS = ("normalized", "raw")
"""The forms; the first is the default."""
_FIELD = "alignment_form"
_ALIGNMENT = "media.common.v1.Alignment"
_STARTS, _ENDS = "character_start_times_seconds", "character_end_times_seconds"


def takes_alignment_form(rule: HttpRule) -> bool:
    """Return whether the route of `rule` gives timing, in the form that the query names."""
    return rule.method == "GET" and _holds_alignment(rule.answer)


def _holds_alignment(kind: Descriptor) -> bool:
    """Return whether a message of type `kind` may hold an alignment, at any depth; lists of messages leave it out."""
    seen: set[str] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if current.full_name not in seen:
            seen.add(current.full_name)
            waiting += [
                field.message_type
                for field in current.fields
                if field.message_type is not None and not field.is_repeated
            ]
    return _ALIGNMENT in seen


def take_alignment_form(*sources: dict[str, Any]) -> bool:
    """Remove the form from the fields of a request and return whether it is raw.

    Raises:
        MediaError: VALIDATION_ERROR, the form is unknown or given twice.
    """
    found = [source.pop(name) for source in sources for name in (PARAMETER, _FIELD) if name in source]
    if len(found) > 1:
        raise invalid(_FIELD, "must be given once")
    if not found or found[0] is None:
        return False
    if not isinstance(found[0], str) or fold(found[0]) not in FORMS:
        raise invalid(_FIELD, f"must be one of {', '.join(FORMS)}")
    return fold(found[0]) != FORMS[0]


def to_raw_json(node: Any) -> Any:
    """Return a JSON value with the raw form in place of each alignment in it."""
    if isinstance(node, list):
        return [to_raw_json(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    if _STARTS in node and _ENDS in node:
        return to_raw(Alignment(tuple(node["characters"]), tuple(node[_STARTS]), tuple(node[_ENDS])))
    return {name: to_raw_json(value) for name, value in node.items()}
