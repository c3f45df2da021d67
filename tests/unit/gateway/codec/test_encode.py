"""Tests of encode: messages to JSON."""

from __future__ import annotations

import math

import orjson
from google.protobuf import json_format
from media.common.v1 import alignment_pb2, cache_pb2, error_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2

from gateway.codec import decode, encode
from tests.unit.gateway.samples import EVERYTHING, KNOWN, make_message


def test_names_are_in_camel_case_and_enums_are_words() -> None:
    header = tts_pb2.SpeechHeader(voice_id="v", cache_status=cache_pb2.CACHE_STATUS_MISS)
    written = encode(header)
    assert written["voiceId"] == "v"
    assert written["cacheStatus"] == "miss"


def test_wrong_fields_are_named_as_requests_name_them() -> None:
    wrong = error_pb2.FieldError(field="items[0].output_format", description="must be mp3")
    written = encode(jobs_pb2.JobError(details=[wrong]))
    assert written["details"] == [{"field": "items[0].outputFormat", "description": "must be mp3"}]


def test_scalars_lists_and_maps_are_always_present() -> None:
    assert encode(tts_pb2.Voice()) == {
        "voiceId": "",
        "name": "",
        "provider": "",
        "type": "unspecified",
        "languageCodes": [],
        "labels": {},
        "previewUrl": "",
    }


def test_optional_fields_and_messages_are_present_only_if_set() -> None:
    assert "providerCostUnits" not in encode(tts_pb2.SpeechDone())
    assert encode(tts_pb2.SpeechDone(provider_cost_units=0))["providerCostUnits"] == 0
    assert encode(tts_pb2.GetVoiceResponse()) == {}
    assert encode(tts_pb2.GetVoiceResponse(voice=tts_pb2.Voice())) == {"voice": encode(tts_pb2.Voice())}


def test_only_the_set_member_of_a_oneof_is_present() -> None:
    assert encode(tts_pb2.SynthesizeStreamResponse(chunk=tts_pb2.SpeechChunk(audio=b"\0"))) == {
        "chunk": {"audio": "AA=="}
    }


def test_large_integers_stay_numbers() -> None:
    written = encode(make_message(EVERYTHING, seed=2**64 - 1, large=-(2**63)))
    assert orjson.loads(orjson.dumps(written))["seed"] == 2**64 - 1
    assert written["large"] == -(2**63)


def test_map_keys_become_text() -> None:
    written = encode(make_message(EVERYTHING, colours={-7: 1}, labels={"a": "b"}))
    assert written["colours"] == {"-7": "red"}
    assert written["labels"] == {"a": "b"}
    flags = encode(decode(EVERYTHING, {"byFlag": {"false": {}}}))["byFlag"]
    assert isinstance(flags, dict)
    assert list(flags) == ["false"]


def test_an_enum_value_of_a_newer_service_is_its_number() -> None:
    assert encode(make_message(EVERYTHING, colour=77, palette=[1, 77])) | {} == {
        **encode(EVERYTHING()),
        "colour": 77,
        "palette": ["red", 77],
    }


def test_infinity_and_nan_are_encoded_as_by_protobuf() -> None:
    alignment = alignment_pb2.Alignment(character_start_times_seconds=[1.0, math.inf, math.nan])
    assert encode(alignment)["character_start_times_seconds"] == [1.0, "Infinity", "NaN"]
    assert encode(tts_pb2.SpeechDone(duration_seconds=-math.inf))["durationSeconds"] == "-Infinity"


def test_numbers_whose_sum_overflows_stay_numbers() -> None:
    alignment = alignment_pb2.Alignment(character_start_times_seconds=[1.7e308, 1.7e308])
    assert encode(alignment)["character_start_times_seconds"] == [1.7e308, 1.7e308]


def test_well_known_types_are_encoded_as_by_protobuf() -> None:
    data = {
        "madeAt": "2027-01-31T12:00:00Z",
        "lasting": "1.500s",
        "free": {"a": [1.0, None]},
        "mask": "plainText,isOn",
        "anyValue": None,
        "wrapped": "x",
        "wrappedLarge": "5",
        "times": ["2027-01-31T12:00:00Z"],
    }
    assert encode(json_format.ParseDict(data, KNOWN())) == data


def test_the_caller_may_change_the_result() -> None:
    voice = tts_pb2.Voice(language_codes=["en"], labels={"a": "b"})
    written = encode(voice)
    written.clear()
    assert encode(voice)["languageCodes"] == ["en"]
