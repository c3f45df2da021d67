"""Run the commands of the README's `console` blocks, and compare their output; run the `curl` commands of the guides.

Numbers and ids may differ. Everything else must be equal, and each cell of a table must be in the same column.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Suite
from tests.fakes.media import FFPROBE, run_ffprobe

README = (ROOT / "README.md").read_text()
COMMAND_SECONDS = 120
OPTIONAL = {"curl", "grpcurl"}
"""Programs that a machine may lack; their commands are not run there."""
PLACEHOLDERS = (
    (r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
    (r"\d+(?:[.,]\d+)*", "N"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A command of the README and the output that the README shows."""

    command: str
    output: str

    def __str__(self) -> str:
        return " ".join(self.command.split()[:2])


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a line up to two or more blanks."""

    text: str
    start: int
    """Column of its first character."""
    end: int
    """Column after its last character."""


def find_blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def parse_examples() -> Iterator[Example]:
    """Yield every command of every `console` block; a line that ends in a backslash continues."""
    for block in find_blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, output = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", part, flags=re.DOTALL).groups()  # type: ignore[union-attr]  # fits any text
            yield Example(command.strip(), output)


def is_available(example: Example) -> bool:
    program = example.command.split()[0]
    return program not in OPTIONAL or shutil.which(program) is not None


def split_lines(text: str) -> list[str]:
    return text.strip("\n").splitlines()


def split_cells(line: str) -> list[Cell]:
    return [Cell(match[0], match.start(), match.end()) for match in re.finditer(r"\S+(?: \S+)*", line)]


def mask(text: str) -> str:
    """Return `text` without what differs from run to run."""
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text)
    return text


def is_same_cell(shown: Cell, real: Cell) -> bool:
    # A number may have more digits: a cell that is aligned to the left then keeps its start, to the right its end.
    return mask(shown.text) == mask(real.text) and (shown.start == real.start or shown.end == real.end)


def is_same_line(shown: str, real: str) -> bool:
    cells, real_cells = split_cells(shown), split_cells(real)
    return len(cells) == len(real_cells) and all(map(is_same_cell, cells, real_cells))


def is_same_output(shown: list[str], real: list[str]) -> bool:
    """Return whether `real` is the output that is shown; a line `...` stands for any lines."""
    if not shown:
        return not real
    head, *rest = shown
    if head == "...":
        return any(is_same_output(rest, real[skipped:]) for skipped in range(len(real) + 1))
    return bool(real) and is_same_line(head, real[0]) and is_same_output(rest, real[1:])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder in which the README's commands work and may leave files."""
    for name in ("Makefile", "requirements.lock", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    (program,) = find_blocks("python")
    (name,) = re.findall(r"Save this as\s+`(\S+)`", README)
    (tmp_path / name).write_text(program)
    return tmp_path


EXAMPLES = list(parse_examples())
START = next(example for example in EXAMPLES if example.command == "make run")
DEMO = next(example for example in EXAMPLES if example.command == "make demo")


def test_the_suite_starts_with_the_output_of_the_readme(suite: Suite) -> None:
    assert is_same_output(split_lines(START.output), split_lines(suite.welcome)), suite.welcome


def test_the_demo_has_the_output_of_the_readme_and_leaves_a_video_with_speech(suite: Suite, checkout: Path) -> None:
    output = run_command(DEMO.command, suite, checkout)
    assert is_same_output(split_lines(DEMO.output), split_lines(output)), output
    (described,) = re.findall(r"talking\.mp4 +([\d.]+) s +(\d+) x (\d+) ", output)
    if FFPROBE is not None:
        video = run_ffprobe(suite.run_dir / "demo" / "talking.mp4")
        codecs = {stream["codec_type"]: stream["codec_name"] for stream in video.streams}
        assert codecs == {"video": "h264", "audio": "aac", "subtitle": "mov_text"}
        assert float(video.format["duration"]) == pytest.approx(float(described[0]), abs=0.1)
        stream = video.stream("video")
        assert (str(stream["width"]), str(stream["height"])) == described[1:]


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if example not in (START, DEMO) and is_available(example)],
    ids=str,
)
def test_a_command_has_the_output_of_the_readme(example: Example, suite: Suite, checkout: Path) -> None:
    output = run_command(example.command, suite, checkout)
    assert is_same_output(split_lines(example.output), split_lines(output)), output


if shutil.which("curl") is not None:

    def test_the_curl_commands_of_the_guides_succeed(suite: Suite, checkout: Path) -> None:
        # In this order, because the guide on videos uses the image of the guide on images.
        guides = [(ROOT / "docs" / name).read_text() for name in ("speech.md", "images.md", "video.md")]
        blocks = [block for guide in guides for block in find_blocks("sh", guide) if block.startswith("curl ")]
        assert len(blocks) >= len(guides)
        for block in blocks:
            assert "error" not in run_command(block, suite, checkout)
        assert (checkout / "speech.wav").read_bytes().startswith(b"RIFF")


def run_command(command: str, suite: Suite, checkout: Path) -> str:
    """Run a command in a shell and return its output."""
    command = re.sub(r"localhost:8080", f"localhost:{suite.port}", command)
    for file in checkout.glob("*.py"):
        file.write_text(file.read_text().replace("localhost:8080", f"localhost:{suite.port}"))
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=checkout,
        env={**suite.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("shown", "real", "is_same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a"], ["a", "b"], False),
        (["a", "...", "d"], ["a", "b", "c"], False),
        ([], ["a"], False),
    ],
)
def test_only_dots_stand_for_lines_that_are_not_shown(shown: list[str], real: list[str], is_same: bool) -> None:
    assert is_same_output(shown, real) is is_same


@pytest.mark.parametrize(
    ("real", "is_same"),
    [
        ("  video.mp4    6.0 s  by embedded", True),
        ("  video.mp4   12.5 s  by embedded", True),
        ("  video.mp4     6.0 s  by embedded", False),
        ("  video.mp4   6.0 s   by embedded", False),
        (" video.mp4     6.0 s  by embedded", False),
        ("  video.mp4    6.0 s by embedded", False),
        ("  video.mp4    6.0 s  by  embedded", False),
    ],
)
def test_a_cell_in_another_column_is_a_difference(real: str, is_same: bool) -> None:
    assert is_same_line("  video.mp4    6.0 s  by embedded", real) is is_same
