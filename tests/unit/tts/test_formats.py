"""The table of audio formats equals that of the contract."""

from __future__ import annotations

import re
from typing import Any

import pytest
from buf.validate import validate_pb2
from media.tts.v1 import tts_pb2

from services.common.errors import MediaError
from services.tts.formats import DEFAULT_FORMAT, FORMATS, QUALITIES, OutputFormat, find_format


@pytest.mark.parametrize("message", ["SynthesizeRequest", "SynthesizeStreamRequest"])
def test_the_contract_and_the_service_offer_the_same_formats(message: str) -> None:
    field = tts_pb2.DESCRIPTOR.message_types_by_name[message].fields_by_name["output_format"]
    extension: Any = validate_pb2.field
    rules: Any = field.GetOptions().Extensions[extension]
    assert sorted((*FORMATS, *QUALITIES)) == sorted(getattr(rules.string, "in"))


def test_the_contract_documents_the_default() -> None:
    assert DEFAULT_FORMAT.name == "mp3_44100_128"


@pytest.mark.parametrize("item", FORMATS.values(), ids=FORMATS)
def test_the_name_of_a_format_has_its_properties(item: OutputFormat) -> None:
    family, rate, *bit_rate = item.name.split("_")
    assert (family, int(rate), [int(value) for value in bit_rate]) == (
        item.family,
        item.sample_rate_hz,
        [item.bit_rate_kbps] if item.bit_rate_kbps else [],
    )


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("mp3_44100_128", "audio/mpeg"),
        ("pcm_24000", "audio/pcm;rate=24000;channels=1"),
        ("wav_24000", "audio/wav"),
        ("opus_48000_64", "audio/ogg"),
        ("ulaw_8000", "audio/basic"),
        ("alaw_8000", "audio/x-alaw-basic"),
    ],
)
def test_a_format_has_a_media_type(name: str, content_type: str) -> None:
    assert FORMATS[name].content_type == content_type


def test_every_media_type_is_well_formed() -> None:
    for item in FORMATS.values():
        assert re.fullmatch(r"audio/[a-z-]+(;[a-z]+=[0-9]+)*", item.content_type)


@pytest.mark.parametrize(
    ("name", "quality", "found"),
    [
        ("", "", "mp3_44100_128"),
        ("", "high", "mp3_44100_192"),
        ("mp3", "low", "mp3_44100_64"),
        ("opus", "", "opus_48000_96"),
        ("wav", "medium", "wav_24000"),
        ("pcm", "high", "pcm_44100"),
        ("mp3_22050_32", "", "mp3_22050_32"),
    ],
)
def test_a_quality_chooses_the_rates_of_a_codec(name: str, quality: str, found: str) -> None:
    assert find_format(name, quality) == FORMATS[found]


def test_qualities_of_a_codec_differ_and_grow() -> None:
    for family, qualities in QUALITIES.items():
        assert {item.family for item in qualities.values()} == {family}
        rates = [(item.bit_rate_kbps or 0, item.sample_rate_hz) for item in qualities.values()]
        assert list(qualities) == ["low", "medium", "high"]
        assert rates == sorted(set(rates))


def test_a_whole_format_takes_no_quality() -> None:
    with pytest.raises(MediaError, match=r"must not be set with mp3_44100_64.*; use mp3"):
        find_format("mp3_44100_64", "high")


@pytest.mark.parametrize("name", ["flac", "ulaw", "MP3"])
def test_an_unknown_codec_has_no_format(name: str) -> None:
    assert find_format(name, "") is None
