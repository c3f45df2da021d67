"""Tests that the unary and the streaming speech request have the same fields and rules."""

from __future__ import annotations

from google.protobuf import descriptor_pb2
from google.protobuf.message import Message
from media.tts.v1 import tts_pb2


def read_fields(kind: type[Message]) -> list[descriptor_pb2.FieldDescriptorProto]:
    """Return the declared fields: names, numbers, types, presence, and every rule."""
    message = descriptor_pb2.DescriptorProto()
    kind.DESCRIPTOR.CopyToProto(message)
    return list(message.field)


def test_unary_and_streamed_requests_have_the_same_fields() -> None:
    whole = read_fields(tts_pb2.SynthesizeRequest)
    streamed = read_fields(tts_pb2.SynthesizeStreamRequest)
    assert [field.name for field in whole] == [field.name for field in streamed]
    assert whole == streamed
    assert len(whole) >= 18


def test_the_comparison_includes_rules() -> None:
    by_name = {field.name: field for field in read_fields(tts_pb2.SynthesizeRequest)}
    assert by_name["speed"].HasField("options")
    assert by_name["speed"].options != by_name["style"].options
    assert by_name["stability"].options == by_name["style"].options


def test_both_are_the_same_on_the_wire() -> None:
    request = tts_pb2.SynthesizeRequest(text="Hello", speed=0.7, seed=0, next_request_ids=["n"], include_alignment=True)
    streamed = tts_pb2.SynthesizeStreamRequest.FromString(request.SerializeToString())
    assert streamed.SerializeToString(deterministic=True) == request.SerializeToString(deterministic=True)
    assert (streamed.text, streamed.speed, streamed.HasField("seed")) == ("Hello", 0.7, True)
