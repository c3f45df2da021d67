"""write_captions: times after the delay, and a font for burned captions."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import ImageFont

from services.common.timing.alignment import Alignment, shift_alignment
from services.video.ffmpeg.arguments import CAPTIONS, FONTS
from services.video.mux import write_captions


def make_alignment(text: str, seconds: float = 0.1) -> Alignment:
    starts = tuple(number * seconds for number in range(len(text)))
    return Alignment(tuple(text), starts, tuple(start + seconds for start in starts))


def list_names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_captions_are_shifted_by_the_delay(tmp_path: Path) -> None:
    assert write_captions(make_alignment("Hello there."), 0.5, 60.0, tmp_path, burned=False)
    text = (tmp_path / CAPTIONS).read_text(encoding="utf-8")
    assert text.splitlines()[:3] == ["1", "00:00:00,500 --> 00:00:01,700", "Hello there."]
    assert list_names(tmp_path) == {CAPTIONS}


def test_without_a_delay_captions_start_with_the_speech(tmp_path: Path) -> None:
    assert write_captions(make_alignment("Hello there."), 0.0, 60.0, tmp_path, burned=False)
    assert "00:00:00,000 --> 00:00:01,200" in (tmp_path / CAPTIONS).read_text(encoding="utf-8")


@pytest.mark.parametrize("burned", [False, True])
@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_speech_without_words_has_no_captions(tmp_path: Path, text: str, burned: bool) -> None:
    assert not write_captions(make_alignment(text), 0.5, 60.0, tmp_path, burned=burned)
    assert list_names(tmp_path) == set()


def test_burned_captions_come_with_a_readable_font(tmp_path: Path) -> None:
    assert write_captions(make_alignment("Hello there."), 0.5, 60.0, tmp_path, burned=True)
    (font,) = (tmp_path / FONTS).iterdir()
    assert list_names(tmp_path) == {CAPTIONS, FONTS, f"{FONTS}/{font.name}"}
    assert ImageFont.truetype(str(font), 18).getname()[0] == "Aileron"


def test_all_letters_are_written_and_markup_is_text(tmp_path: Path) -> None:
    assert write_captions(make_alignment("Grüße, 世界 <b>{\\an8}"), 0.0, 60.0, tmp_path, burned=False)
    data = (tmp_path / CAPTIONS).read_bytes().decode("utf-8")
    assert "Grüße, 世界" in data
    assert "<b>" not in data
    assert "{\\" not in data


def test_braces_are_escaped_in_burned_captions(tmp_path: Path) -> None:
    assert write_captions(make_alignment("Hello {there}."), 0.0, 60.0, tmp_path, burned=True)
    assert r"Hello \{there\}." in (tmp_path / CAPTIONS).read_text(encoding="utf-8")


def test_no_caption_ends_or_starts_after_the_video(tmp_path: Path) -> None:
    alignment = make_alignment("Hello there, how are you? ", 0.1) + shift_alignment(make_alignment("Yes!", 0.05), 2.6)
    assert write_captions(alignment + shift_alignment(make_alignment("No!"), 9.0), 0.5, 3.3, tmp_path, burned=False)
    times = [line for line in (tmp_path / CAPTIONS).read_text(encoding="utf-8").splitlines() if "-->" in line]
    assert times == ["00:00:00,500 --> 00:00:03,000", "00:00:03,100 --> 00:00:03,300"]


def test_words_after_the_video_have_no_captions(tmp_path: Path) -> None:
    assert not write_captions(shift_alignment(make_alignment("Late."), 9.0), 0.5, 3.3, tmp_path, burned=True)
    assert list_names(tmp_path) == set()
