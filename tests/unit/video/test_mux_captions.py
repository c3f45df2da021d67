"""write_captions: times after the delay, as a track or as a file for burning."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from services.common.timing.alignment import Alignment, shift_alignment
from services.video.duration_policy import MuxDurations
from services.video.encoding import VideoPlan
from services.video.ffmpeg.arguments import BURNED_CAPTIONS, CAPTIONS, FONTS
from services.video.ffmpeg.video_filters import EncodedFrames
from services.video.frame_format import FrameFormat
from services.video.inputs import Source
from services.video.mux import CaptionRequest, MuxRequest, write_captions

FRAMES = EncodedFrames(FrameFormat(640, 360), Fraction(24), 1440)


def make_alignment(text: str, seconds: float = 0.1) -> Alignment:
    starts = tuple(number * seconds for number in range(len(text)))
    return Alignment(tuple(text), starts, tuple(start + seconds for start in starts))


def list_names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def write(
    alignment: Alignment, folder: Path, *, delay_ms: int = 0, result_seconds: float = 60.0, burned: bool = False
) -> bool:
    request = MuxRequest(
        Source(data=b"video"),
        Source(data=b"speech"),
        audio_delay_ms=delay_ms,
        captions=CaptionRequest(alignment, burned),
    )
    return write_captions(request, VideoPlan(MuxDurations(result_seconds), FRAMES if burned else None), folder)


def test_captions_are_shifted_by_the_delay(tmp_path: Path) -> None:
    assert write(make_alignment("Hello there."), tmp_path, delay_ms=500)
    text = (tmp_path / CAPTIONS).read_text(encoding="utf-8")
    assert text.splitlines()[:3] == ["1", "00:00:00,500 --> 00:00:01,700", "Hello there."]
    assert list_names(tmp_path) == {CAPTIONS}


def test_without_a_delay_captions_start_with_the_speech(tmp_path: Path) -> None:
    assert write(make_alignment("Hello there."), tmp_path)
    assert "00:00:00,000 --> 00:00:01,200" in (tmp_path / CAPTIONS).read_text(encoding="utf-8")


@pytest.mark.parametrize("burned", [False, True])
@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_speech_without_words_has_no_captions(tmp_path: Path, text: str, burned: bool) -> None:
    assert not write(make_alignment(text), tmp_path, delay_ms=500, burned=burned)
    assert list_names(tmp_path) == set()


def test_burned_captions_come_with_their_fonts(tmp_path: Path) -> None:
    assert write(make_alignment("Hello there."), tmp_path, delay_ms=500, burned=True)
    (font,) = (tmp_path / FONTS).iterdir()
    assert list_names(tmp_path) == {BURNED_CAPTIONS, FONTS, f"{FONTS}/{font.name}"}
    assert font.resolve().is_file()
    text = (tmp_path / BURNED_CAPTIONS).read_text(encoding="utf-8")
    assert "PlayResX: 640\nPlayResY: 360\n" in text
    assert "0:00:00.50,0:00:01.70" in text


def test_all_letters_are_written_and_markup_is_text(tmp_path: Path) -> None:
    assert write(make_alignment("Grüße, 世界 <b>{\\an8}"), tmp_path)
    data = (tmp_path / CAPTIONS).read_bytes().decode("utf-8")
    assert "Grüße, 世界" in data
    assert "<b>" not in data
    assert "{\\" not in data


def test_no_caption_ends_or_starts_after_the_video(tmp_path: Path) -> None:
    alignment = make_alignment("Hello there, how are you? ", 0.1) + shift_alignment(make_alignment("Yes!", 0.05), 2.6)
    late = alignment + shift_alignment(make_alignment("No!"), 9.0)
    assert write(late, tmp_path, delay_ms=500, result_seconds=3.3)
    times = [line for line in (tmp_path / CAPTIONS).read_text(encoding="utf-8").splitlines() if "-->" in line]
    assert times == ["00:00:00,500 --> 00:00:03,000", "00:00:03,100 --> 00:00:03,300"]
    assert write(late, tmp_path, delay_ms=500, result_seconds=3.3, burned=True)
    burned = (tmp_path / BURNED_CAPTIONS).read_text(encoding="utf-8")
    assert [line.split(",")[1:3] for line in burned.splitlines() if line.startswith("Dialogue")] == [
        ["0:00:00.50", "0:00:03.00"],
        ["0:00:03.10", "0:00:03.30"],
    ]


@pytest.mark.parametrize("burned", [False, True])
def test_words_after_the_video_have_no_captions(tmp_path: Path, burned: bool) -> None:
    late = shift_alignment(make_alignment("Late."), 9.0)
    assert not write(late, tmp_path, delay_ms=500, result_seconds=3.3, burned=burned)
    assert list_names(tmp_path) == set()
