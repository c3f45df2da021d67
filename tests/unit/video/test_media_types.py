"""Media types by content: the supported ones, and nothing that references other files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video.media_types import HEAD_BYTES, SUPPORTED_TYPES, measure_id3, sniff_media_type
from tests.fakes.audio import (
    MPEG_1_32_KBPS_48000_HZ,
    MPEG_1_128_KBPS_44100_HZ,
    MPEG_2_5_8_KBPS_8000_HZ,
    MPEG_2_32_KBPS_22050_HZ,
    MPEG_2_48_KBPS_24000_HZ,
    build_id3_tag,
)


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
        (b"RIFF\x24\x08\x00\x00WAVEfmt ", "wav", "wav", "wav"),
        (b"BW64\xff\xff\xff\xffWAVEds64", "wav", "wav", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav", "wav", "wav"),
        (b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "ogg", "ogg", "ogg"),
        (b"fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00\x00\x00\x00", "flac", "flac", "flac"),
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
        b"\xff\xfb\x90\x64" + bytes(HEAD_BYTES),
        b"\xff\xf1\x50\x80\x2e\x7f\xfc" + bytes(HEAD_BYTES),
        b"ID3\x04\x00\x00\x00\x00\x00\x05hello, world",
        b"OggS\x01\x02\x00\x00",
        b"fLaC, a word",
        b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heic",
        b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1avif",
        b"\x00\x00\x00\x04moov\x00\x00\x00\x00",
        b"ftyp",
        b"moov",
        b"mdat\x00\x00\x00\x00",
        b"\x00\x00\x00\x14pict\x00\x00\x00\x00",
        b"\x00\x00\x00\x14MOOV\x00\x00\x00\x00",
    ],
)
def test_other_files_are_not_supported(head: bytes) -> None:
    assert sniff_media_type(head) is None


MPEG_FRAMES = (
    MPEG_1_128_KBPS_44100_HZ,
    MPEG_1_32_KBPS_48000_HZ,
    MPEG_2_32_KBPS_22050_HZ,
    MPEG_2_48_KBPS_24000_HZ,
    MPEG_2_5_8_KBPS_8000_HZ,
)


def build_adts_frame(frame_bytes: int) -> bytes:
    """Return a frame of AAC at 44.1 kHz, one channel."""
    head = 0xFFF15040 << 24 | frame_bytes << 13 | 0x1FFC
    return head.to_bytes(7).ljust(frame_bytes, b"\x21")


SOUND = {
    **{f"mp3 {frame.header:x}": (frame.bytes(), "mp3") for frame in MPEG_FRAMES},
    "aac": (build_adts_frame(300), "aac"),
    "aac of another size": (build_adts_frame(8), "aac"),
}


@pytest.mark.parametrize(("frame", "name"), SOUND.values(), ids=SOUND)
@pytest.mark.parametrize("tag_bytes", [None, 0, 500])
def test_sound_is_detected_by_frames_in_a_row_whatever_tag_is_before_them(
    frame: bytes, name: str, tag_bytes: int | None
) -> None:
    tag = b"" if tag_bytes is None else build_id3_tag(tag_bytes)
    for count in (1, 2, 3, 100):
        for room in (b"", bytes(300)):
            kind = sniff_media_type((tag + room + frame * count)[:HEAD_BYTES])
            assert kind is not None
            assert kind.name == name
    other = frame[:2] + bytes([frame[2] ^ 0x0C]) + frame[3:]
    for broken in (frame + b"x" * 100, frame + frame[1:] + frame, b"x" + frame * 3, frame * 2 + other[1:] * 9):
        assert sniff_media_type(tag + broken) is None


def test_a_tag_larger_than_the_head_is_measured() -> None:
    tag = build_id3_tag(3 * HEAD_BYTES)
    assert measure_id3((tag + SOUND["aac"][0] * 9)[:HEAD_BYTES]) == len(tag)
    assert measure_id3(build_id3_tag(5) + build_id3_tag(7) + SOUND["aac"][0]) == len(build_id3_tag(5) * 2) + 2
    assert measure_id3(SOUND["aac"][0]) == 0


def test_a_short_mp3_may_have_a_tag_at_its_end() -> None:
    kind = sniff_media_type(MPEG_FRAMES[0].bytes() + b"TAG" + bytes(125))
    assert kind is not None
    assert kind.name == "mp3"


MARKS = ("ftyp", "moov", "mdat", "wide", "free", "skip")


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_text_is_media_only_with_a_signature(text: str) -> None:
    kind = sniff_media_type(text.encode())
    assert kind is None or text[4:8] in MARKS or text.startswith(("ID3", "OggS", "fLaC", "RIFF", "RF64"))


@given(st.binary(max_size=40))
def test_any_bytes_are_accepted_and_the_first_ones_decide(data: bytes) -> None:
    long = data + bytes(HEAD_BYTES)
    assert sniff_media_type(long) == sniff_media_type(long[:HEAD_BYTES])
