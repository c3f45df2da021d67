"""Converts buf.validate rules to JSON Schema keywords, and rules without a keyword to sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import DescriptorBase, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.codec.enums import list_words

_KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "const": ("const",),
    "gt": ("exclusiveMinimum",),
    "gte": ("minimum",),
    "lt": ("exclusiveMaximum",),
    "lte": ("maximum",),
    "len": ("minLength", "maxLength"),
    "min_len": ("minLength",),
    "max_len": ("maxLength",),
    "pattern": ("pattern",),
    "min_items": ("minItems",),
    "max_items": ("maxItems",),
    "unique": ("uniqueItems",),
    "min_pairs": ("minProperties",),
    "max_pairs": ("maxProperties",),
    "in": ("enum",),
    "example": ("examples",),
}
_FORMATS: Mapping[str, str] = {
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "uuid": "uuid",
}
# These need no keyword: JSON cannot express a violation, or the codec refuses it in every field.
_IMPLIED = frozenset({"finite", "strict", "defined_only"})
# In JSON these are strings that encode the value, so keywords would limit the string, not the value.
_ENCODED = frozenset({"bytes", "duration", "timestamp", "field_mask", "any"})


def get_option(element: DescriptorBase, extension: Any) -> Any:
    """Return the value of a custom option of an element; the default if it is not set."""
    return element.GetOptions().Extensions[extension]


def get_rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """Return the rules of `field`; empty if it has none or they are switched off."""
    rules: validate_pb2.FieldRules = get_option(field, validate_pb2.field)
    return validate_pb2.FieldRules() if rules.ignore == validate_pb2.IGNORE_ALWAYS else rules


def constrain(schema: dict[str, object], rules: validate_pb2.FieldRules, enum: EnumDescriptor | None) -> list[str]:
    """Add the keywords for `rules` to `schema`.

    Args:
        schema: The schema of the field's value; changed in place, its `items` and the like included.
        rules: The rules of the field or of its items.
        enum: The type of the value, or of its items, if it is an enum.

    Returns:
        The rules without a keyword, as sentences for the description.
    """
    notes = describe_cel_rules(rules)
    kind = rules.WhichOneof("type")
    if kind is None:
        return notes
    for rule, value in getattr(rules, kind).ListFields():
        if kind in _ENCODED or not _apply_rule(schema, rule.name, value, enum, notes):
            notes.append(_to_sentence(f"{rule.name.replace('_', ' ')}: {_to_words(value)}"))
    return notes


def describe_cel_rules(rules: validate_pb2.FieldRules | validate_pb2.MessageRules) -> list[str]:
    """Return the rules that are CEL expressions as sentences, from their messages if they have one."""
    written = [rule.message or f"must fulfil `{rule.expression}`" for rule in rules.cel]
    bare = [f"must fulfil `{expression}`" for expression in rules.cel_expression]
    return [_to_sentence(text) for text in (*written, *bare)]


def _apply_rule(
    schema: dict[str, object], name: str, value: object, enum: EnumDescriptor | None, notes: list[str]
) -> bool:
    """Add the keywords for one rule to `schema`; return False if the rule has none."""
    if isinstance(value, validate_pb2.FieldRules):
        notes.extend(_describe_nested(schema, name, value, enum))
    elif name in _KEYWORDS:
        schema.update(dict.fromkeys(_KEYWORDS[name], _to_json(value, enum)))
    elif name in _FORMATS:
        schema["format"] = _FORMATS[name]
    elif name == "not_in":
        schema["not"] = {"enum": _to_json(value, enum)}
    else:
        return name in _IMPLIED
    return True


def _describe_nested(
    schema: dict[str, object], name: str, rules: validate_pb2.FieldRules, enum: EnumDescriptor | None
) -> list[str]:
    place = {"items": "items", "keys": "propertyNames", "values": "additionalProperties"}[name]
    inner = schema.setdefault(place, {"type": "string"})
    if not isinstance(inner, dict):
        raise TypeError(f"the schema has no object for the rules of {name}")
    notes = constrain(inner, rules, None if name == "keys" else enum)
    return [f"{'Each of the ' + name if name != 'items' else 'Each item'}: {note}" for note in notes]


def _to_json(value: object, enum: EnumDescriptor | None) -> object:
    """Return a rule's value in the form of a JSON Schema."""
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, int):
        return list_words(enum)[value] if enum is not None else value
    return [_to_json(item, enum) for item in value]  # type: ignore[attr-defined]  # the rest are protobuf's lists


def _to_words(value: object) -> str:
    """Return a rule's value as text for a description."""
    if isinstance(value, Message):
        return ", ".join(f"{field.name} {item}" for field, item in value.ListFields()) or "0"
    return str(value)


def _to_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
