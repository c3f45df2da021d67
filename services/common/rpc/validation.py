"""Check messages against the rules of their contracts (buf.validate); one error names every wrong field."""

from __future__ import annotations

import protovalidate
from google.protobuf.message import Message

from services.common.errors import FieldViolation, MediaError, Reason

# An error travels in HTTP/2 headers. Callers accept 8 KiB of them; with more they would see another error.
_MAX_VIOLATIONS = 25


def validate(message: Message) -> None:
    """Raise VALIDATION_ERROR naming every field of `message` that breaks a rule of its contract, 25 at most."""
    found = protovalidate.collect_violations(message)[:_MAX_VIOLATIONS]
    if not found:
        return
    violations = [FieldViolation(_path(item.proto), item.proto.message) for item in found]
    summary = "; ".join(f"{item.field}: {item.description}" for item in violations)
    raise MediaError(Reason.VALIDATION_ERROR, summary, violations=violations)


def _path(violation: protovalidate.ViolationPb) -> str:
    path = ""
    for element in violation.field.elements if violation.field else ():
        path += f".{element.field_name}"
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path.lstrip(".") or "request"
