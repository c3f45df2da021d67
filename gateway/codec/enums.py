"""The words that JSON has for the values of enums and of strings with a fixed set of values.

The word of an enum's value is the value's name without the name of the enum, in lower case: `succeeded` for
JOB_STATUS_SUCCEEDED. Callers may write words in any case, with hyphens for underscores, and the name of the contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
UNSPECIFIED = "unspecified"
"""Word of the value 0, which means the default or that a value is unknown."""


def list_words(kind: EnumDescriptor) -> dict[int, str]:
    """Return the word of each value of `kind` by its number."""
    return {value.number: to_word(kind.name, value.name) for value in kind.values}


def to_word(enum_name: str, name: str) -> str:
    """Return the word of the value `name` of the enum `enum_name`, whose name has no package."""
    return name.removeprefix(f"{_WORD_START.sub('_', enum_name).upper()}_").lower()


def list_readings(kind: EnumDescriptor) -> dict[str, int]:
    """Return the number of each value of `kind` by what a caller may write, as `fold` returns it."""
    return {fold(name): value.number for value in kind.values for name in (value.name, to_word(kind.name, value.name))}


def list_choices(field: FieldDescriptor) -> Mapping[str, str]:
    """Return the values that the contract allows for a string, by their folded form; empty if it allows all."""
    options: Any = field.GetOptions()
    rules: validate_pb2.FieldRules = options.Extensions[validate_pb2.field]
    string = rules.repeated.items.string if field.is_repeated else rules.string
    return {fold(value): value for value in getattr(string, "in")}


def fold(text: str) -> str:
    """Return `text` in the form in which words are compared."""
    return text.lower().replace("-", "_")
