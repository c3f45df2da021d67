"""Tests of decode: JSON to messages."""

from __future__ import annotations

import base64
import math
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from media.tts.v1 import tts_pb2

from gateway.codec import decode
from gateway.codec.violations import MAX_VIOLATIONS
from services.common.errors import MediaError, Reason
from tests.unit.gateway.samples import EVERYTHING, KNOWN, make_message


def list_violations(kind: type[Message], data: object, path: str = "") -> dict[str, str]:
    with pytest.raises(MediaError) as caught:
        decode(kind, data, path=path)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    for violation in caught.value.violations:
        assert violation.field in caught.value.message
        assert violation.description in caught.value.message
    return {violation.field: violation.description for violation in caught.value.violations}


@pytest.mark.parametrize("name", ["outputFormat", "output_format"])
def test_field_names_may_be_in_either_case(name: str) -> None:
    assert decode(tts_pb2.SynthesizeRequest, {name: "pcm_8000"}).output_format == "pcm_8000"


def test_a_field_given_in_both_cases_is_an_error() -> None:
    found = list_violations(tts_pb2.SynthesizeRequest, {"modelId": "a", "model_id": "a"})
    assert found == {"model_id": "must be given once, not also as model_id"}


def test_null_is_the_same_as_absent() -> None:
    data = {"text": None, "speed": None, "previousRequestIds": None}
    assert decode(tts_pb2.SynthesizeRequest, data) == tts_pb2.SynthesizeRequest()


def test_an_unknown_field_is_named_with_the_nearest_known_one() -> None:
    found = list_violations(tts_pb2.SynthesizeRequest, {"outputFromat": "pcm_8000", "xyz": 1})
    assert found == {
        "outputFromat": "is not a known field; did you mean outputFormat?",
        "xyz": "is not a known field",
    }


def test_a_suggestion_is_always_in_camel_case() -> None:
    assert list_violations(tts_pb2.SynthesizeRequest, {"model_idd": ""})["model_idd"].endswith("did you mean modelId?")


def test_an_unprintable_name_is_shown_without_its_unprintable_part() -> None:
    assert list(list_violations(tts_pb2.SynthesizeRequest, {"a\ud800\nb": 1})) == ["a??b"]


def test_a_long_name_is_shortened() -> None:
    (shown,) = list_violations(tts_pb2.SynthesizeRequest, {"x" * 100_000: 1})
    assert len(shown) == 64


def test_all_violations_are_reported_at_once() -> None:
    found = list_violations(
        tts_pb2.SynthesizeRequest, {"text": 1, "speed": "fast", "txet": "", "previousRequestIds": [1, "ok"]}
    )
    assert found == {
        "text": "must be a string",
        "speed": "must be a number",
        "txet": "is not a known field; did you mean text?",
        "previous_request_ids[0]": "must be a string",
    }


def test_reading_stops_at_the_maximum_of_violations() -> None:
    assert (
        len(list_violations(tts_pb2.SynthesizeRequest, {f"x{index}": 1 for index in range(10_000)})) == MAX_VIOLATIONS
    )


@pytest.mark.parametrize("data", [[], "text", 1, None, True])
def test_a_request_must_be_an_object(data: object) -> None:
    assert list_violations(tts_pb2.SynthesizeRequest, data) == {"request": "must be an object"}


def test_paths_begin_with_the_given_path() -> None:
    assert list_violations(tts_pb2.SynthesizeRequest, {"modelId": 1}, path="speech") == {
        "speech.model_id": "must be a string"
    }


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("plainText", ["a"], "must be a string"),
        ("plainText", "\ud800", "must be valid Unicode text; it holds half of a surrogate pair"),
        ("isOn", 1, "must be true or false"),
        ("isOn", "true", "must be true or false"),
        ("small", True, "must be a whole number from -2147483648 to 2147483647"),
        ("small", 1.5, "must be a whole number from -2147483648 to 2147483647"),
        ("small", "1", "must be a whole number from -2147483648 to 2147483647"),
        ("small", 2**31, "must be a whole number from -2147483648 to 2147483647"),
        ("natural", -1, "must be a whole number from 0 to 4294967295"),
        ("seed", 2**64, "must be a whole number from 0 to 18446744073709551615"),
        ("seed", float(2**60), "must be a whole number from 0 to 18446744073709551615"),
        ("seed", "1e3", "must be a whole number from 0 to 18446744073709551615"),
        ("seed", "", "must be a whole number from 0 to 18446744073709551615"),
        ("large", "9223372036854775808", "must be a whole number from -9223372036854775808 to 9223372036854775807"),
        ("number", "1", "must be a number"),
        ("number", True, "must be a number"),
        ("number", math.nan, "must be a finite number within range"),
        ("number", math.inf, "must be a finite number within range"),
        ("number", 10**400, "must be a finite number within range"),
        ("single", 1e39, "must be a finite number within range"),
        ("data", 1, "must be a string in base64"),
        ("data", "a", "must be valid base64"),
        ("data", "é===", "must be valid base64"),
        ("data", "ab cd", "must be valid base64"),
        ("colour", "green", "must be one of red, blue"),
        ("colour", "COLOR_RED", "must be one of red, blue"),
        ("colour", 1, "must be one of red, blue"),
        ("colour", [], "must be one of red, blue"),
        ("names", "a", "must be a list"),
        ("labels", [], "must be an object"),
    ],
)
def test_the_error_of_a_wrong_value_names_the_right_form(field: str, value: object, wanted: str) -> None:
    (description,) = list_violations(EVERYTHING, {field: value}).values()
    assert description == wanted


