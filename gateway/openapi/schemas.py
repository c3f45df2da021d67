"""Builds the JSON Schemas of message and enum types, each once, under the type's full name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from gateway.codec.encode import get_json_name
from gateway.codec.enums import list_words
from gateway.openapi.comments import find_comment
from gateway.openapi.constraints import constrain, describe_cel_rules, get_option, get_rules

_Json = dict[str, object]

_LARGEST_EXACT = 2**53 - 1
"""Largest whole number that JavaScript holds exactly."""


class Schemas:
    """Collects the schemas of all types that a document refers to.

    Args:
        requests: Types that callers send. These, and the types in their fields, allow no unknown field, and require the
            fields marked as required. All other types require the fields that a response always has.
    """

    def __init__(self, requests: Iterable[Descriptor]) -> None:
        self.components: dict[str, _Json] = {}
        self._sent = frozenset(name for request in requests for name in _list_reachable(request))

    def refer_to(self, kind: Descriptor | EnumDescriptor) -> _Json:
        """Return a reference to the schema of `kind`, and build the schema at the first call."""
        if kind.full_name not in self.components:
            # The empty schema is stored first, because a type may contain itself.
            component = self.components[kind.full_name] = {}
            component.update(
                _build_enum_schema(kind) if isinstance(kind, EnumDescriptor) else self._build_message_schema(kind, ())
            )
        return _build_pointer(kind.full_name)

    def refer_reduced(self, kind: Descriptor, omit: Collection[str], name: str) -> _Json:
        """Build a schema of `kind` without the fields `omit`, and return a reference to it as `name`."""
        self.components[name] = self._build_message_schema(kind, omit)
        return _build_pointer(name)

    def resolve(self, node: object) -> object:
        """Return `node`, a schema that may contain message types, with a reference in place of each."""
        if isinstance(node, type) and issubclass(node, Message):
            return self.refer_to(_get_descriptor(node))
        if isinstance(node, Mapping):
            return {key: self.resolve(value) for key, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [self.resolve(item) for item in node]
        return node

    def build_field_schema(self, field: FieldDescriptor) -> _Json:
        """Return the schema of `field`, with its comment and its rules."""
        schema = self._build_value_schema(field)
        notes = constrain(schema, get_rules(field), _find_enum(field))
        return schema | _build_description(find_comment(field.full_name), notes)

    def _build_message_schema(self, kind: Descriptor, omit: Collection[str]) -> _Json:
        fields = [field for field in kind.fields if field.name not in omit]
        sent = kind.full_name in self._sent
        schema: _Json = {
            "type": "object",
            **_build_description(find_comment(kind.full_name), _describe_message_rules(kind)),
            "properties": {get_json_name(field): self.build_field_schema(field) for field in fields},
        }
        if required := [
            get_json_name(field) for field in fields if (is_required if sent else _is_always_present)(field)
        ]:
            schema["required"] = required
        if sent:
            schema["additionalProperties"] = False
        return schema

    def _build_value_schema(self, field: FieldDescriptor) -> _Json:
        if not field.is_repeated:
            return self._build_single_schema(field)
        entry = field.message_type
        if entry is None or not entry.GetOptions().map_entry:
            return {"type": "array", "items": self._build_single_schema(field)}
        schema: _Json = {
            "type": "object",
            "additionalProperties": self._build_single_schema(entry.fields_by_name["value"]),
        }
        if (key := entry.fields_by_name["key"]).type != FieldDescriptor.TYPE_STRING:
            is_flag = key.type == FieldDescriptor.TYPE_BOOL
            schema["propertyNames"] = {"enum": ["true", "false"]} if is_flag else {"pattern": "^(0|-?[1-9][0-9]*)$"}
        return schema

    def _build_single_schema(self, field: FieldDescriptor) -> _Json:
        kind = field.message_type or field.enum_type
        if kind is None:
            return dict(_SCALARS[field.type])
        if kind.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[kind.full_name])
        return self.refer_to(kind)


def is_required(field: FieldDescriptor) -> bool:
    """Return whether a caller must send `field`."""
    behaviors = get_option(field, field_behavior_pb2.field_behavior)
    return field_behavior_pb2.REQUIRED in behaviors or get_rules(field).required


def is_object(field: FieldDescriptor) -> bool:
    """Return whether the value of `field`, or each item of it, is an object in JSON."""
    return field.message_type is not None and _WELL_KNOWN.get(field.message_type.full_name, {}).get("type") not in (
        "string",
        "integer",
        "number",
        "boolean",
    )


def _is_always_present(field: FieldDescriptor) -> bool:
    return not field.has_presence


def _get_descriptor(kind: type[Message]) -> Descriptor:
    return kind.DESCRIPTOR  # type: ignore[return-value]  # protobuf's native class, a Descriptor in all but name


def _build_pointer(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_reachable(kind: Descriptor) -> Iterator[str]:
    """Yield the full names of `kind` and of all message types in its fields, at any depth."""
    names: set[str] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if current.full_name not in names:
            names.add(current.full_name)
            waiting += [field.message_type for field in current.fields if field.message_type is not None]
    yield from names


def _find_enum(field: FieldDescriptor) -> EnumDescriptor | None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return entry.fields_by_name["value"].enum_type
    return field.enum_type


def _build_enum_schema(kind: EnumDescriptor) -> _Json:
    words = list_words(kind)
    values = [f"- `{words[value.number]}`: {find_comment(f'{kind.full_name}.{value.name}')}" for value in kind.values]
    text = "\n".join((find_comment(kind.full_name), "", *values))
    return {"type": "string", "description": text, "enum": list(words.values())}


def _describe_message_rules(kind: Descriptor) -> list[str]:
    rules: validate_pb2.MessageRules = get_option(kind, validate_pb2.message)
    notes = describe_cel_rules(rules)
    for rule in rules.oneof:
        names = [kind.fields_by_name[name].json_name for name in rule.fields]
        notes.append(_describe_choice(names, required=rule.required))
    for oneof in kind.oneofs:
        if len(oneof.fields) > 1:
            names = [field.json_name for field in oneof.fields]
            notes.append(_describe_choice(names, required=_requires_member(oneof)))
    return notes


def _requires_member(oneof: OneofDescriptor) -> bool:
    return bool(get_option(oneof, validate_pb2.oneof).required)


def _describe_choice(names: Iterable[str], *, required: bool) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"{'Exactly' if required else 'At most'} one of {listed}."


def _build_description(text: str, notes: Iterable[str]) -> _Json:
    whole = " ".join(part for part in (text, *notes) if part)
    return {"description": whole} if whole else {}


def _build_integer_schema(bits: int, *, signed: bool) -> _Json:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    schema: _Json = {"type": "integer", "format": f"{'' if signed else 'u'}int{bits}"}
    limits = {"minimum": low, "maximum": high}
    # A browser would round other limits, and show or send a number that is out of range.
    return schema | {name: limit for name, limit in limits.items() if abs(limit) <= _LARGEST_EXACT}


def _build_string_schema(form: str) -> _Json:
    return {"type": "string", "format": form}


_SCALARS: Mapping[int, _Json] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_INT32: _build_integer_schema(32, signed=True),
    FieldDescriptor.TYPE_SINT32: _build_integer_schema(32, signed=True),
    FieldDescriptor.TYPE_SFIXED32: _build_integer_schema(32, signed=True),
    FieldDescriptor.TYPE_UINT32: _build_integer_schema(32, signed=False),
    FieldDescriptor.TYPE_FIXED32: _build_integer_schema(32, signed=False),
    FieldDescriptor.TYPE_INT64: _build_integer_schema(64, signed=True),
    FieldDescriptor.TYPE_SINT64: _build_integer_schema(64, signed=True),
    FieldDescriptor.TYPE_SFIXED64: _build_integer_schema(64, signed=True),
    FieldDescriptor.TYPE_UINT64: _build_integer_schema(64, signed=False),
    FieldDescriptor.TYPE_FIXED64: _build_integer_schema(64, signed=False),
}
_WELL_KNOWN: Mapping[str, _Json] = {
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Timestamp": _build_string_schema("date-time"),
    "google.protobuf.Value": {},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
    "google.protobuf.FloatValue": {"type": "number", "format": "float"},
    "google.protobuf.Int32Value": _build_integer_schema(32, signed=True),
    # protobuf writes these two as strings, because JavaScript cannot represent them as numbers.
    "google.protobuf.Int64Value": _build_string_schema("int64"),
    "google.protobuf.UInt64Value": _build_string_schema("uint64"),
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.UInt32Value": _build_integer_schema(32, signed=False),
}
