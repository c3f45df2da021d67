"""Durations of audio: correct for generated audio, equal for any splitting, and without error for other bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.audio_duration import build_duration_meter
from services.tts.formats import FORMATS, OutputFormat
from tests.fakes.audio import (
    MPEG_1_32_KBPS_48000_HZ,
    MPEG_1_128_KBPS_44100_HZ,
    MPEG_1_128_KBPS_44100_HZ_PADDED,
    MPEG_2_5_8_KBPS_8000_HZ,
    MPEG_2_32_KBPS_22050_HZ,
    MPEG_2_48_KBPS_24000_HZ,
    MpegFrame,
    build_id3_tag,
    build_ogg_opus,
    build_ogg_page,
    build_wav,
)

MP3 = FORMATS["mp3_44100_128"]
OPUS = FORMATS["opus_48000_64"]
WAV = FORMATS["wav_24000"]

FRAMES = [
    MPEG_1_128_KBPS_44100_HZ,
    MPEG_1_128_KBPS_44100_HZ_PADDED,
    MPEG_1_32_KBPS_48000_HZ,
    MPEG_2_32_KBPS_22050_HZ,
    MPEG_2_48_KBPS_24000_HZ,
    MPEG_2_5_8_KBPS_8000_HZ,
]
FRAME = MPEG_1_128_KBPS_44100_HZ


def measure_seconds(output_format: OutputFormat, *pieces: bytes) -> float:
    meter = build_duration_meter(output_format)
    for piece in pieces:
        meter.feed(piece)
    return meter.seconds


def cut(audio: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(audio) + 1) for place in places), len(audio)]
    return [audio[start:end] for start, end in itertools.pairwise(borders)]


@pytest.mark.parametrize("output_format", FORMATS.values(), ids=FORMATS)
def test_empty_audio_has_no_duration(output_format: OutputFormat) -> None:
    assert measure_seconds(output_format) == measure_seconds(output_format, b"", b"") == 0


@pytest.mark.parametrize("name", [name for name in FORMATS if name.startswith(("pcm", "ulaw", "alaw"))])
def test_the_duration_of_raw_audio_is_that_of_its_samples(name: str) -> None:
    output_format = FORMATS[name]
    width = 2 if output_format.family == "pcm" else 1
    assert measure_seconds(output_format, bytes(output_format.sample_rate_hz * width * 3)) == 3


@pytest.mark.parametrize("rate_hz", [8000, 24000, 48000])
def test_the_duration_of_a_wav_file_is_that_of_its_data(rate_hz: int) -> None:
    audio = build_wav(bytes(rate_hz), rate_hz, b"LIST\x04\x00\x00\x00INFO")
    assert measure_seconds(FORMATS[f"wav_{rate_hz}"], audio) == 0.5


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_the_duration_of_an_mp3_is_that_of_its_frames(frame: MpegFrame) -> None:
    assert measure_seconds(MP3, frame.bytes() * 10) == pytest.approx(frame.seconds * 10)


def test_padded_frames_count_like_others() -> None:
    audio = (MPEG_1_128_KBPS_44100_HZ.bytes() + MPEG_1_128_KBPS_44100_HZ_PADDED.bytes()) * 5
    assert measure_seconds(MP3, audio) == pytest.approx(FRAME.seconds * 10)


@pytest.mark.parametrize("body_bytes", [0, 1, 200, 70_000])
def test_a_leading_tag_has_no_duration(body_bytes: int) -> None:
    assert measure_seconds(MP3, build_id3_tag(body_bytes) + FRAME.bytes() * 3) == pytest.approx(FRAME.seconds * 3)


@pytest.mark.parametrize(("frame", "side_bytes"), [(FRAME, 17), (FRAME, 32), (MPEG_2_48_KBPS_24000_HZ, 9)])
@pytest.mark.parametrize("tag", [b"Xing", b"Info"])
def test_the_info_frame_has_no_duration(frame: MpegFrame, side_bytes: int, tag: bytes) -> None:
    info = frame.bytes(bytes(side_bytes) + tag)
    assert measure_seconds(MP3, build_id3_tag(50) + info + frame.bytes() * 3) == pytest.approx(frame.seconds * 3)


def test_only_the_first_frame_can_be_an_info_frame() -> None:
    assert measure_seconds(MP3, FRAME.bytes() + FRAME.bytes(bytes(17) + b"Xing")) == pytest.approx(FRAME.seconds * 2)


def test_garbage_between_frames_is_skipped() -> None:
    audio = FRAME.bytes() + b"bytes that are not a frame" + FRAME.bytes() + b"\xff\x00" * 9 + FRAME.bytes()
    assert measure_seconds(MP3, audio) == pytest.approx(FRAME.seconds * 3)


def test_the_duration_of_opus_is_the_position_of_the_last_page_without_the_pre_skip() -> None:
    audio = build_ogg_opus([bytes(100)] * 50, pre_skip_samples=312)
    assert measure_seconds(OPUS, audio) == pytest.approx((50 * 960 - 312) / 48000)


@pytest.mark.parametrize("packet", [b"", b"\xf8", b"\xf8\xff\xfe"])
def test_a_last_page_of_a_few_bytes_counts(packet: bytes) -> None:
    assert measure_seconds(OPUS, build_ogg_opus([bytes(100), packet], pre_skip_samples=0)) == pytest.approx(
        2 * 960 / 48000
    )


def test_a_page_on_which_no_packet_ends_is_ignored() -> None:
    audio = build_ogg_opus([bytes(100)] * 2, pre_skip_samples=0) + build_ogg_page([bytes(200)], -1)
    assert measure_seconds(OPUS, audio) == pytest.approx(2 * 960 / 48000)


def test_garbage_between_pages_is_skipped() -> None:
    audio = build_ogg_opus([bytes(100)], pre_skip_samples=0) + b"OggOgg" + build_ogg_page([bytes(50)], 4800)
    assert measure_seconds(OPUS, audio) == pytest.approx(0.1)


WHOLE = {
    "pcm": (FORMATS["pcm_16000"], bytes(3201)),
    "wav": (WAV, build_wav(bytes(5000), 24000, b"LIST\x04\x00\x00\x00INFO")),
    "mp3": (
        MP3,
        build_id3_tag(300) + FRAME.bytes(bytes(17) + b"Info") + b"".join(frame.bytes() for frame in FRAMES) * 2,
    ),
    "mp3 with garbage": (MP3, b"garbageID3" + FRAME.bytes() + b"IDID3\xff\xffxI" + FRAME.bytes() * 2 + b"\xff\xfb"),
    "opus": (OPUS, build_ogg_opus([bytes(size) for size in (100, 3, 0, 254, 1)])),
    "opus with garbage": (OPUS, b"OgOggS" + build_ogg_opus([bytes(90)]) + b"Ogg" + build_ogg_page([b"\xf8"], 9600)),
}

places = st.lists(st.integers(0, 1_000_000), max_size=12)


@given(st.sampled_from(list(WHOLE.values())), places)
def test_the_duration_does_not_depend_on_where_the_audio_is_split(
    case: tuple[OutputFormat, bytes], places: list[int]
) -> None:
    output_format, audio = case
    assert measure_seconds(output_format, *cut(audio, places)) == pytest.approx(measure_seconds(output_format, audio))


@pytest.mark.parametrize(("output_format", "audio"), WHOLE.values(), ids=WHOLE)
def test_the_duration_is_equal_byte_by_byte(output_format: OutputFormat, audio: bytes) -> None:
    whole = measure_seconds(output_format, audio)
    assert whole > 0
    assert measure_seconds(output_format, *cut(audio, list(range(len(audio))))) == pytest.approx(whole)


# Bytes that the meters look for are more frequent than in random bytes.
garbage = st.lists(
    st.binary(max_size=12)
    | st.sampled_from([b"ID3", b"\xff", b"\xff\xfb\x90\xc0", b"OggS", b"OpusHead", b"data", bytes(30)]),
    max_size=20,
).map(b"".join)


@given(st.sampled_from([MP3, OPUS, WAV, FORMATS["pcm_8000"]]), garbage, places)
def test_garbage_does_not_raise_and_does_not_depend_on_where_it_is_split(
    output_format: OutputFormat, audio: bytes, places: list[int]
) -> None:
    whole = measure_seconds(output_format, audio)
    assert whole >= 0
    assert measure_seconds(output_format, *cut(audio, places)) == pytest.approx(whole)


@pytest.mark.parametrize("output_format", [MP3, OPUS, WAV])
@pytest.mark.parametrize("pattern", [b"\x00", b"\xff", b"I", b"ID3", b"OggS", b"\xff\xfb"])
def test_much_garbage_is_measured_quickly(output_format: OutputFormat, pattern: bytes) -> None:
    pieces = [pattern * (4096 // len(pattern))] * 16
    assert measure_seconds(output_format, *pieces) >= 0


@given(st.integers(0, 70_000), places)
def test_the_duration_of_a_wav_file_with_an_endless_header_does_not_depend_on_where_it_is_split(
    before: int, places: list[int]
) -> None:
    audio = b"RIFF\x00\x00\x00\x00WAVE" + b"x" * before + b"data\x00\x00\x00\x00" + bytes(2400)
    assert measure_seconds(WAV, *cut(audio, places)) == pytest.approx(measure_seconds(WAV, audio))


@pytest.mark.parametrize("name", ["pcm_16000", "ulaw_8000", "wav_24000"])
@pytest.mark.parametrize("cut_bytes", range(4))
def test_raw_audio_is_completed_to_whole_samples(name: str, cut_bytes: int) -> None:
    meter = build_duration_meter(FORMATS[name])
    meter.feed(bytes(100 + cut_bytes))
    filler = {"pcm_16000": cut_bytes % 2}.get(name, 0)
    assert meter.build_padding() == bytes(filler)


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_an_mp3_that_was_cut_anywhere_is_completed_to_whole_frames(frame: MpegFrame) -> None:
    whole, following = frame.bytes() * 3, frame.bytes() * 2
    for cut_bytes in range(1, frame.frame_bytes):
        meter = build_duration_meter(MP3)
        meter.feed(whole + frame.bytes()[:cut_bytes])
        filler = meter.build_padding()
        assert frame.bytes()[:cut_bytes] + filler == frame.bytes()
        assert measure_seconds(MP3, whole + frame.bytes()[:cut_bytes] + filler + following) == pytest.approx(
            frame.seconds * 6
        )


@pytest.mark.parametrize("audio", [b"", b"garb", b"\xff", b"garbage that is no frame at all"])
def test_bytes_that_are_not_a_frame_get_no_padding(audio: bytes) -> None:
    meter = build_duration_meter(MP3)
    meter.feed(audio)
    assert meter.build_padding() == b""