@pytest.mark.parametrize(
    ("field", "value", "result"),
    [
        ("small", 3.0, 3),
        ("seed", 2**64 - 1, 2**64 - 1),
        ("seed", "18446744073709551615", 2**64 - 1),
        ("large", "-9223372036854775808", -(2**63)),
        ("number", 1, 1.0),
        ("data", "-_8", b"\xfb\xff"),
        ("data", "+/8=", b"\xfb\xff"),
        ("data", "", b""),
        ("colour", "COLOUR_BLUE", 2),
        ("colour", "blue", 2),
        ("colour", "Blue", 2),
        ("colour", "unspecified", 0),
        ("palette", ["red", "BLUE"], [1, 2]),
        ("names", ["a", "ä", "😀"], ["a", "ä", "😀"]),
        ("labels", {"k": "v"}, {"k": "v"}),
        ("colours", {"-7": "COLOUR_RED"}, {-7: 1}),
        ("pieces", ["AA=="], [b"\0"]),
    ],
)
def test_a_valid_value_is_accepted(field: str, value: object, result: object) -> None:
    name = next(item.name for item in EVERYTHING.DESCRIPTOR.fields if item.json_name == field)
    assert decode(EVERYTHING, {field: value}) == make_message(EVERYTHING, **{name: result})


def test_nested_violations_have_their_full_path() -> None:
    data = {"child": {"plainText": 1}, "children": [{}, {"child": {"isOn": 0}}], "byFlag": {"true": {"small": ""}}}
    assert list(list_violations(EVERYTHING, data)) == [
        "child.plain_text",
        "children[1].child.is_on",
        "by_flag[true].small",
    ]


def test_an_empty_nested_message_is_present() -> None:
    assert decode(EVERYTHING, {"child": {}}).HasField("child")


def test_a_list_may_not_contain_null() -> None:
    assert list_violations(EVERYTHING, {"names": ["a", None]}) == {"names[1]": "must be a string"}


def test_map_keys_must_fit_their_type() -> None:
    found = list_violations(EVERYTHING, {"colours": {"x": "COLOUR_RED"}, "byFlag": {"yes": {}}})
    assert found == {
        "colours[x]": "must be a whole number from -2147483648 to 2147483647",
        "by_flag[yes]": "must have the keys true and false",
    }


def test_two_members_of_a_oneof_are_an_error() -> None:
    assert list_violations(EVERYTHING, {"left": "", "right": 0}) == {"right": "must not be given together with left"}


def test_null_does_not_choose_a_member_of_a_oneof() -> None:
    assert decode(EVERYTHING, {"left": None, "right": 0}).WhichOneof("choice") == "right"


def test_deep_nesting_is_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(900):
        data = {"child": data}
    (description,) = list_violations(EVERYTHING, data).values()
    assert description == "must not be nested more than 64 levels deep"


def test_well_known_types_are_decoded_as_by_protobuf() -> None:
    data = {
        "madeAt": "2027-01-31T12:00:00Z",
        "lasting": "1.500s",
        "free": {"a": [1, None, {"b": "c"}]},
        "mask": "plainText,isOn",
        "anyValue": None,
        "wrapped": "",
        "wrappedLarge": "5",
        "times": ["2027-01-31T12:00:00Z"],
    }
    message = decode(KNOWN, data)
    assert message == json_format.ParseDict(data, KNOWN())
    assert message.HasField("any_value")


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("madeAt", "yesterday", "must be a time such as 2027-01-31T12:00:00Z"),
        ("madeAt", 5, "must be a time such as 2027-01-31T12:00:00Z"),
        ("lasting", "1 minute", "must be a length of time in seconds such as 1.5s"),
        ("lasting", {}, "must be a length of time in seconds such as 1.5s"),
        ("free", "text", "must be an object"),
        ("mask", 1, "must be field names separated by commas"),
        ("wrapped", 1, "must be a plain JSON value of the field's type"),
        ("times", [None], "must be a time such as 2027-01-31T12:00:00Z"),
    ],
)
def test_the_error_of_a_wrong_well_known_value_names_the_right_form(field: str, value: object, wanted: str) -> None:
    (description,) = list_violations(KNOWN, {field: value}).values()
    assert description == wanted


def test_deep_free_form_data_is_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(900):
        data = {"a": data}
    assert list_violations(KNOWN, {"free": data}) == {"free": "must be an object"}


def test_violations_never_quote_a_value() -> None:
    secret = "the quick brown fox"
    data = {"plainText": [secret], "small": secret, "data": secret, "colour": secret, "number": secret}
    assert secret not in str(list_violations(EVERYTHING, data))


def test_a_request_of_many_fields_is_decoded_as_by_protobuf() -> None:
    data = {
        "text": "Hello",
        "voice": "Aria",
        "modelId": "eleven_multilingual_v2",
        "stability": 1,
        "useSpeakerBoost": False,
        "seed": 4294967295,
        "previousRequestIds": ["a", "b"],
        "includeAlignment": True,
    }
    assert decode(tts_pb2.SynthesizeRequest, data) == json_format.ParseDict(data, tts_pb2.SynthesizeRequest())


def test_bytes_are_equal_after_decode() -> None:
    audio = bytes(range(256))
    read = decode(tts_pb2.SpeechChunk, {"audio": base64.b64encode(audio).decode()})
    assert read.audio == audio
    in_lines = decode(tts_pb2.SpeechChunk, {"audio": base64.encodebytes(audio).decode()})
    assert in_lines.audio == audio
