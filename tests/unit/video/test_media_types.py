"""Media types by first bytes: the supported ones, and nothing that references other files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video.media_types import HEAD_BYTES, SUPPORTED_TYPES, sniff_media_type


@pytest.mark.parametrize(
    ("head", "name", "demuxer", "extension"),
    [
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "mp4", "mov", "mp4"),
        (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00", "mp4", "mov", "mp4"),
        (b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00", "mp4", "mov", "mp4"),
        # QuickTime without an ftyp box.
        (b"\x00\x00\x0c\x5amoov\x00\x00\x00\x6cmvhd", "mp4", "mov", "mp4"),
        (b"\x00\x0f\x42\x40mdat\x00\x00\x01\xb3\x14\x00", "mp4", "mov", "mp4"),
        (b"\x00\x00\x00\x08wide\x00\x0f\x42\x40mdat", "mp4", "mov", "mp4"),
        (b"\x00\x00\x00\x10free\x00\x00\x00\x00\x00\x00\x00\x00", "mp4", "mov", "mp4"),
        (b"\x00\x00\x00\x10skip\x00\x00\x00\x00\x00\x00\x00\x00", "mp4", "mov", "mp4"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81", "webm", "matroska", "webm"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x23TSSE\x00\x00", "mp3", "mp3", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3", "mp3", "mp3"),
        (b"\xff\xf3\x48\xc4", "mp3", "mp3", "mp3"),
        (b"\xff\xe3\x18\xc4", "mp3", "mp3", "mp3"),
        (b"RIFF\x24\x08\x00\x00WAVEfmt ", "wav", "wav", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav", "wav", "wav"),
        (b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "ogg", "ogg", "ogg"),
        (b"fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00\x00\x00\x00", "flac", "flac", "flac"),
        (b"\xff\xf1\x50\x80\x2e\x7f\xfc", "aac", "aac", "aac"),
        (b"\xff\xf9\x50\x80\x2e\x7f\xfc", "aac", "aac", "aac"),
    ],
)
def test_every_media_type_is_detected_by_its_first_bytes(head: bytes, name: str, demuxer: str, extension: str) -> None:
    for given_head in (head, head.ljust(HEAD_BYTES, b"\x00")):
        kind = sniff_media_type(given_head)
        assert kind is not None
        assert (kind.name, kind.demuxer, kind.extension) == (name, demuxer, extension)
    assert name in SUPPORTED_TYPES.lower()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00",
        b"\xff",
        b"#EXTM3U\n#EXT-X-V",
        b"\xef\xbb\xbf#EXTM3U\n",
        b"<svg xmlns='http",
        b"<?xml version='1",
        b"ffconcat version",
        b"file '/etc/passw",
        b"<!DOCTYPE html>\n",
        b"<MPD xmlns='urn:",
        b"[playlist]\nFile1",
        b"v=0\r\no=- 0 0 IN",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01",
        b"GIF89a\x01\x00\x01\x00",
        b"RIFF\x24\x08\x00\x00AVI LIST",
        b"RIFF\x24\x08\x00\x00WEBPVP8 ",
        b"\xff\xfe<\x00h\x00t\x00m\x00",
        b"\xfe\xff\x00<\x00h\x00t\x00m",
        b"\xff\xe1\x50\x80",
        b"\xff\xfd\x90\x64",
        b"1\n00:00:01,000 -",
        b"WEBVTT\n\n00:01.00",
        b"PK\x03\x04",
        b" ID3",
        b"ftyp",
        b"moov",
        b"mdat\x00\x00\x00\x00",
        b"\x00\x00\x00\x14pict\x00\x00\x00\x00",
        b"\x00\x00\x00\x14MOOV\x00\x00\x00\x00",
    ],
)
def test_other_files_are_not_supported(head: bytes) -> None:
    assert sniff_media_type(head) is None


MARKS = ("ftyp", "moov", "mdat", "wide", "free", "skip")


@given(st.text(st.characters(codec="ascii"), max_size=HEAD_BYTES))
def test_text_is_media_only_with_a_signature(text: str) -> None:
    kind = sniff_media_type(text.encode())
    assert kind is None or text[4:8] in MARKS or text.startswith(("ID3", "OggS", "fLaC", "RIFF", "RF64"))


@given(st.binary(max_size=2 * HEAD_BYTES))
def test_any_bytes_are_accepted_and_the_first_ones_decide(data: bytes) -> None:
    assert sniff_media_type(data) == sniff_media_type(data[:HEAD_BYTES])
