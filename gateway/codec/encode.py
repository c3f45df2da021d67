"""Writes a message as a JSON object for callers of the HTTP routes."""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, cast

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from media.common.v1 import error_pb2

from gateway.codec.enums import list_words
from gateway.codec.violations import to_camel_case

Writer = Callable[[Any], object]
"""Called with a field's value; returns its JSON form."""


def encode(message: Message) -> dict[str, object]:
    """Return `message` as a dict for orjson.dumps.

    Names are camelCase (those of alignments as in the contract), enum values are plain words, bytes are base64 and
    64-bit integers stay numbers. Scalars, lists and maps are always present; `optional` fields, messages and members of
    a oneof only if they are set.
    """
    return _get_plan(type(message)).write(message)


_PLANS: dict[type[Message], _Plan] = {}


def _get_plan(kind: type[Message]) -> _Plan:
    plan = _PLANS.get(kind)
    if plan is None:
        plan = _PLANS[kind] = _Plan(kind)
    return plan


class _Plan:
    """Writes messages of one type as JSON objects; compiled once per type, because reflection costs time."""

    __slots__ = ("_always", "_converted", "_get", "_optional")

    def __init__(self, kind: type[Message]) -> None:
        fields = cast("Sequence[FieldDescriptor]", kind.DESCRIPTOR.fields)
        always = [field for field in fields if not field.has_presence]
        names = {field.name: get_json_name(field) for field in fields}
        self._always = tuple(names[field.name] for field in always)
        self._get = _build_getter([field.name for field in always])
        self._converted = [
            (names[field.name], writer) for field in always if (writer := _build_writer(field)) is not None
        ]
        self._optional = [
            (names[field.name], field.name, _build_writer(field)) for field in fields if field.has_presence
        ]

    def write(self, message: Message) -> dict[str, object]:
        """Return `message` as a JSON object."""
        result = dict(zip(self._always, self._get(message)))  # noqa: B905 - equal lengths by construction, and strict costs time
        for name, writer in self._converted:
            result[name] = writer(result[name])
        for name, attribute, optional_writer in self._optional:
            if message.HasField(attribute):
                value = getattr(message, attribute)
                result[name] = optional_writer(value) if optional_writer else value
        return result


def get_json_name(field: FieldDescriptor) -> str:
    """Return the name of a field in responses: camelCase, except in the types that players know in snake_case."""
    kind = field.containing_type
    return field.name if kind is not None and kind.full_name in _IN_SNAKE_CASE else field.json_name


def _build_getter(names: list[str]) -> Callable[[Message], Iterable[object]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: [getattr(message, name) for name in names]


def _build_writer(field: FieldDescriptor) -> Writer | None:
    """Return the function that converts the field's value to JSON, or None if the value is JSON already."""
    if not field.is_repeated:
        return _build_single_writer(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return partial(
            _write_map, _build_key_writer(entry["key"]), _build_single_writer(entry["value"]) or _write_unchanged
        )
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return _write_numbers
    single = _build_single_writer(field)
    return _copy if single is None else partial(_write_list, single)


def _build_key_writer(field: FieldDescriptor) -> Callable[[Any], str]:
    return _write_boolean_key if field.type == FieldDescriptor.TYPE_BOOL else str


def _build_single_writer(field: FieldDescriptor) -> Writer | None:
    if field.message_type is not None:
        return _build_message_writer(field.message_type)
    if field.enum_type is not None:
        return partial(_write_enum, list_words(field.enum_type))
    return _SCALARS.get(field.type)


def _build_message_writer(descriptor: Descriptor) -> Writer:
    if descriptor.file.package == "google.protobuf":
        return json_format.MessageToDict
    if descriptor is error_pb2.FieldError.DESCRIPTOR:
        return _write_field_error
    kind = message_factory.GetMessageClass(descriptor)
    # The plan is looked up at the call, because a message type may contain itself.
    return lambda message: _get_plan(kind).write(message)


def _write_field_error(error: error_pb2.FieldError) -> object:
    """Name the field as the JSON of a request does, and as in other error responses."""
    return {"field": to_camel_case(error.field), "description": error.description}


def _write_map(key_writer: Callable[[Any], str], writer: Writer, items: Mapping[object, object]) -> object:
    # items() of a protobuf map takes twice as long.
    return {key_writer(key): writer(items[key]) for key in items}


def _write_boolean_key(value: bool) -> str:
    return "true" if value else "false"


def _write_unchanged(value: object) -> object:
    return value


def _write_list(writer: Writer, items: Iterable[object]) -> object:
    return [writer(item) for item in items]


def _copy(items: Sequence[object]) -> object:
    # A slice is the fastest way to a list.
    return items[:]


def _write_numbers(items: Sequence[float]) -> object:
    values = items[:]
    # One infinity or NaN makes the sum infinite or NaN; a sum that overflows only takes the slower way.
    return values if math.isfinite(sum(values)) else [_write_number(value) for value in values]


def _write_number(value: float) -> object:
    return value if math.isfinite(value) else _NON_FINITE[str(value)]


def _write_enum(names: Mapping[int, str], value: int) -> object:
    # A newer service may send a value that this gateway does not know.
    return names.get(value, value)


def _write_bytes(value: bytes) -> object:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


_IN_SNAKE_CASE = frozenset({"media.common.v1.Alignment"})
_NON_FINITE: Mapping[str, str] = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_SCALARS: Mapping[int, Writer] = {
    FieldDescriptor.TYPE_BYTES: _write_bytes,
    FieldDescriptor.TYPE_DOUBLE: _write_number,
    FieldDescriptor.TYPE_FLOAT: _write_number,
}
