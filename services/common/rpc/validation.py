"""Parse and check requests: one error names every field that breaks a rule of its contract (buf.validate)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import protovalidate
from google.protobuf import empty_pb2, unknown_fields
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from services.common.errors import FieldViolation, MediaError, Reason, invalid

# An error travels in HTTP/2 headers. Callers accept 8 KiB of them; with more they would see another error.
WHOLE_REQUEST = "request"
"""Field of a violation by the message itself, not by one of its fields."""
_MAX_VIOLATIONS = 25
_LENGTH_DELIMITED = 2
_STRING_IN = "string.in"
_LIST_START = "must be in list ["
_REQUIRED = "required"
"""Rule of a field, or of a oneof, that must be set."""


@dataclass(frozen=True, slots=True)
class MalformedRequest:
    """The bytes of a request that is not a valid message."""

    content: bytes
    descriptor: Descriptor | None

    def to_error(self) -> MediaError:
        """Return the error that names the first string field that is not UTF-8, if there is one."""
        if self.descriptor is not None and (field := _find_broken_string(self.content, self.descriptor)):
            return invalid(field, "must be valid UTF-8")
        return MediaError(Reason.VALIDATION_ERROR, "The request is not a valid protobuf message of this method.")


def make_lenient_deserializer(
    deserialize: Callable[[bytes], Message] | None,
) -> Callable[[bytes], Message | MalformedRequest] | None:
    """Wrap `deserialize` to return MalformedRequest where it would raise.

    If it raises, the gRPC library answers INTERNAL without a reason, and no interceptor sees the call.
    """
    if deserialize is None:
        return None
    descriptor = getattr(getattr(deserialize, "__self__", None), "DESCRIPTOR", None)

    def parse(content: bytes) -> Message | MalformedRequest:
        try:
            return deserialize(content)
        except (DecodeError, UnicodeDecodeError):
            return MalformedRequest(content, descriptor)

    return parse


def validate(message: Message) -> None:
    """Raise VALIDATION_ERROR naming every field of `message` that breaks a rule of its contract, 25 at most."""
    found = protovalidate.collect_violations(message)[:_MAX_VIOLATIONS]
    if not found:
        return
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    violations = [FieldViolation(_build_path(item.proto), _describe(item.proto, descriptor)) for item in found]
    summary = "; ".join(f"{item.field}: {item.description}" for item in violations)
    raise MediaError(Reason.VALIDATION_ERROR, summary, violations=violations)


def _describe(violation: protovalidate.ViolationPb, descriptor: Descriptor) -> str:
    """Return what is wrong; the library's own words for a missing field or choice do not say what would be right."""
    if violation.rule_id == _STRING_IN:
        return f"must be one of {violation.message.removeprefix(_LIST_START).removesuffix(']')}"
    if violation.rule_id != _REQUIRED or violation.field is None:
        return violation.message
    *parents, name = (element.field_name for element in violation.field.elements)
    for parent in parents:
        descriptor = _get_message_type(descriptor, parent)
        if descriptor.GetOptions().map_entry:
            descriptor = _get_message_type(descriptor, "value")
    choice = descriptor.oneofs_by_name.get(name)
    if choice is None:
        return "must be given"
    *members, last = (field.name for field in choice.fields)
    return f"exactly one of {', '.join(members)} and {last} must be given"


def _get_message_type(descriptor: Descriptor, field: str) -> Descriptor:
    return cast("Descriptor", descriptor.fields_by_name[field].message_type)


def _find_broken_string(content: bytes, descriptor: Descriptor) -> str | None:
    try:
        raw = unknown_fields.UnknownFieldSet(empty_pb2.Empty.FromString(content))
    except DecodeError:
        return None
    for index in range(len(raw)):
        item = raw[index]
        field = descriptor.fields_by_number.get(item.field_number)
        if field is None or field.type != FieldDescriptor.TYPE_STRING or item.wire_type != _LENGTH_DELIMITED:
            continue
        try:
            item.data.decode()
        except UnicodeDecodeError:
            return str(field.name)
    return None


def _build_path(violation: protovalidate.ViolationPb) -> str:
    path = ""
    for element in violation.field.elements if violation.field else ():
        path += f".{element.field_name}"
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path.lstrip(".") or WHOLE_REQUEST
