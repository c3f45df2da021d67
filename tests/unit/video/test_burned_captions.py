"""write_burned_captions: the file names a font for each text, fits the image, and libass finds every font."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from services.common.timing.captions import Cue
from services.video.burned_captions import CaptionStyle, write_burned_captions
from services.video.ffmpeg import find_ffmpeg
from tests.unit.video.test_caption_fonts import TEXTS

WIDE = CaptionStyle(960, 540, "und")


def write(folder: Path, *lines: str, style: CaptionStyle = WIDE) -> str:
    """Write one caption and return the file."""
    write_burned_captions([Cue(500, 2340, lines)], style, folder / "captions.ass", folder / "fonts")
    return (folder / "captions.ass").read_text(encoding="utf-8")


def draw(folder: Path, style: CaptionStyle = WIDE) -> tuple[bytes, str]:
    """Draw the caption over black with the fonts of the suite alone; return the gray pixels and libass's messages."""
    (folder / "fonts.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    command = [
        str(find_ffmpeg("")),
        "-v",
        "verbose",
        "-f",
        "lavfi",
        "-i",
        f"color=black:s={style.width}x{style.height}:r=1:d=2",
    ]
    command += [
        "-vf",
        "subtitles=captions.ass:fontsdir=fonts,format=gray,select=eq(n\\,1)",
        "-frames:v",
        "1",
        "-f",
        "rawvideo",
        "-",
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"FONTCONFIG_FILE": str(folder / "fonts.conf")},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout, done.stderr.decode()


def test_a_caption_has_its_time_lines_and_font(tmp_path: Path) -> None:
    text = write(tmp_path, "Hello there.", "Second line")
    (event,) = [line for line in text.splitlines() if line.startswith("Dialogue:")]
    assert event.startswith(r"Dialogue: 0,0:00:00.50,0:00:02.34,Default,,0,0,0,,{\fnNoto Sans\fs")
    assert r"}Hello there.\N{\fnNoto Sans" in event
    assert [path.name for path in (tmp_path / "fonts").iterdir()] == ["NotoSans[wght].ttf"]


def test_text_is_not_read_as_instructions(tmp_path: Path) -> None:
    text = write(tmp_path, r"a {\an8} \N b")
    assert "}a \\{\\\u2060an8\\} \\\u2060N b" in text


@pytest.mark.parametrize("family", TEXTS)
def test_libass_draws_each_script_with_the_chosen_font_on_a_machine_without_fonts(tmp_path: Path, family: str) -> None:
    write(tmp_path, TEXTS[family])
    pixels, messages = draw(tmp_path)
    assert f"fontselect: ({family}," in messages
    assert "failed to find" not in messages
    assert "fallback" not in messages
    lower = pixels[len(pixels) // 2 :]
    assert sum(pixel > 200 for pixel in lower) > 50


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1080), (608, 1080), (320, 180)])
def test_the_longest_line_fits_the_image(tmp_path: Path, width: int, height: int) -> None:
    style = CaptionStyle(width, height, "und")
    write(tmp_path, "The quick brown fox jumps over a lazy dog.", style=style)
    pixels, _ = draw(tmp_path, style)
    rows = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    lit = [number for number, row in enumerate(rows) if max(row) > 200]
    columns = [number for row in rows for number, pixel in enumerate(row) if pixel > 200]
    assert 0.02 * width < min(columns)
    assert max(columns) < 0.98 * width
    # One line, in the lower part.
    assert lit[-1] - lit[0] < 0.08 * height
    assert lit[0] > 0.7 * height


def test_letters_of_all_scripts_have_one_size(tmp_path: Path) -> None:
    text = write(tmp_path, "Hello สวัสดี שלום 你好")
    sizes = [float(part.partition("}")[0]) for part in text.partition("Dialogue")[2].split("\\fs")[1:]]
    assert len(sizes) == 4
    assert len(set(sizes)) == 4
