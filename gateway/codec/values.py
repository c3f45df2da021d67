"""Readers of single JSON values: each returns what a protobuf field takes, or records what the value must be."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Mapping

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.codec.enums import UNSPECIFIED, fold, list_choices, list_readings, list_words
from gateway.codec.violations import Violations

Reader = Callable[[object, str, Violations], object]
"""Called with a value, its path and the violations so far; returns None if it has recorded a violation."""

_FLOAT_MAX = (2 - 2**-23) * 2.0**127
# A float above this may be one of several whole numbers.
_EXACT_FLOAT_MAX = 2.0**53
_DIGITS = re.compile(r"0|-?[1-9][0-9]{0,19}")
_URL_SAFE = str.maketrans("-_", "+/")

_WELL_KNOWN_FORMS: Mapping[str, str] = {
    "google.protobuf.Timestamp": "must be a time such as 2027-01-31T12:00:00Z",
    "google.protobuf.Duration": "must be a length of time in seconds such as 1.5s",
    "google.protobuf.FieldMask": "must be field names separated by commas",
    "google.protobuf.Struct": "must be an object",
    "google.protobuf.ListValue": "must be a list",
    "google.protobuf.Empty": "must be an empty object",
    "google.protobuf.Any": "must be an object whose @type names a known message",
}


def build_scalar_reader(field: FieldDescriptor) -> Reader:
    """Return the reader of a field that is not a message; if it is repeated, of one item."""
    if field.enum_type is not None:
        return _build_enum_reader(field.enum_type)
    if field.type in _RANGES:
        low, high = _RANGES[field.type]
        return _build_integer_reader(low, high, accept_digits=high > 2**32)
    if field.type == FieldDescriptor.TYPE_STRING and (choices := list_choices(field)):
        return _build_choice_reader(choices)
    return _PLAIN[field.type]


def build_well_known_reader(kind: type[Message]) -> Reader:
    """Return a reader of a google.protobuf type; the protobuf library parses its JSON form."""
    expected = _WELL_KNOWN_FORMS.get(kind.DESCRIPTOR.full_name, "must be a plain JSON value of the field's type")

    def read(value: object, path: str, violations: Violations) -> object:
        try:
            return json_format.ParseDict(value, kind())  # type: ignore[arg-type]  # takes any JSON value for these types
        except (json_format.ParseError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return violations.add(path, expected)

    return read


def build_map_key_reader(field: FieldDescriptor) -> Reader:
    """Return a reader of the keys of a map, which are strings in JSON; `field` is the key field of its entries."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return _read_text
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _read_boolean_key
    low, high = _RANGES[field.type]
    return _build_integer_reader(low, high, accept_digits=True)


def _build_enum_reader(kind: EnumDescriptor) -> Reader:
    """Return a reader of the words of `kind`."""
    numbers = list_readings(kind)
    words = [word for word in list_words(kind).values() if word != UNSPECIFIED]
    expected = f"must be one of {', '.join(words)}"

    def read(value: object, path: str, violations: Violations) -> object:
        found = numbers.get(fold(value)) if type(value) is str else None
        return violations.add(path, expected) if found is None else found

    return read


def _build_choice_reader(choices: Mapping[str, str]) -> Reader:
    """Return a reader of a string that spells `choices` as the contract does; the service refuses other words."""

    def read(value: object, path: str, violations: Violations) -> object:
        return (
            choices.get(fold(value))
            if type(value) is str and fold(value) in choices
            else _read_text(value, path, violations)
        )

    return read


def _build_integer_reader(low: int, high: int, *, accept_digits: bool) -> Reader:
    """Return a reader of integers from `low` to `high`; `accept_digits` also takes them as strings."""
    expected = f"must be a whole number from {low} to {high}"

    def read(value: object, path: str, violations: Violations) -> object:
        whole = value if type(value) is int else _to_integer(value, accept_digits=accept_digits)
        return whole if whole is not None and low <= whole <= high else violations.add(path, expected)

    return read


def _to_integer(value: object, *, accept_digits: bool) -> int | None:
    if type(value) is float and value.is_integer() and abs(value) <= _EXACT_FLOAT_MAX:
        return int(value)
    if accept_digits and type(value) is str and _DIGITS.fullmatch(value):
        return int(value)
    return None


def _build_number_reader(largest: float) -> Reader:
    """Return a reader of finite numbers from `-largest` to `largest`."""

    def read(value: object, path: str, violations: Violations) -> object:
        if type(value) is not float and type(value) is not int:
            return violations.add(path, "must be a number")
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        return result if abs(result) <= largest else violations.add(path, "must be a finite number within range")

    return read


def _read_text(value: object, path: str, violations: Violations) -> object:
    if type(value) is not str:
        return violations.add(path, "must be a string")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return violations.add(path, "must be valid Unicode text; it holds half of a surrogate pair")
    return value


def _read_boolean(value: object, path: str, violations: Violations) -> object:
    return value if type(value) is bool else violations.add(path, "must be true or false")


def _read_boolean_key(value: object, path: str, violations: Violations) -> object:
    if value in ("true", "false"):
        return value == "true"
    return violations.add(path, "must have the keys true and false")


def _read_bytes(value: object, path: str, violations: Violations) -> object:
    """Read a bytes field from base64, standard or URL-safe, padded or not, in one line or several."""
    if type(value) is not str:
        return violations.add(path, "must be a string in base64")
    text = value.translate(_URL_SAFE) if "-" in value or "_" in value else value
    if "\n" in text:
        text = "".join(text.split())
    text += "=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return violations.add(path, "must be valid base64")


_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UINT32 = (0, 2**32 - 1)
_UINT64 = (0, 2**64 - 1)
_RANGES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
_PLAIN: Mapping[int, Reader] = {
    FieldDescriptor.TYPE_STRING: _read_text,
    FieldDescriptor.TYPE_BOOL: _read_boolean,
    FieldDescriptor.TYPE_BYTES: _read_bytes,
    FieldDescriptor.TYPE_FLOAT: _build_number_reader(_FLOAT_MAX),
    FieldDescriptor.TYPE_DOUBLE: _build_number_reader(1.7976931348623157e308),
}
