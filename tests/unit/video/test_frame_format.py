"""describe_frames: the shown size and the colors of a video, from its first frame."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from services.video.frame_format import FrameFormat, decode_first_frame, describe_frames
from tests.fakes.media import convert, make_video

CROPPED = "  Stream #0:0: Video: h264\n    Side data:\n      Frame Cropping: 40/20/10/10\n"


def describe(path: Path, description: str = "") -> FrameFormat:
    frame = decode_first_frame(str(path), "mov", 0, {})
    with av.open(str(path)) as media:
        return describe_frames(media.streams.video[0], frame, description)


@pytest.mark.parametrize(
    ("before", "options", "size"),
    [
        ((), ("-c", "copy"), (160, 90)),
        (("-display_rotation", "90"), ("-c", "copy"), (90, 160)),
        (("-display_rotation", "180"), ("-c", "copy"), (160, 90)),
        (("-display_rotation", "-90"), ("-c", "copy"), (90, 160)),
        ((), ("-vf", "setsar=3/2"), (240, 90)),
        ((), ("-vf", "setsar=1/200"), (160, 90)),
    ],
)
def test_the_size_is_that_which_is_shown(
    tmp_path: Path, before: tuple[str, ...], options: tuple[str, ...], size: tuple[int, int]
) -> None:
    found = describe(convert(make_video(tmp_path, 0.2, size="160x90"), "shown.mp4", *options, before=before))
    assert (found.width, found.height, found.is_cropped) == (*size, False)


@pytest.mark.parametrize(
    ("description", "size", "is_cropped"),
    [
        (CROPPED, (100, 70), True),
        (CROPPED.replace("40/20", "100/100"), (160, 90), False),
        ("    title : Frame Cropping: 1/1/1/1\n", (160, 90), False),
    ],
    ids=["cropped", "impossible", "a title"],
)
def test_a_crop_of_the_container_counts_if_it_is_possible(
    tmp_path: Path, description: str, size: tuple[int, int], is_cropped: bool
) -> None:
    found = describe(make_video(tmp_path, 0.2, size="160x90"), description)
    assert (found.width, found.height, found.is_cropped) == (*size, is_cropped)


@pytest.mark.parametrize(
    ("transfer", "is_hdr", "is_wide"), [("smpte2084", True, True), ("arib-std-b67", True, True), ("bt709", False, True)]
)
def test_hdr_and_wide_colors_are_found(tmp_path: Path, transfer: str, is_hdr: bool, is_wide: bool) -> None:
    tags = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    parameters = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    options = ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", parameters, *tags)
    found = describe(convert(make_video(tmp_path, 0.2, size="160x90"), "colors.mp4", *options))
    assert (found.is_hdr, found.is_wide_gamut) == (is_hdr, is_wide)
    assert (found.pixel_format, found.primaries, found.matrix) == ("yuv420p10le", "bt2020", "bt2020nc")


def test_a_stream_without_a_key_frame_has_no_first_frame(tmp_path: Path) -> None:
    path = make_video(tmp_path, 0.2, size="160x90")
    data = path.read_bytes()
    start = data.index(b"mdat")
    path.write_bytes(data[: start + 4] + bytes(data.index(b"moov") - start - 8) + data[data.index(b"moov") - 4 :])
    assert decode_first_frame(str(path), "mov", 0, {}) is None
