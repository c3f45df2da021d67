"""Files of captions: the words at their times after the silence, and a font where they become image."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import ImageFont

from services.common.timing.alignment import Alignment, shift_alignment
from services.video.ffmpeg.arguments import CAPTIONS, FONTS
from services.video.mux import write_captions


def spoken(text: str, seconds: float = 0.1) -> Alignment:
    starts = tuple(number * seconds for number in range(len(text)))
    return Alignment(tuple(text), starts, tuple(start + seconds for start in starts))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_words_are_written_with_their_times_after_the_silence(tmp_path: Path) -> None:
    assert write_captions(spoken("Hello there."), 0.5, 60.0, tmp_path, burned=False)
    text = (tmp_path / CAPTIONS).read_text(encoding="utf-8")
    assert text.splitlines()[:3] == ["1", "00:00:00,500 --> 00:00:01,700", "Hello there."]
    assert names(tmp_path) == {CAPTIONS}


def test_without_silence_they_begin_with_the_speech(tmp_path: Path) -> None:
    assert write_captions(spoken("Hello there."), 0.0, 60.0, tmp_path, burned=False)
    assert "00:00:00,000 --> 00:00:01,200" in (tmp_path / CAPTIONS).read_text(encoding="utf-8")


@pytest.mark.parametrize("burned", [False, True])
@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_where_nothing_is_said_nothing_is_written(tmp_path: Path, text: str, burned: bool) -> None:
    assert not write_captions(spoken(text), 0.5, 60.0, tmp_path, burned=burned)
    assert names(tmp_path) == set()


def test_a_font_that_can_be_read_comes_with_captions_that_become_image(tmp_path: Path) -> None:
    assert write_captions(spoken("Hello there."), 0.5, 60.0, tmp_path, burned=True)
    (font,) = (tmp_path / FONTS).iterdir()
    assert names(tmp_path) == {CAPTIONS, FONTS, f"{FONTS}/{font.name}"}
    assert ImageFont.truetype(str(font), 18).getname()[0] == "Aileron"


def test_all_letters_are_written_and_markup_is_text(tmp_path: Path) -> None:
    assert write_captions(spoken("Grüße, 世界 <b>{\\an8}"), 0.0, 60.0, tmp_path, burned=False)
    data = (tmp_path / CAPTIONS).read_bytes().decode("utf-8")
    assert "Grüße, 世界" in data
    assert "<b>" not in data
    assert "{\\" not in data


def test_words_in_braces_are_words_where_captions_become_image(tmp_path: Path) -> None:
    assert write_captions(spoken("Hello {there}."), 0.0, 60.0, tmp_path, burned=True)
    assert r"Hello \{there\}." in (tmp_path / CAPTIONS).read_text(encoding="utf-8")


def test_no_caption_lasts_longer_than_the_video_or_begins_behind_it(tmp_path: Path) -> None:
    alignment = spoken("Hello there, how are you? ", 0.1) + shift_alignment(spoken("Yes!", 0.05), 2.6)
    assert write_captions(alignment + shift_alignment(spoken("No!"), 9.0), 0.5, 3.3, tmp_path, burned=False)
    times = [line for line in (tmp_path / CAPTIONS).read_text(encoding="utf-8").splitlines() if "-->" in line]
    assert times == ["00:00:00,500 --> 00:00:03,000", "00:00:03,100 --> 00:00:03,300"]


def test_where_nothing_is_said_within_the_video_nothing_is_written(tmp_path: Path) -> None:
    assert not write_captions(shift_alignment(spoken("Late."), 9.0), 0.5, 3.3, tmp_path, burned=True)
    assert names(tmp_path) == set()
