"""MuxVideo of videos without a frame rate, with long or uneven frames, and with other beginnings than 0."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from media.video.v1 import video_pb2

from tests.fakes.media import convert, find_clicks, make_speech, make_video, record_in_browser
from tests.integration.video.conftest import VideoSuite

SHORTEST, FREEZE, LOOP = (
    video_pb2.LENGTH_POLICY_SHORTEST,
    video_pb2.LENGTH_POLICY_FREEZE,
    video_pb2.LENGTH_POLICY_LOOP,
)
POLICIES = [(FREEZE, 3.0, 3.5), (LOOP, 4.2, 4.7), (SHORTEST, 0.83, 1.33)]
Maker = Callable[[Path], Path]


def make_slides(folder: Path) -> Path:
    """Make a video of two frames that stand for a second each."""
    return make_video(folder, 2.0, rate=1, size="160x120")


def make_fast_video(folder: Path) -> Path:
    """Make a video with five hundred frames a second."""
    return make_video(folder, 2.0, rate=500, size="64x64")


def record(folder: Path) -> Path:
    return record_in_browser(make_video(folder, 2.0, size="160x120"))


def move_into_the_past(folder: Path) -> Path:
    """Make a video with an edit list that begins before 0."""
    return convert(make_video(folder, 2.5), "early.mp4", "-c", "copy", before=("-itsoffset", "-0.5"))


def move_far_away(folder: Path) -> Path:
    """Make a video that begins after more seconds than a video may last."""
    return convert(make_video(folder), "far.mkv", "-c", "copy", "-output_ts_offset", "700")


def delay_by_an_edit_list(folder: Path) -> Path:
    options = ("-c", "copy", "-output_ts_offset", "700", "-avoid_negative_ts", "disabled")
    return convert(make_video(folder), "far.mp4", *options)


def put_into_fragments(folder: Path) -> Path:
    """Make a video without a duration in its header."""
    return convert(make_video(folder), "live.mp4", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov")


def begin_with_undecodable_frames(folder: Path) -> Path:
    """Make a trimmed video in which the first frames depend on frames that are gone."""
    opened = convert(make_video(folder, 3.0), "open.mp4", "-c:v", "libx264", "-x264-params", "open-gop=1:keyint=12")
    return convert(opened, "trimmed.mkv", "-c", "copy", before=("-ss", "1.1"))


def change_frame_size(folder: Path) -> Path:
    """Make a recording in which the frame size changes, as in a call."""
    first, second = (make_video(folder, 1.0, size=size, codec="libvpx") for size in ("160x120", "80x60"))
    names = folder / "names.txt"
    names.write_text(f"file {first.name}\nfile {second.name}\n")
    return convert(names, "resized.webm", "-c", "copy", before=("-f", "concat", "-safe", "0"))


def read_times(path: Path) -> list[float]:
    """Return the times of all frames of a video, decoded."""
    with av.open(str(path)) as media:
        return [frame.time for frame in media.decode(video=0)]


@pytest.fixture(
    scope="module",
    params=[
        make_slides,
        make_fast_video,
        record,
        move_into_the_past,
        move_far_away,
        delay_by_an_edit_list,
        put_into_fragments,
        begin_with_undecodable_frames,
        change_frame_size,
    ],
    ids=lambda maker: maker.__name__,
)
def odd_video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video that shows frames for two seconds."""
    maker: Maker = request.param
    return maker(tmp_path_factory.mktemp("odd")).read_bytes()


@pytest.mark.parametrize(("policy", "seconds", "result_seconds"), POLICIES)
async def test_the_result_has_the_planned_frames_and_speech(
    suite: VideoSuite,
    tmp_path: Path,
    odd_video: bytes,
    policy: video_pb2.LengthPolicy,
    seconds: float,
    result_seconds: float,
) -> None:
    muxed = await suite.mux(odd_video, make_speech(seconds, 0.1), length_policy=policy)
    path = suite.file(muxed.file.key, tmp_path)
    assert muxed.video_seconds == pytest.approx(2.0, abs=0.05)
    assert muxed.file.duration_seconds == pytest.approx(result_seconds, abs=0.1)
    times = read_times(path)
    assert times[0] == pytest.approx(0.0, abs=0.001)
    assert times == sorted(set(times))
    assert times[-1] <= result_seconds + 0.1
    assert len(times) / result_seconds <= 61
    (click,) = find_clicks(path)
    assert click == pytest.approx(0.6, abs=0.010)


async def test_the_frame_rate_of_a_recording_is_counted(suite: VideoSuite, tmp_path: Path) -> None:
    data = record(tmp_path).read_bytes()
    (stream,) = (await suite.probe(data)).streams
    assert stream.frame_rate == pytest.approx(24.0, abs=0.5)
    assert stream.duration_seconds == pytest.approx(2.0, abs=0.05)
    muxed = await suite.mux(data, make_speech(3.0))
    assert muxed.file.frame_rate == pytest.approx(24.0, abs=0.01)


async def test_a_single_image_stands_as_long_as_the_speech(suite: VideoSuite, tmp_path: Path) -> None:
    for codec in ("libx264", "libvpx"):
        data = make_video(tmp_path, 0.04, size="160x120", codec=codec).read_bytes()
        for policy in (FREEZE, LOOP):
            muxed = await suite.mux(data, make_speech(1.0, 0.1), length_policy=policy)
            assert muxed.file.duration_seconds == pytest.approx(1.5, abs=0.05)
            assert len(read_times(suite.file(muxed.file.key, tmp_path))) == round(1.5 * muxed.file.frame_rate)
