"""Makes JSON Schemas of message and enum types, each once, under the type's full name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from gateway.openapi.comments import comment
from gateway.openapi.constraints import cel_notes, constrain, get_rules, option

_Json = dict[str, object]


class Schemas:
    """Collects the schemas of all types that a document speaks of.

    Args:
        requests: Types that callers send. They, and what they hold, allow no other fields, and only fields marked so
            are required; of an answer everything is required that is always there.
    """

    def __init__(self, requests: Iterable[Descriptor]) -> None:
        self.components: dict[str, _Json] = {}
        self._sent = frozenset(name for request in requests for name in _reachable(request))

    def reference(self, kind: Descriptor | EnumDescriptor) -> _Json:
        """Return a reference to the schema of `kind`, which is made if it is not there yet."""
        if kind.full_name not in self.components:
            # Entered before it is filled, because a type may hold itself.
            component = self.components[kind.full_name] = {}
            component.update(_enum(kind) if isinstance(kind, EnumDescriptor) else self._message(kind, ()))
        return _pointer(kind.full_name)

    def refer_reduced(self, kind: Descriptor, omit: Collection[str], name: str) -> _Json:
        """Return a reference to a schema of `kind` called `name`, without the fields `omit`."""
        self.components[name] = self._message(kind, omit)
        return _pointer(name)

    def resolve(self, node: object) -> object:
        """Return the schema `node` with every message type in it replaced by a reference."""
        if isinstance(node, type) and issubclass(node, Message):
            return self.reference(_descriptor(node))
        if isinstance(node, Mapping):
            return {key: self.resolve(value) for key, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [self.resolve(item) for item in node]
        return node

    def field(self, field: FieldDescriptor) -> _Json:
        """Return the schema of the value of `field`, with its comment and its rules."""
        schema = self._shape(field)
        notes = constrain(schema, get_rules(field), _enum_in(field))
        return schema | _add_description(comment(field.full_name), notes)

    def _message(self, kind: Descriptor, omit: Collection[str]) -> _Json:
        fields = [field for field in kind.fields if field.name not in omit]
        sent = kind.full_name in self._sent
        schema: _Json = {
            "type": "object",
            **_add_description(comment(kind.full_name), _message_notes(kind)),
            "properties": {field.json_name: self.field(field) for field in fields},
        }
        if required := [field.json_name for field in fields if (is_required if sent else _always_there)(field)]:
            schema["required"] = required
        if sent:
            schema["additionalProperties"] = False
        return schema

    def _shape(self, field: FieldDescriptor) -> _Json:
        if not field.is_repeated:
            return self._single(field)
        entry = field.message_type
        if entry is None or not entry.GetOptions().map_entry:
            return {"type": "array", "items": self._single(field)}
        schema: _Json = {"type": "object", "additionalProperties": self._single(entry.fields_by_name["value"])}
        if (key := entry.fields_by_name["key"]).type != FieldDescriptor.TYPE_STRING:
            is_flag = key.type == FieldDescriptor.TYPE_BOOL
            schema["propertyNames"] = {"enum": ["true", "false"]} if is_flag else {"pattern": "^(0|-?[1-9][0-9]*)$"}
        return schema

    def _single(self, field: FieldDescriptor) -> _Json:
        kind = field.message_type or field.enum_type
        if kind is None:
            return dict(_SCALARS[field.type])
        if kind.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[kind.full_name])
        return self.reference(kind)


def is_required(field: FieldDescriptor) -> bool:
    """Return whether a caller must send `field`."""
    behaviors = option(field, field_behavior_pb2.field_behavior)
    return field_behavior_pb2.REQUIRED in behaviors or get_rules(field).required


def is_object(field: FieldDescriptor) -> bool:
    """Return whether the value of `field`, or of each of its items, has fields of its own in JSON."""
    return field.message_type is not None and _WELL_KNOWN.get(field.message_type.full_name, {}).get("type") not in (
        "string",
        "integer",
        "number",
        "boolean",
    )


def _always_there(field: FieldDescriptor) -> bool:
    return not field.has_presence


def _descriptor(kind: type[Message]) -> Descriptor:
    return kind.DESCRIPTOR  # type: ignore[return-value]  # protobuf's native class, a Descriptor in all but name


def _pointer(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _reachable(kind: Descriptor) -> Iterator[str]:
    """Yield the full names of `kind` and of every message type it holds."""
    seen: set[str] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if current.full_name not in seen:
            seen.add(current.full_name)
            waiting += [field.message_type for field in current.fields if field.message_type is not None]
    yield from seen


def _enum_in(field: FieldDescriptor) -> EnumDescriptor | None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return entry.fields_by_name["value"].enum_type
    return field.enum_type


def _enum(kind: EnumDescriptor) -> _Json:
    values = [f"- `{value.name}`: {comment(f'{kind.full_name}.{value.name}')}" for value in kind.values]
    text = "\n".join((comment(kind.full_name), "", *values))
    return {"type": "string", "description": text, "enum": [value.name for value in kind.values]}


def _message_notes(kind: Descriptor) -> list[str]:
    rules: validate_pb2.MessageRules = option(kind, validate_pb2.message)
    notes = cel_notes(rules)
    for rule in rules.oneof:
        names = [kind.fields_by_name[name].json_name for name in rule.fields]
        notes.append(_choice(names, required=rule.required))
    for oneof in kind.oneofs:
        if len(oneof.fields) > 1:
            names = [field.json_name for field in oneof.fields]
            notes.append(_choice(names, required=_demands_one(oneof)))
    return notes


def _demands_one(oneof: OneofDescriptor) -> bool:
    return bool(option(oneof, validate_pb2.oneof).required)


def _choice(names: Iterable[str], *, required: bool) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"{'Exactly' if required else 'At most'} one of {listed}."


def _add_description(text: str, notes: Iterable[str]) -> _Json:
    whole = " ".join(part for part in (text, *notes) if part)
    return {"description": whole} if whole else {}


def _integer(bits: int, *, signed: bool) -> _Json:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return {"type": "integer", "format": f"{'' if signed else 'u'}int{bits}", "minimum": low, "maximum": high}


def _string(form: str) -> _Json:
    return {"type": "string", "format": form}


_SCALARS: Mapping[int, _Json] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_INT32: _integer(32, signed=True),
    FieldDescriptor.TYPE_SINT32: _integer(32, signed=True),
    FieldDescriptor.TYPE_SFIXED32: _integer(32, signed=True),
    FieldDescriptor.TYPE_UINT32: _integer(32, signed=False),
    FieldDescriptor.TYPE_FIXED32: _integer(32, signed=False),
    FieldDescriptor.TYPE_INT64: _integer(64, signed=True),
    FieldDescriptor.TYPE_SINT64: _integer(64, signed=True),
    FieldDescriptor.TYPE_SFIXED64: _integer(64, signed=True),
    FieldDescriptor.TYPE_UINT64: _integer(64, signed=False),
    FieldDescriptor.TYPE_FIXED64: _integer(64, signed=False),
}
_WELL_KNOWN: Mapping[str, _Json] = {
    "google.protobuf.Any": {"type": "object", "properties": {"@type": {"type": "string"}}, "required": ["@type"]},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Timestamp": _string("date-time"),
    "google.protobuf.Value": {},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
    "google.protobuf.FloatValue": {"type": "number", "format": "float"},
    "google.protobuf.Int32Value": _integer(32, signed=True),
    # protobuf's own JSON form of the two, which keeps them whole in JavaScript.
    "google.protobuf.Int64Value": _string("int64"),
    "google.protobuf.UInt64Value": _string("uint64"),
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.UInt32Value": _integer(32, signed=False),
}
