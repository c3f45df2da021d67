"""Properties of the codec: a message is equal after encode and decode, and any data is decoded or refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st
from media.tts.v1 import tts_pb2

from gateway.codec import decode, encode
from services.common.errors import MediaError, Reason
from tests.unit.gateway.samples import EVERYTHING, KNOWN, draw_messages

SPEECH_TYPES: list[type[Message]] = [
    GetMessageClass(kind) for kind in tts_pb2.DESCRIPTOR.message_types_by_name.values()
]


def _keys() -> st.SearchStrategy[str]:
    known = [
        name
        for kind in (EVERYTHING, KNOWN, tts_pb2.SynthesizeRequest)
        for field in kind.DESCRIPTOR.fields
        for name in (field.name, field.json_name)
    ]
    return st.one_of(st.sampled_from(known), _text())


def _text() -> st.SearchStrategy[str]:
    # With lone surrogates: the codec must not rely on the parser to refuse them.
    return st.one_of(
        st.text(st.characters(categories=["L", "N", "Cc", "Cs", "Zs"]), max_size=10),
        st.sampled_from(["AA==", "1", "-5", "true", "COLOUR_RED", "1.5s", "2027-01-31T12:00:00Z"]),
    )


def _json() -> st.SearchStrategy[Any]:
    scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _text())
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys(), inner, max_size=4)),
        max_leaves=12,
    )


@pytest.mark.parametrize("kind", [*SPEECH_TYPES, EVERYTHING], ids=lambda kind: kind.DESCRIPTOR.name)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_message_is_equal_after_encode_and_decode(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(draw_messages(kind))
    assert decode(kind, orjson.loads(orjson.dumps(encode(message)))) == message


@pytest.mark.parametrize("kind", [tts_pb2.SynthesizeRequest, EVERYTHING, KNOWN], ids=lambda kind: kind.DESCRIPTOR.name)
@settings(deadline=None, max_examples=150)
@given(data=st.dictionaries(_keys(), _json(), max_size=6) | _json())
def test_any_data_is_decoded_or_refused_with_a_message_in_utf8(kind: type[Message], data: object) -> None:
    error = refusal(kind, data)
    if error is not None:
        assert error.reason is Reason.VALIDATION_ERROR
        assert error.violations
        orjson.dumps([error.message, *((item.field, item.description) for item in error.violations)])


def refusal(kind: type[Message], data: object) -> MediaError | None:
    try:
        decode(kind, data).SerializeToString()
    except MediaError as error:
        return error
    return None
