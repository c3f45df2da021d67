"""MuxVideo of HDR, rotated, cropped and anamorphic videos, and of codecs that common players do not show."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from tests.fakes.media import FFPROBE, convert, find_clicks, make_speech, make_video, read_frame, run_ffprobe
from tests.integration.video.conftest import VideoSuite, get_error

COPIED, ENCODED = 1.0, 3.0
"""Seconds of speech with which a video of two seconds is copied, and with which its last frame is repeated."""
GRAY_SECONDS = 2.0
SMPTE2084 = ("smpte2084", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:max-cll=1000,400")
HLG = ("arib-std-b67", "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc")


def make_gray_hdr_video(folder: Path, transfer: str, parameters: str, signal: float) -> bytes:
    """Make an HDR video of one gray.

    Args:
        folder: Where to make it.
        transfer: Name of the transfer characteristics.
        parameters: Parameters of the encoder.
        signal: Brightness as a share of the whole range.
    """
    level = round(64 + 876 * signal)
    colors = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    gray = f"format=yuv420p10le,geq=lum={level}:cb=512:cr=512,{colors}"
    options = ("-vf", gray, "-c:v", "libx265", "-x265-params", f"log-level=error:{parameters}", "-tag:v", "hvc1")
    return convert(make_video(folder, GRAY_SECONDS, size="64x64"), f"{transfer}.mp4", *options).read_bytes()


def crop(path: Path, width: int, height: int) -> bytes:
    """Insert a clean aperture into an MP4 whose header is at its end."""
    data = bytearray(path.read_bytes())
    offset, end, sizes = 0, len(data), []
    for name, header in zip(
        (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"), (8, 8, 8, 8, 8, 16, 86), strict=True
    ):
        while data[offset + 4 : offset + 8] != name:
            offset += int.from_bytes(data[offset : offset + 4])
            assert offset < end
        sizes.append(offset)
        offset += header
    box = struct.pack(">I4s8I", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    last = sizes[-1] + int.from_bytes(data[sizes[-1] : sizes[-1] + 4])
    data[last:last] = box
    for place in sizes:
        data[place : place + 4] = (int.from_bytes(data[place : place + 4]) + len(box)).to_bytes(4)
    return bytes(data)


@pytest.mark.parametrize(("signal", "least", "most"), [(0.25, 0.2, 0.35), (0.5, 0.45, 0.65), (0.75, 0.75, 0.95)])
async def test_encoded_hlg_is_sdr_of_a_natural_brightness(
    suite: VideoSuite, tmp_path: Path, signal: float, least: float, most: float
) -> None:
    muxed = await suite.mux(make_gray_hdr_video(tmp_path, *HLG, signal), make_speech(ENCODED))
    path = suite.file(muxed.file.key, tmp_path)
    _, _, pixels = read_frame(path)
    assert least <= pixels[0] / 255 <= most
    assert max(pixels[:3]) - min(pixels[:3]) <= 3
    if FFPROBE is not None:
        found = run_ffprobe(path).stream("video")
        assert (found["codec_name"], found["pix_fmt"]) == ("h264", "yuv420p")
        assert {found["color_space"], found["color_transfer"], found["color_primaries"]} == {"bt709"}
        assert "side_data_list" not in found


async def test_encoded_pq_is_sdr_and_white_paper_is_bright(suite: VideoSuite, tmp_path: Path) -> None:
    # 58 % of PQ is white paper of 203 nits (ITU-R BT.2408).
    muxed = await suite.mux(make_gray_hdr_video(tmp_path, *SMPTE2084, 0.58), make_speech(ENCODED))
    path = suite.file(muxed.file.key, tmp_path)
    assert 0.75 <= read_frame(path)[2][0] / 255 <= 0.95
    if FFPROBE is not None:
        found = run_ffprobe(path).stream("video")
        assert found["color_transfer"] == "bt709"
        # The brightness of the HDR screen is no property of the SDR video.
        assert "side_data_list" not in found


async def test_copied_hdr_keeps_its_bits_and_tags(suite: VideoSuite, tmp_path: Path) -> None:
    muxed = await suite.mux(make_gray_hdr_video(tmp_path, *HLG, 0.5), make_speech(COPIED))
    assert muxed.video_copied
    if FFPROBE is not None:
        found = run_ffprobe(suite.file(muxed.file.key, tmp_path)).stream("video")
        assert (found["pix_fmt"], found["color_transfer"]) == ("yuv420p10le", "arib-std-b67")
        assert found["codec_tag_string"] == "hvc1"


@pytest.mark.parametrize("stream_media", [False, True])
async def test_hevc_leaves_under_the_name_that_apple_plays(
    suite: VideoSuite, tmp_path: Path, stream_media: bool
) -> None:
    options = ("-c:v", "libx265", "-x265-params", "log-level=error", "-tag:v", "hev1")
    data = convert(make_video(tmp_path, size="160x120"), "hev1.mp4", *options).read_bytes()
    assert b"hev1" in data
    muxed = await suite.mux(data, make_speech(COPIED), stream_media=stream_media)
    assert muxed.video_copied
    for result in (suite.file(muxed.file.key, tmp_path).read_bytes(), *suite.chunks[:1]):
        assert b"hvc1" in result
        assert b"hev1" not in result


@pytest.mark.parametrize(
    "options",
    [
        ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
        ("-c:v", "libx264", "-pix_fmt", "yuv422p"),
        ("-c:v", "libx264", "-pix_fmt", "yuv420p10le"),
        ("-c:v", "libx264rgb"),
        ("-c:v", "mpeg4"),
        ("-c:v", "mjpeg", "-f", "mov"),
        ("-c:v", "png", "-f", "mov"),
    ],
    ids=lambda options: " ".join(options[1:]),
)
async def test_what_common_players_do_not_show_is_encoded(
    suite: VideoSuite, tmp_path: Path, options: tuple[str, ...]
) -> None:
    source = make_video(tmp_path, size="160x120")
    muxed = await suite.mux(convert(source, "rare.mp4", *options).read_bytes(), make_speech(COPIED))
    assert not muxed.video_copied
    path = suite.file(muxed.file.key, tmp_path)
    if FFPROBE is not None:
        found = run_ffprobe(path).stream("video")
        assert (found["codec_name"], found["pix_fmt"]) in {("h264", "yuv420p"), ("h264", "yuvj420p")}
    # The colors are those of the source.
    expected, actual = read_frame(source, 20)[2], read_frame(path, 20)[2]
    assert sum(abs(one - two) for one, two in zip(expected, actual, strict=True)) / len(expected) < 12


@pytest.mark.parametrize("codec", ["libopus", "flac", "alac", "ac3"])
async def test_speech_leaves_as_aac_whatever_its_codec(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path, codec: str
) -> None:
    (tmp_path / "speech.wav").write_bytes(make_speech(1.0, 0.2))
    speech = convert(tmp_path / "speech.wav", "rare.mp4", "-c:a", codec, "-ar", "48000", "-strict", "-2")
    muxed = await suite.mux(two_seconds, speech.read_bytes())
    assert [stream.codec for stream in muxed.file.streams] == ["h264", "aac"]
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(0.7, abs=0.010)


@pytest.mark.parametrize("seconds", [COPIED, ENCODED])
@pytest.mark.parametrize(
    ("before", "options", "size"),
    [
        (("-display_rotation", "90"), ("-c", "copy"), (180, 320)),
        (("-display_rotation", "-90"), ("-c", "copy"), (180, 320)),
        (("-display_rotation", "180"), ("-c", "copy"), (320, 180)),
        ((), ("-vf", "setsar=3/2"), (480, 180)),
        ((), ("-vf", "setsar=3/4"), (240, 180)),
        (("-display_rotation", "90"), ("-c", "copy", "-aspect", "8:3"), (180, 480)),
    ],
)
async def test_the_size_is_told_as_it_is_shown_whether_copied_or_not(
    suite: VideoSuite,
    tmp_path: Path,
    before: tuple[str, ...],
    options: tuple[str, ...],
    size: tuple[int, int],
    seconds: float,
) -> None:
    data = convert(make_video(tmp_path, size="320x180"), "odd.mp4", *options, before=before).read_bytes()
    (stream,) = (await suite.probe(data)).streams
    assert (stream.width, stream.height) == size
    muxed = await suite.mux(data, make_speech(seconds))
    assert muxed.video_copied is (seconds == COPIED)
    assert (muxed.file.width, muxed.file.height) == size
    if seconds == ENCODED:
        assert read_frame(suite.file(muxed.file.key, tmp_path))[:2] == size


@pytest.mark.parametrize("seconds", [COPIED, ENCODED])
async def test_a_cropped_video_leaves_cropped(suite: VideoSuite, tmp_path: Path, seconds: float) -> None:
    data = crop(make_video(tmp_path, size="320x180"), 240, 160)
    (stream,) = (await suite.probe(data)).streams
    assert (stream.width, stream.height) == (240, 160)
    muxed = await suite.mux(data, make_speech(seconds))
    assert (muxed.file.width, muxed.file.height) == (240, 160)
    assert read_frame(suite.file(muxed.file.key, tmp_path))[:2] == (240, 160)


async def test_a_very_long_shape_of_pixels_is_ignored(suite: VideoSuite, tmp_path: Path) -> None:
    data = convert(make_video(tmp_path, size="160x120"), "long.mp4", "-vf", "setsar=200/1").read_bytes()
    muxed = await suite.mux(data, make_speech(ENCODED))
    assert (muxed.file.width, muxed.file.height) == (160, 120)


async def test_interlaced_frames_are_whole_after_encoding(suite: VideoSuite, tmp_path: Path) -> None:
    flags = ("-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ilme+ildct")
    data = convert(make_video(tmp_path, size="160x120", rate=50), "interlaced.mkv", *flags).read_bytes()
    muxed = await suite.mux(data, make_speech(ENCODED))
    if FFPROBE is not None:
        assert run_ffprobe(suite.file(muxed.file.key, tmp_path)).stream("video")["field_order"] == "progressive"
    assert muxed.file.duration_seconds == pytest.approx(3.5, abs=0.05)


async def test_too_many_pixels_are_refused(suite: VideoSuite, tmp_path: Path) -> None:

    data = make_video(tmp_path, 0.04, size="4098x2306").read_bytes()
    error = await get_error(suite.mux(data, make_speech(COPIED), length_policy=video_pb2.LENGTH_POLICY_SHORTEST))
    assert error.reason is Reason.MEDIA_INVALID
    assert "pixels a frame" in error.message
