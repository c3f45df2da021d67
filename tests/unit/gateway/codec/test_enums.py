"""Tests of the words of enums: every value of every contract can be written and read as a plain word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2

from gateway.app import SERVICES
from gateway.codec import decode, encode
from gateway.codec.enums import list_choices, list_words, to_word
from services.common.rpc.validation import validate


def _list_fields() -> Iterator[FieldDescriptor]:
    """Yield every field that a request or a response of the suite has, at any depth."""
    seen: set[str] = set()
    waiting: list[Descriptor] = [
        kind for service in SERVICES for rpc in service.methods for kind in (rpc.input_type, rpc.output_type)
    ]
    while waiting:
        kind = waiting.pop()
        if kind.full_name in seen or kind.file.package == "google.protobuf":
            continue
        seen.add(kind.full_name)
        yield from kind.fields
        waiting += [field.message_type for field in kind.fields if field.message_type is not None]


FIELDS = list(_list_fields())
ENUM_FIELDS = [(field, kind) for field in FIELDS if (kind := field.enum_type) is not None]
CHOICE_FIELDS = [field for field in FIELDS if field.type == FieldDescriptor.TYPE_STRING and list_choices(field)]


def _list_enums() -> list[EnumDescriptor]:
    return list({kind.full_name: kind for _, kind in ENUM_FIELDS}.values())


def get_message_class(field: FieldDescriptor) -> type[Message]:
    assert field.containing_type is not None
    return GetMessageClass(field.containing_type)


@pytest.mark.parametrize("kind", _list_enums(), ids=lambda kind: kind.name)
def test_each_value_has_its_own_plain_word(kind: EnumDescriptor) -> None:
    words = list_words(kind)
    assert len(set(words.values())) == len(kind.values)
    assert all(word == word.lower() and not word.startswith(kind.name.lower()) for word in words.values())
    assert words[0] == "unspecified"


@pytest.mark.parametrize(("field", "enum"), ENUM_FIELDS, ids=lambda item: item.full_name)
def test_each_word_is_read_as_it_is_written(field: FieldDescriptor, enum: EnumDescriptor) -> None:
    kind = get_message_class(field)
    for number, word in list_words(enum).items():
        name = enum.values_by_number[number].name
        for spelling in (word, word.upper(), word.replace("_", "-"), name, name.lower()):
            message = decode(kind, {field.json_name: [spelling] if field.is_repeated else spelling})
            assert getattr(message, field.name) == ([number] if field.is_repeated else number)
        if number:
            written = encode(message)[field.json_name]
            assert written == ([word] if field.is_repeated else word)


@pytest.mark.parametrize("field", CHOICE_FIELDS, ids=lambda field: field.full_name)
def test_a_word_of_a_fixed_set_may_be_in_any_case(field: FieldDescriptor) -> None:
    kind = get_message_class(field)
    for value in list_choices(field).values():
        for spelling in (value, value.upper(), value.title(), value.replace("_", "-")):
            assert getattr(decode(kind, {field.json_name: spelling}), field.name) == value


def test_a_word_outside_its_set_is_left_to_the_service() -> None:
    request = decode(image_pb2.GenerateImageRequest, {"prompt": "A tree", "imageSize": "Huge"})
    assert request.image_size == "Huge"


def test_the_words_of_the_media_library_are_taken() -> None:
    request = decode(
        image_pb2.GenerateImageRequest,
        {
            "prompt": "A growing portfolio",
            "quality": "high",
            "imageSize": "CARD",
            "style": {"theme": "professional"},
            "output": {"format": "JPG", "fit": "contain"},
        },
    )
    assert (request.quality, request.image_size) == (image_pb2.IMAGE_QUALITY_HIGH, "card")
    assert request.style.theme == image_pb2.IMAGE_THEME_PROFESSIONAL
    assert (request.output.format, request.output.fit) == ("jpg", image_pb2.IMAGE_FIT_CONTAIN)
    validate(request)


def test_the_states_of_jobs_are_plain_words() -> None:
    job = jobs_pb2.Job(kind=jobs_pb2.JOB_KIND_TALKING_VIDEO, status=jobs_pb2.JOB_STATUS_SUCCEEDED)
    assert (encode(job)["kind"], encode(job)["status"]) == ("talking_video", "succeeded")


def test_a_value_without_the_name_of_its_enum_keeps_its_name() -> None:
    assert to_word("HTTPStatus", "OK") == "ok"
