"""Reads parsed JSON into a message, and names every field that does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.codec import values
from gateway.codec.hints import OTHER_NAMES, SHORTCUTS, build_hint, describe_object
from gateway.codec.values import Reader
from gateway.codec.violations import Violations, shorten

_M = TypeVar("_M", bound=Message)

# protobuf refuses to parse more than 100 levels, so a service could not read a deeper message.
_MAX_DEPTH = 64


def decode(kind: type[_M], data: object, *, path: str = "") -> _M:
    """Return `data` as a message of type `kind`.

    Field names may be camelCase or snake_case, null means absent, and 64-bit integers may be strings of digits. Words
    of a fixed set may be in any case. A field that stands in the wrong place is an error that names its place.

    Args:
        kind: The message type.
        data: What a JSON parser returned: dicts with string keys, lists, strings, numbers, booleans, None.
        path: Path of `data` in the request; errors prefix it to the paths of fields.

    Raises:
        MediaError: VALIDATION_ERROR with a violation for each field that is unknown, given twice or of a wrong type, up
            to MAX_VIOLATIONS of them.
    """
    violations = Violations(kind.DESCRIPTOR)  # type: ignore[arg-type]  # protobuf's native class, a Descriptor in all but name
    message = _get_plan(kind).read(data, path, violations)
    if violations.found:
        raise violations.build_error()
    return cast("_M", message)


_PLANS: dict[type[Message], _Plan] = {}


def _get_plan(kind: type[Message]) -> _Plan:
    plan = _PLANS.get(kind)
    if plan is None:
        plan = _PLANS[kind] = _Plan(kind)
    return plan


class _Plan:
    """Reads JSON objects into messages of one type; compiled once per type, because reflection costs time."""

    __slots__ = ("_descriptor", "_exclusive", "_fields", "_keeps_null", "_kind", "_shortcuts")

    def __init__(self, kind: type[Message]) -> None:
        fields = cast("Sequence[FieldDescriptor]", kind.DESCRIPTOR.fields)
        self._kind = kind
        self._descriptor = cast("Descriptor", kind.DESCRIPTOR)
        self._fields: dict[str, tuple[str, Reader]] = {}
        for field in fields:
            self._fields[field.name] = self._fields[field.json_name] = (field.name, _build_reader(field))
        for name, others in OTHER_NAMES.items():
            if name in self._fields and not self._fields.keys() & set(others):
                self._fields |= dict.fromkeys(others, self._fields[name])
        self._shortcuts = _list_shortcuts(self._descriptor)
        self._keeps_null = frozenset(field.name for field in fields if _is_any_json(field))
        self._exclusive = [
            tuple(field.name for field in oneof.fields) for oneof in kind.DESCRIPTOR.oneofs if len(oneof.fields) > 1
        ]

    def read(self, data: object, path: str, violations: Violations) -> object:
        """Return `data` as a message, or None if the request has a violation so far."""
        if type(data) is not dict:
            names = f"; its fields are {describe_object(self._descriptor)}" if path else ""
            return violations.add(path, f"must be an object{names}")
        if violations.depth >= _MAX_DEPTH:
            return violations.add(path, f"must not be nested more than {_MAX_DEPTH} levels deep")
        if self._shortcuts and not self._shortcuts.keys().isdisjoint(data):
            data = _follow_shortcuts(data, self._shortcuts)
        violations.depth += 1
        found = self._read_fields(data, f"{path}." if path else "", violations)
        violations.depth -= 1
        return None if violations.found else self._kind(**found)

    def _read_fields(self, data: dict[str, object], prefix: str, violations: Violations) -> dict[str, object]:
        fields = self._fields
        found: dict[str, object] = {}
        for key, value in data.items():
            field = fields.get(key)
            if field is None:
                hint = build_hint(self._descriptor, violations.root, prefix, key, data)
                violations.add(prefix + shorten(key), f"is not a known field{hint}")
                continue
            name, read = field
            if name in found:
                violations.add(prefix + name, f"must be given once, not also as {shorten(key)}")
            elif value is None and name not in self._keeps_null:
                found[name] = None
            else:
                found[name] = read(value, prefix + name, violations)
        for group in self._exclusive:
            members = [name for name in group if found.get(name) is not None]
            for name in members[1:]:
                violations.add(prefix + name, f"must not be given together with {members[0]}")
        return found


def _list_shortcuts(kind: Descriptor) -> Mapping[str, tuple[str, str]]:
    """Return those of SHORTCUTS that lead to a field of `kind`, unless `kind` has a field of that name itself."""
    return {
        key: (outer, inner)
        for key, (outer, inner) in SHORTCUTS.items()
        if inner not in kind.fields_by_name
        and (nested := kind.fields_by_name.get(outer)) is not None
        and nested.message_type is not None
        and inner in nested.message_type.fields_by_name
    }


def _follow_shortcuts(data: dict[str, object], shortcuts: Mapping[str, tuple[str, str]]) -> dict[str, object]:
    """Return `data` with the fields of `shortcuts` where they belong; those that stand there as well stay unknown."""
    moved = dict(data)
    for key in shortcuts.keys() & data.keys():
        outer, inner = shortcuts[key]
        nested = moved.get(outer)
        if nested is None:
            nested = {}
        if isinstance(nested, dict) and not shortcuts.keys() & nested.keys():
            moved[outer] = {**nested, inner: moved.pop(key)}
    return moved


def _build_reader(field: FieldDescriptor) -> Reader:
    if not field.is_repeated:
        return _build_single_reader(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _build_map_reader(field.message_type)
    return _build_list_reader(_build_single_reader(field))


def _build_list_reader(read_item: Reader) -> Reader:
    def read(value: object, path: str, violations: Violations) -> object:
        if type(value) is not list:
            return violations.add(path, "must be a list")
        return [read_item(item, f"{path}[{index}]", violations) for index, item in enumerate(value)]

    return read


def _build_map_reader(entry: Descriptor) -> Reader:
    read_key = values.build_map_key_reader(entry.fields_by_name["key"])
    read_value = _build_single_reader(entry.fields_by_name["value"])

    def read(value: object, path: str, violations: Violations) -> object:
        if type(value) is not dict:
            return violations.add(path, "must be an object")
        found: dict[object, object] = {}
        for key, item in value.items():
            item_path = f"{path}[{shorten(key)}]"
            found[read_key(key, item_path, violations)] = read_value(item, item_path, violations)
        return found

    return read


def _build_single_reader(field: FieldDescriptor) -> Reader:
    if field.message_type is None:
        return values.build_scalar_reader(field)
    kind = message_factory.GetMessageClass(field.message_type)
    if field.message_type.file.package == "google.protobuf":
        return values.build_well_known_reader(kind)

    def read(value: object, path: str, violations: Violations) -> object:
        # The plan is looked up at the call, because a message type may contain itself.
        return _get_plan(kind).read(value, path, violations)

    return read


def _is_any_json(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and not field.is_repeated and kind.full_name == "google.protobuf.Value"
