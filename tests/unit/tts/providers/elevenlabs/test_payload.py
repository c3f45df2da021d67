"""Parsing of records with audio and timing."""

from __future__ import annotations

import json

import pytest

from services.common.errors import MediaError, Reason
from services.tts.providers.elevenlabs.payload import RecordReader
from tests.fakes.elevenlabs import line

TIMING = {"characters": ["a"], "character_start_times_seconds": [0.0], "character_end_times_seconds": [0.1]}


def test_audio_and_timing_are_parsed() -> None:
    chunk = RecordReader().read(line(b"sound", "ab", [0.0, 0.06]))
    assert chunk.audio == b"sound"
    assert chunk.alignment is not None
    assert chunk.alignment.text == "ab"
    assert chunk.alignment.starts_seconds == (0.0, 0.06)


def test_a_record_may_have_audio_only() -> None:
    chunk = RecordReader().read(line(b"sound"))
    assert (chunk.audio, chunk.alignment) == (b"sound", None)


@pytest.mark.parametrize("audio", ["", None])
def test_a_record_may_have_timing_only(audio: str | None) -> None:
    chunk = RecordReader().read(json.dumps({"audio_base64": audio, "alignment": TIMING}).encode())
    assert chunk.audio == b""
    assert chunk.alignment is not None


def test_only_characters_of_the_original_text_are_timed() -> None:
    record = {"audio_base64": "", "alignment": None, "normalized_alignment": TIMING}
    assert RecordReader().read(json.dumps(record).encode()).alignment is None


def test_an_entry_may_have_several_code_points() -> None:
    chunk = RecordReader().read(line(b"", ["e\u0301", "👩‍👧"], [0.0, 0.06]))
    assert chunk.alignment is not None
    assert chunk.alignment.characters == ("e\u0301", "👩‍👧")


def test_an_empty_timing_gives_no_alignment() -> None:
    empty: dict[str, list[str]] = {name: [] for name in TIMING}
    assert RecordReader().read(json.dumps({"audio_base64": "", "alignment": empty}).encode()).alignment is None


@pytest.mark.parametrize(
    "record",
    [
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"detail": {"code": "quota_exceeded"}}',
        b'{"audio_base64": "not base64!"}',
        b'{"audio_base64": 7}',
        b'{"audio_base64": ["eA=="]}',
        b'{"audio_base64": "", "alignment": []}',
        b'{"audio_base64": "", "alignment": {"characters": ["a"]}}',
        json.dumps({"alignment": TIMING | {"characters": ["a", "b"]}}).encode(),
        json.dumps({"alignment": TIMING | {"characters": [1]}}).encode(),
        json.dumps({"alignment": TIMING | {"character_end_times_seconds": ["0.1"]}}).encode(),
        json.dumps({"alignment": TIMING | {"character_end_times_seconds": [float("inf")]}}).encode(),
        json.dumps({"alignment": TIMING}).replace("0.1", "1e999").encode(),
        b"[" * 100_000,
        b'{"audio_base64": "\xff"}',
    ],
)
def test_a_malformed_record_is_an_error(record: bytes) -> None:
    with pytest.raises(MediaError) as failure:
        RecordReader().read(record)
    assert failure.value.reason is Reason.GENERATION_FAILED
