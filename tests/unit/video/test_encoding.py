"""plan_video: which streams are copied, and which results cost too much to encode."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.video.duration_policy import InputDurations, LengthPolicy
from services.video.encoding import VideoPlan, plan_video
from services.video.frame_format import FrameFormat
from services.video.frame_times import measure_frames
from services.video.probe import StreamInfo


def make_stream(
    codec: str = "h264",
    pixel_format: str = "yuv420p",
    *,
    seconds: float = 2.0,
    rate: float = 24.0,
    size: tuple[int, int] = (320, 240),
) -> StreamInfo:
    times = [number / rate for number in range(max(1, round(seconds * rate)))]
    frames = measure_frames(times, 1 / rate)
    return StreamInfo(
        "video",
        codec,
        frames.duration_seconds,
        *size,
        frames.rate,
        packets=frames.count,
        frames=frames,
        format=FrameFormat(*size, pixel_format),
    )


def plan(
    stream: StreamInfo,
    speech_seconds: float = 1.0,
    policy: LengthPolicy = LengthPolicy.FREEZE,
    *,
    is_burned: bool = False,
) -> VideoPlan:
    inputs = InputDurations(stream.duration_seconds, speech_seconds, 0.5)
    return plan_video(stream, inputs, policy, "video", is_burned=is_burned)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "is_copied"),
    [
        ("h264", "yuv420p", True),
        ("h264", "yuvj420p", True),
        ("h264", "yuv420p10le", False),
        ("h264", "yuv422p", False),
        ("h264", "yuv444p", False),
        ("h264", "gbrp", False),
        ("hevc", "yuv420p", True),
        ("hevc", "yuv420p10le", True),
        ("hevc", "yuv422p10le", False),
        ("hevc", "yuv420p12le", False),
        ("av1", "yuv420p10le", True),
        ("av1", "yuv444p", False),
        ("vp9", "yuv420p", True),
        ("vp9", "yuv444p", False),
        ("vp8", "yuv420p", False),
        ("mpeg4", "yuv420p", False),
        ("mpeg2video", "yuv420p", False),
        ("mjpeg", "yuvj420p", False),
        ("prores", "yuv422p10le", False),
        ("", "", False),
    ],
)
def test_only_what_common_players_show_is_copied(codec: str, pixel_format: str, is_copied: bool) -> None:
    assert (plan(make_stream(codec, pixel_format)).encoded is None) is is_copied


def test_hevc_is_copied_under_the_name_that_all_players_know() -> None:
    assert plan(make_stream("hevc")).copied_tag == "hvc1"
    assert plan(make_stream("h264")).copied_tag == ""


def test_a_cropped_video_is_encoded_because_an_mp4_keeps_no_crop() -> None:
    stream = make_stream()
    assert plan(replace(stream, format=replace(stream.format, is_cropped=True))).encoded is not None


@pytest.mark.parametrize("is_burned", [False, True])
def test_burned_captions_are_encoded(is_burned: bool) -> None:
    assert (plan(make_stream(), is_burned=is_burned).encoded is not None) is is_burned


@pytest.mark.parametrize(("rate", "is_copied"), [(1.0, False), (9.0, False), (24.0, True), (60.0, True)])
@pytest.mark.parametrize("policy", [LengthPolicy.SHORTEST, LengthPolicy.LOOP])
def test_long_frames_are_encoded_where_a_cut_would_be_coarse(
    rate: float, is_copied: bool, policy: LengthPolicy
) -> None:
    speech_seconds = 0.8 if policy is LengthPolicy.SHORTEST else 4.3
    found = plan(make_stream(rate=rate), speech_seconds, policy)
    assert (found.encoded is None) is is_copied
    assert found.durations.result_seconds == pytest.approx(speech_seconds + 0.5, abs=1 / 24)
    if found.encoded is not None:
        assert found.encoded.count / found.encoded.frame_rate == pytest.approx(speech_seconds + 0.5, abs=1 / 24)


@pytest.mark.parametrize("change", ["hidden", "reordered", "uneven"])
def test_a_copy_is_cut_only_at_the_end_of_a_frame(change: str) -> None:
    stream = make_stream()
    changed = {
        "hidden": replace(stream, has_hidden_frames=True),
        "reordered": replace(stream, frames=replace(stream.frames, reordered_frames=5)),
        "uneven": replace(stream, frames=replace(stream.frames, is_steady=False)),
    }[change]
    assert plan(changed, 0.8, LengthPolicy.SHORTEST).encoded is not None
    assert plan(changed, 0.8, LengthPolicy.FREEZE).encoded is None


def test_very_many_frames_a_second_are_reduced() -> None:
    found = plan(make_stream(rate=1000.0))
    assert found.encoded is not None
    assert found.encoded.frame_rate <= 60


def test_one_frame_is_frozen_also_by_the_policy_loop() -> None:
    found = plan(make_stream(seconds=0.04), 3.0, LengthPolicy.LOOP)
    assert (found.durations.loops, found.durations.looped_seconds) == (0, 0.0)
    assert found.durations.freeze_seconds == pytest.approx(3.5 - 1 / 24, abs=1 / 24)


def get_plan_error(stream: StreamInfo, speech_seconds: float, policy: LengthPolicy) -> MediaError:
    with pytest.raises(MediaError) as caught:
        plan(stream, speech_seconds, policy)
    assert (caught.value.reason, [item.field for item in caught.value.violations]) == (Reason.MEDIA_INVALID, ["video"])
    return caught.value


def test_too_large_frames_are_refused() -> None:
    assert "pixels a frame" in get_plan_error(make_stream(size=(8192, 4320)), 1.0, LengthPolicy.FREEZE).message


@pytest.mark.parametrize(
    "stream",
    [make_stream("mpeg4", rate=60.0, size=(3840, 2160)), make_stream("mpeg4", rate=1000.0, size=(64, 64))],
    ids=["pixels", "frames"],
)
def test_too_much_work_is_refused_before_it_begins(stream: StreamInfo) -> None:
    assert plan(stream, 60.0, LengthPolicy.LOOP).encoded is not None
    assert "too many to encode" in get_plan_error(stream, 590.0, LengthPolicy.LOOP).message
