"""Requests that are not valid protobuf: never an exception, and the field at fault named where it can be known."""

from __future__ import annotations

import pytest
from google.protobuf import wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st
from media.tts.v1 import tts_pb2

from services.common.errors import Reason
from services.common.rpc.lenient_parsing import MalformedRequest, lenient_deserializer

Request = tts_pb2.SynthesizeRequest


def parse(content: bytes) -> tts_pb2.SynthesizeRequest | MalformedRequest:
    deserialize = lenient_deserializer(Request.FromString)
    assert deserialize is not None
    message = deserialize(content)
    assert isinstance(message, Request | MalformedRequest)
    return message


def field_at_fault(content: bytes) -> str | None:
    message = parse(content)
    assert isinstance(message, MalformedRequest)
    error = message.error()
    assert error.reason is Reason.VALIDATION_ERROR
    return error.violations[0].field if error.violations else None


def length_delimited(number: int, content: bytes) -> bytes:
    # A tag below 16 is one byte; the larger ones of this contract are two.
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return head + bytes([len(content)]) + content


@pytest.mark.parametrize("field", [field for field in Request.DESCRIPTOR.fields if field.type == field.TYPE_STRING])
@pytest.mark.parametrize("broken", [b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_each_string_that_is_not_utf8_is_named(field: object, broken: bytes) -> None:
    name, number = field.name, field.number  # type: ignore[attr-defined]  # pytest hands descriptors on untyped
    before = Request(text="Hello", voice="Aria").SerializeToString()
    assert field_at_fault(before + length_delimited(number, broken)) == name


def test_the_first_of_several_broken_strings_is_named() -> None:
    assert field_at_fault(length_delimited(2, b"\xff") + length_delimited(1, b"\xff")) == "voice"


def test_an_unknown_field_may_hold_anything() -> None:
    message = parse(Request(text="Hello").SerializeToString() + length_delimited(200, b"\xff"))
    assert isinstance(message, Request)
    assert message.text == "Hello"


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\x05abc", b"\x0a", b"\x00", b"\x0f", bytes([0x0A]) + b"\xff" * 10])
def test_bytes_that_are_no_message_name_no_field(content: bytes) -> None:
    assert field_at_fault(content) is None


def test_a_broken_string_before_the_end_is_cut_off_names_no_field() -> None:
    assert field_at_fault(length_delimited(1, b"\xff") + b"\x0a") is None


@given(st.binary(max_size=200))
def test_no_bytes_make_parsing_raise(content: bytes) -> None:
    message = parse(content)
    if isinstance(message, MalformedRequest):
        assert message.error().reason is Reason.VALIDATION_ERROR


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_good_messages_pass_untouched(text: str) -> None:
    request = Request(text=text)
    assert parse(request.SerializeToString()) == request


def test_without_a_descriptor_the_error_names_no_field() -> None:
    def without_descriptor(content: bytes) -> wrappers_pb2.StringValue:
        return wrappers_pb2.StringValue.FromString(content)

    deserialize = lenient_deserializer(without_descriptor)
    assert deserialize is not None
    broken = deserialize(b"\x0a\x01\xff")
    assert isinstance(broken, MalformedRequest)
    assert broken.error().violations == ()


def test_a_method_without_deserializer_stays_without() -> None:
    assert lenient_deserializer(None) is None
