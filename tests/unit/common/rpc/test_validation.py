"""Rules of contracts: one error names every wrong field; a malformed request names its field too."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import wrappers_pb2
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from services.common.errors import MediaError, Reason
from services.common.rpc.status import to_status
from services.common.rpc.validation import MalformedRequest, make_lenient_deserializer, validate

SPEECH = [tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeStreamRequest]
of_each_speech_request = pytest.mark.parametrize("kind", SPEECH, ids=lambda kind: kind.DESCRIPTOR.name)

BLANK = {
    "nothing": "",
    "spaces": "  \t\r\n",
    "no-break and ideographic spaces": "\u00a0\u3000\u2003",
    "line and paragraph separators": "\u2028\u2029",
    "zero-width characters": "\u200b\u200d\ufeff\u2060",
    "direction marks": "\u200e\u202e\u2066",
    "control characters": "\x00\x01\x1b\x7f\x85",
    "soft hyphens": "\u00ad",
}
SPOKEN = ["a", "é", "你", "7", "!", "👍", " \u200b x", "שלום", "\u0915\u093f", "a" * 10_001]

REFUSED: list[tuple[str, Any]] = [
    *(("voice", value) for value in ("a\x00b", "a\nb", "\x7fAria", "Ar\x85ia", "a" * 201)),
    *(("provider", value) for value in ("ElevenLabs", "openai", " ", "espeak\n")),
    *(("model_id", value) for value in ("../x", "a/b", "-a", "_a", "a b", "a" * 65, "modèle", "a\n")),
    *(("output_format", value) for value in ("MP3", "MP3_44100_128", "mp3_44100_129", "pcm_11025", "flac_44100", " ")),
    *(("language_code", value) for value in ("e", "EN", "english", "en_US", "en-", "en-u", "123", "en\n")),
    *(
        (field, value)
        for field in ("stability", "similarity_boost", "style")
        for value in (-0.01, 1.01, float("nan"), float("inf"), float("-inf"))
    ),
    *(("speed", value) for value in (0.69, 1.21, 0.0, -1.0, float("nan"), float("inf"))),
    *((field, "x" * 5001) for field in ("previous_text", "next_text")),
    *((field, ["a", "b", "c", "d"]) for field in ("previous_request_ids", "next_request_ids")),
    *(("apply_text_normalization", value) for value in ("ON", "yes", "auto ")),
    *(("quality", value) for value in (-1, 99)),
]

ACCEPTED: list[tuple[str, Any]] = [
    *(("voice", value) for value in ("", "Aria", "José", "21m00Tcm4TlvDq8ikWAM", "Aria (soft), v2.1", "O'Neil & Co")),
    *(("voice", value) for value in ("en-us+f3", "声", "a" * 200, "9lives", "हिन्दी", "AC/DC #1 [live]", "-rf", "😀")),
    *(("provider", value) for value in ("", "elevenlabs", "espeak")),
    *(("model_id", value) for value in ("", "eleven_multilingual_v2", "eleven_v3", "a" * 64, "A.b-c_1")),
    *(("output_format", value) for value in ("", "mp3", "mp3_44100_128", "pcm_24000", "opus_48000_192", "ulaw_8000")),
    *(("language_code", value) for value in ("", "en", "pt-BR", "yue", "zh-Hant-TW", "es-419")),
    *((field, value) for field in ("stability", "similarity_boost", "style") for value in (0.0, 0.5, 1.0)),
    *(("speed", value) for value in (0.7, 1.0, 1.2)),
    *(("use_speaker_boost", value) for value in (True, False)),
    *(("seed", value) for value in (0, 4_294_967_295)),
    *((field, "é" * 5000) for field in ("previous_text", "next_text")),
    *((field, ["a" * 128, "b", "c"]) for field in ("previous_request_ids", "next_request_ids")),
    *(("apply_text_normalization", value) for value in ("", "auto", "on", "off")),
    *(("quality", value) for value in tts_pb2.AudioQuality.values()),
    *(
        (field, value)
        for field in ("include_alignment", "use_cache", "store", "allow_fallback")
        for value in (True, False)
    ),
]


def list_refused_fields(message: Message) -> list[str]:
    with pytest.raises(MediaError) as caught:
        validate(message)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    for violation in caught.value.violations:
        assert f"{violation.field}: {violation.description}" in caught.value.message
        assert violation.description
    return [item.field for item in caught.value.violations]


def is_valid(message: Message) -> bool:
    try:
        validate(message)
    except MediaError:
        return False
    return True


@of_each_speech_request
@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_a_text_that_cannot_be_spoken_is_refused(kind: type[Message], text: str) -> None:
    assert list_refused_fields(kind(text=text)) == ["text"]


@of_each_speech_request
@pytest.mark.parametrize("text", SPOKEN, ids=lambda text: ascii(text[:10]))
def test_a_text_that_can_be_spoken_passes(kind: type[Message], text: str) -> None:
    assert is_valid(kind(text=text))


@of_each_speech_request
@pytest.mark.parametrize(("field", "value"), REFUSED, ids=lambda value: ascii(value)[:24])
def test_a_value_that_breaks_a_rule_is_refused_by_its_field(kind: type[Message], field: str, value: Any) -> None:
    assert set(list_refused_fields(kind(text="Hello", **{field: value}))) == {field}


@of_each_speech_request
@pytest.mark.parametrize(("field", "value"), ACCEPTED, ids=lambda value: ascii(value)[:24])
def test_a_value_within_the_rules_passes(kind: type[Message], field: str, value: Any) -> None:
    assert is_valid(kind(text="Hello", **{field: value}))


@of_each_speech_request
def test_every_field_with_a_rule_is_in_these_tables(kind: type[Message]) -> None:
    tried = {"text"} | {field for field, _ in REFUSED}
    without_rule = {"use_speaker_boost", "seed", "include_alignment", "use_cache", "store", "allow_fallback"}
    assert tried | without_rule == set(kind.DESCRIPTOR.fields_by_name)
    assert tried | without_rule == {"text"} | {field for field, _ in ACCEPTED}


@of_each_speech_request
@pytest.mark.parametrize("item", ["", "x" * 129])
def test_a_wrong_item_of_a_list_is_named_by_its_index(kind: type[Message], item: str) -> None:
    assert list_refused_fields(kind(text="Hello", next_request_ids=["fine", item])) == ["next_request_ids[1]"]


@of_each_speech_request
def test_all_wrong_fields_are_named_at_once(kind: type[Message]) -> None:
    assert list_refused_fields(kind(text=" ", voice="a\nb", speed=9, stability=-1)) == [
        "text",
        "voice",
        "stability",
        "speed",
    ]


@of_each_speech_request
def test_the_value_of_the_caller_is_not_in_the_message(kind: type[Message]) -> None:
    with pytest.raises(MediaError) as caught:
        validate(kind(text="\u200b", voice="secret\n", provider="secret", model_id="/secret", language_code="secret!"))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (tts_pb2.ListVoicesRequest(page_size=-1), ["page_size"]),
        (tts_pb2.ListVoicesRequest(page_size=101), ["page_size"]),
        (tts_pb2.ListVoicesRequest(page_token="x" * 201), ["page_token"]),
        (tts_pb2.ListVoicesRequest(provider="other"), ["provider"]),
        (tts_pb2.GetVoiceRequest(), ["voice"]),
        (tts_pb2.GetVoiceRequest(voice="x" * 201), ["voice"]),
        (tts_pb2.GetVoiceRequest(voice="Aria", provider="other"), ["provider"]),
    ],
    ids=str,
)
def test_requests_about_voices_have_rules_too(message: Message, fields: list[str]) -> None:
    assert list_refused_fields(message) == fields


@pytest.mark.parametrize(
    "message",
    [
        tts_pb2.ListVoicesRequest(),
        tts_pb2.ListVoicesRequest(page_size=100, page_token="x" * 200, provider="espeak"),
        tts_pb2.GetVoiceRequest(voice="x" * 200, provider="elevenlabs"),
    ],
)
def test_requests_about_voices_within_the_rules_pass(message: Message) -> None:
    assert is_valid(message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            jobs_pb2.CreateJobRequest(),
            "spec: exactly one of animate, talking_video, headline and story must be given",
        ),
        (tts_pb2.ListVoicesRequest(provider="other"), "provider: must be one of elevenlabs, espeak"),
        (tts_pb2.ConvertAlignmentRequest(), "form: exactly one of alignment and raw must be given"),
        (
            image_pb2.BatchGenerateImagesRequest(items=[image_pb2.BatchImage()]),
            "items[0].request: exactly one of generate, generate_fast and transform must be given",
        ),
        (
            video_pb2.MuxVideoRequest(video=video_pb2.MediaSource()),
            "video.source: exactly one of key, url and data must be given; audio: must be given",
        ),
    ],
    ids=lambda value: value.DESCRIPTOR.name if isinstance(value, Message) else "",
)
def test_an_error_says_what_to_give(message: Message, expected: str) -> None:
    with pytest.raises(MediaError) as caught:
        validate(message)
    assert caught.value.message == expected


def test_at_most_25_violations_are_reported() -> None:
    assert len(list_refused_fields(tts_pb2.SynthesizeRequest(text="Hello", previous_request_ids=[""] * 1000))) == 25


WRONG_EVERYWHERE = tts_pb2.SynthesizeRequest(
    voice="/" * 201,
    provider="-",
    model_id="/",
    output_format="-",
    language_code="-",
    stability=9,
    similarity_boost=9,
    style=9,
    speed=9,
    previous_text="x" * 5001,
    next_text="x" * 5001,
    previous_request_ids=[""] * 1000,
    next_request_ids=[""] * 1000,
    apply_text_normalization="-",
)


def test_an_error_with_the_most_violations_fits_into_the_headers() -> None:
    with pytest.raises(MediaError) as caught:
        validate(WRONG_EVERYWHERE)
    assert {"text", "output_format"} <= {item.field for item in caught.value.violations}
    status = to_status(caught.value, "a" * 64)
    assert len(status.details) + sum(len(value) for _, value in status.trailing_metadata or ()) < 7500


Request = tts_pb2.SynthesizeRequest


def parse(content: bytes) -> tts_pb2.SynthesizeRequest | MalformedRequest:
    deserialize = make_lenient_deserializer(Request.FromString)
    assert deserialize is not None
    message = deserialize(content)
    assert isinstance(message, Request | MalformedRequest)
    return message


def find_refused_field(content: bytes) -> str | None:
    message = parse(content)
    assert isinstance(message, MalformedRequest)
    error = message.to_error()
    assert error.reason is Reason.VALIDATION_ERROR
    return error.violations[0].field if error.violations else None


def encode_field(number: int, content: bytes) -> bytes:
    # A tag below 16 is one byte; the larger ones of this contract are two.
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return head + bytes([len(content)]) + content


@pytest.mark.parametrize("field", [field for field in Request.DESCRIPTOR.fields if field.type == field.TYPE_STRING])
@pytest.mark.parametrize("broken", [b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_each_string_that_is_not_utf8_is_named(field: object, broken: bytes) -> None:
    name, number = field.name, field.number  # type: ignore[attr-defined]  # pytest hands descriptors on untyped
    before = Request(text="Hello", voice="Aria").SerializeToString()
    assert find_refused_field(before + encode_field(number, broken)) == name


def test_the_first_of_several_broken_strings_is_named() -> None:
    assert find_refused_field(encode_field(2, b"\xff") + encode_field(1, b"\xff")) == "voice"


def test_an_unknown_field_may_hold_anything() -> None:
    message = parse(Request(text="Hello").SerializeToString() + encode_field(200, b"\xff"))
    assert isinstance(message, Request)
    assert message.text == "Hello"


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\x05abc", b"\x0a", b"\x00", b"\x0f", bytes([0x0A]) + b"\xff" * 10])
def test_bytes_that_are_not_a_message_name_no_field(content: bytes) -> None:
    assert find_refused_field(content) is None


def test_a_broken_string_before_the_end_is_cut_off_names_no_field() -> None:
    assert find_refused_field(encode_field(1, b"\xff") + b"\x0a") is None


@given(st.binary(max_size=200))
def test_no_bytes_make_parsing_raise(content: bytes) -> None:
    message = parse(content)
    if isinstance(message, MalformedRequest):
        assert message.to_error().reason is Reason.VALIDATION_ERROR


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_valid_messages_pass_unchanged(text: str) -> None:
    request = Request(text=text)
    assert parse(request.SerializeToString()) == request


def test_without_a_descriptor_the_error_names_no_field() -> None:
    def parse_without_descriptor(content: bytes) -> wrappers_pb2.StringValue:
        return wrappers_pb2.StringValue.FromString(content)

    deserialize = make_lenient_deserializer(parse_without_descriptor)
    assert deserialize is not None
    broken = deserialize(b"\x0a\x01\xff")
    assert isinstance(broken, MalformedRequest)
    assert broken.to_error().violations == ()


def test_a_method_without_deserializer_is_not_wrapped() -> None:
    assert make_lenient_deserializer(None) is None
