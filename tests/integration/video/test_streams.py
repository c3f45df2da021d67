"""Files with covers, data, unknown codecs, several tracks and damage: what can be used is used, the rest is listed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from tests.fakes.media import (
    FFPROBE,
    convert,
    delay_sound,
    find_clicks,
    make_speech,
    make_video,
    read_frame,
    record_in_browser,
    run_ffprobe,
)
from tests.integration.video.conftest import VideoSuite, get_error


def make_talking_video(folder: Path) -> Path:
    """Make a video with H.264 and AAC, each for two seconds."""
    return delay_sound(make_video(folder, 2.0, size="160x120"), make_speech(2.0, 0.3), 0.0)


def make_unknown(folder: Path, codec: str) -> bytes:
    """Make a video with sound, of which one track has a codec that no library knows: avc1 or alac."""
    data = convert(make_talking_video(folder), "lossless.mp4", "-c:v", "copy", "-c:a", "alac").read_bytes()
    return data.replace(codec.encode(), b"zzz1")


def describe(info: video_pb2.MediaInfo) -> list[tuple[str, str]]:
    return [(stream.kind, stream.codec) for stream in info.streams]


async def test_a_stream_of_an_unknown_codec_is_listed_and_passed_over(suite: VideoSuite, tmp_path: Path) -> None:
    # Phones record a second track of sound in a codec of their own.
    data = make_unknown(tmp_path, "alac")
    assert describe(await suite.probe(data)) == [("video", "h264"), ("audio", "")]
    muxed = await suite.mux(data, make_speech(1.0))
    assert describe(video_pb2.MediaInfo(streams=muxed.file.streams)) == [("video", "h264"), ("audio", "aac")]


@pytest.mark.parametrize("name", ["avc1", "alac"])
async def test_a_file_without_a_known_stream_names_its_field(suite: VideoSuite, tmp_path: Path, name: str) -> None:
    data = make_unknown(tmp_path, name)
    is_video = name == "avc1"
    call = suite.mux(data, make_speech(1.0)) if is_video else suite.mux(make_video(tmp_path).read_bytes(), data)
    error = await get_error(call)
    assert (error.reason, [item.field for item in error.violations]) == (
        Reason.MEDIA_INVALID,
        ["video" if is_video else "audio"],
    )
    assert "known codec" in error.message


async def test_a_cover_is_not_the_video(suite: VideoSuite, tmp_path: Path) -> None:
    video = make_talking_video(tmp_path)
    cover = make_video(tmp_path, 0.04, size="64x64", codec="mjpeg")
    tracks = ("-i", str(cover), "-map", "1:v", "-map", "0:v", "-map", "0:a", "-c", "copy")
    data = convert(video, "cover.mp4", *tracks, "-disposition:v:0", "attached_pic").read_bytes()
    found = describe(await suite.probe(data))
    assert sorted(found) == [("audio", "aac"), ("image", "mjpeg"), ("video", "h264")]
    for seconds in (1.0, 3.0):
        muxed = await suite.mux(data, make_speech(seconds))
        assert (muxed.file.width, muxed.file.height) == (160, 120)


async def test_a_song_with_a_cover_is_speech_and_no_video(suite: VideoSuite, tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(make_speech(1.0, 0.2))
    cover = make_video(tmp_path, 0.04, size="64x64", codec="mjpeg")
    tracks = ("-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic")
    song = convert(tmp_path / "speech.wav", "song.mp3", *tracks).read_bytes()
    muxed = await suite.mux(make_video(tmp_path).read_bytes(), song)
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(0.7, abs=0.010)
    assert (await get_error(suite.mux(song, make_speech(1.0)))).reason is Reason.MEDIA_INVALID


async def test_a_time_code_track_is_data(suite: VideoSuite, tmp_path: Path) -> None:
    data = convert(make_talking_video(tmp_path), "tc.mov", "-c", "copy", "-timecode", "01:00:00:00").read_bytes()
    assert describe(await suite.probe(data))[2] == ("data", "")
    muxed = await suite.mux(data, make_speech(1.0))
    assert len(muxed.file.streams) == 2
    assert muxed.file.duration_seconds == pytest.approx(2.0, abs=0.05)


async def test_the_default_tracks_are_used(suite: VideoSuite, tmp_path: Path) -> None:
    small = make_video(tmp_path, 2.0, size="80x60")
    tracks = ("-i", str(make_video(tmp_path, 2.0, size="160x120")), "-map", "0:v", "-map", "1:v", "-c", "copy")
    flags = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    data = convert(small, "two.mp4", *tracks, *flags).read_bytes()
    for seconds in (1.0, 3.0):
        muxed = await suite.mux(data, make_speech(seconds))
        assert (muxed.file.width, muxed.file.height) == (160, 120)
    (tmp_path / "first.wav").write_bytes(make_speech(1.0, 0.1))
    (tmp_path / "second.wav").write_bytes(make_speech(1.0, 0.6))
    sounds = ("-i", str(tmp_path / "second.wav"), "-map", "0:a", "-map", "1:a")
    flags = ("-disposition:a:0", "0", "-disposition:a:1", "default")
    speech = convert(tmp_path / "first.wav", "two.m4a", *sounds, *flags).read_bytes()
    muxed = await suite.mux(make_video(tmp_path).read_bytes(), speech)
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(1.1, abs=0.010)


def damage(data: bytes, seed: int) -> bytes:
    """Change a few bytes, of the head more often than of the rest."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 30))):
        changed[chance.randrange(40, chance.choice((600, len(data))))] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("seed", range(12))
async def test_a_damaged_file_is_used_or_refused_but_never_an_internal_error(
    suite: VideoSuite, tmp_path: Path, seed: int
) -> None:
    whole = convert(make_talking_video(tmp_path), "head.mp4", "-c", "copy", "-movflags", "+faststart")
    if seed % 2:
        whole = record_in_browser(whole)
    data = damage(whole.read_bytes(), seed)
    try:
        muxed = await suite.mux(data, make_speech(1.0))
    except Exception:  # noqa: BLE001 - checked by the second call
        error = await get_error(suite.mux(data, make_speech(1.0)))
        assert error.reason is Reason.MEDIA_INVALID
        return
    width, height, _ = read_frame(suite.file(muxed.file.key, tmp_path))
    assert (width, height) == (muxed.file.width, muxed.file.height)
    if FFPROBE is not None:
        assert run_ffprobe(suite.file(muxed.file.key, tmp_path)).seconds("video") > 0
