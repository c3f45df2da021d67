"""Finds the comments of messages, fields, enums and RPCs in the contracts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from gateway.codec.enums import to_word

# Numbers of the repeated fields in descriptor.proto, from which source locations are built.
_FILE_MESSAGES, _FILE_ENUMS, _FILE_SERVICES = 4, 5, 6
_MESSAGE_FIELDS, _MESSAGE_NESTED, _MESSAGE_ENUMS, _MESSAGE_ONEOFS = 2, 3, 4, 8
_ENUM_VALUES, _SERVICE_METHODS = 2, 2

_PRESENCE = re.compile(r"^(Required|Optional)\.\s+")
_ENUM_VALUE = re.compile(r"`?\b([A-Z]+(?:_[A-Z]+)+)\b`?")
_QUOTED = re.compile(r"`([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)`")

_Place = tuple[int, ...]


def find_comment(full_name: str) -> str:
    """Return the comment of the element `full_name`, with field names as JSON spells them; empty if it has none.

    An enum value has its enum's name before it, such as `media.tts.v1.VoiceType.VOICE_TYPE_CUSTOM`.
    """
    return _read_comments().get(full_name, "")


def split_comment(text: str) -> tuple[str, str]:
    """Return the first paragraph of a comment without its full stop, and the other paragraphs."""
    first, _, rest = text.partition("\n\n")
    return first.removesuffix("."), rest


@cache
def _read_comments() -> dict[str, str]:
    descriptors = FileDescriptorSet.FromString(resources.files("media").joinpath("descriptors.pb").read_bytes())
    found: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for file in descriptors.file:
        texts = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        if not texts:
            continue
        for name, place, spelling in _list_elements(file):
            found[name] = _join_lines(texts.get(place, ""))
            if spelling:
                spellings[name.rpartition(".")[2]] = spelling
    words = {value: word for file in descriptors.file for value, word in _list_enum_words(file)}
    return {name: _to_words(_to_json_names(text, spellings), words) for name, text in found.items()}


def _list_elements(file: FileDescriptorProto) -> Iterator[tuple[str, _Place, str]]:
    """Yield full name and path of each element that may have a comment, and the JSON name if it is a field."""
    for index, message in enumerate(file.message_type):
        yield from _list_message_elements(message, f"{file.package}.{message.name}", (_FILE_MESSAGES, index))
    for index, enum in enumerate(file.enum_type):
        name, place = f"{file.package}.{enum.name}", (_FILE_ENUMS, index)
        yield name, place, ""
        for number, value in enumerate(enum.value):
            yield f"{name}.{value.name}", (*place, _ENUM_VALUES, number), ""
    for index, service in enumerate(file.service):
        name, place = f"{file.package}.{service.name}", (_FILE_SERVICES, index)
        yield name, place, ""
        for number, method in enumerate(service.method):
            yield f"{name}.{method.name}", (*place, _SERVICE_METHODS, number), ""


def _list_message_elements(message: DescriptorProto, name: str, place: _Place) -> Iterator[tuple[str, _Place, str]]:
    yield name, place, ""
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*place, _MESSAGE_FIELDS, index), field.json_name
    for index, oneof in enumerate(message.oneof_decl):
        yield f"{name}.{oneof.name}", (*place, _MESSAGE_ONEOFS, index), ""
    for index, nested in enumerate(message.nested_type):
        yield from _list_message_elements(nested, f"{name}.{nested.name}", (*place, _MESSAGE_NESTED, index))
    for index, enum in enumerate(message.enum_type):
        enum_name, enum_place = f"{name}.{enum.name}", (*place, _MESSAGE_ENUMS, index)
        yield enum_name, enum_place, ""
        for number, value in enumerate(enum.value):
            yield f"{enum_name}.{value.name}", (*enum_place, _ENUM_VALUES, number), ""


def _list_enum_words(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield each value of the file's enums with its word in JSON."""
    nested = (enum for message in file.message_type for enum in message.enum_type)
    for enum in (*file.enum_type, *nested):
        for value in enum.value:
            yield value.name, to_word(enum.name, value.name)


def _join_lines(text: str) -> str:
    """Return a comment with each of its paragraphs on one line."""
    # The schema says which fields are required, so the word is left out of the description.
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    return _PRESENCE.sub("", "\n\n".join(paragraph for paragraph in paragraphs if paragraph))


def _to_json_names(text: str, spellings: dict[str, str]) -> str:
    def spell(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        return f"`{'.'.join(spellings.get(part, part) for part in parts)}`"

    return _QUOTED.sub(spell, text)


def _to_words(text: str, words: dict[str, str]) -> str:
    """Return a comment with the values of enums as JSON spells them."""
    return _ENUM_VALUE.sub(lambda match: f"`{words[match[1]]}`" if match[1] in words else match[0], text)
