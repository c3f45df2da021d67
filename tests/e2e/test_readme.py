"""What the README shows is typed in and compared: every `console` block, line for line where it is not a number."""

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
"""Programs that a machine need not have; what needs them is left out there."""
PLACEHOLDERS = (
    (r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
    (r"\d+(?:[.,]\d+)*", "N"),
    (r"[ \t]+", " "),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of the README and what it shows as its output."""

    command: str
    output: str

    def __str__(self) -> str:
        return " ".join(self.command.split()[:2])


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def typed() -> Iterator[Typed]:
    """Yield every command of every `console` block; a line that ends in a backslash goes on."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, output = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", part, flags=re.DOTALL).groups()  # type: ignore[union-attr]  # fits any text
            yield Typed(command.strip(), output)


def can_be_typed(shown: Typed) -> bool:
    program = shown.command.split()[0]
    return program not in OPTIONAL or shutil.which(program) is not None


def shape(text: str) -> list[str]:
    """Return the lines of `text` without what differs from run to run."""
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text)
    return text.strip().splitlines()


def fits(shown: list[str], real: list[str]) -> bool:
    """Tell whether `real` is what was shown; a line `...` stands for any lines."""
    if not shown:
        return not real
    head, *rest = shown
    if head == "...":
        return any(fits(rest, real[skipped:]) for skipped in range(len(real) + 1))
    return bool(real) and head == real[0] and fits(rest, real[1:])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder in which the README's commands work and may leave files."""
    for name in ("Makefile", "requirements.lock", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    (program,) = blocks("python")
    (name,) = re.findall(r"Save this as\s+`(\S+)`", README)
    (tmp_path / name).write_text(program)
    return tmp_path


COMMANDS = list(typed())
START = next(shown for shown in COMMANDS if shown.command == "make run")
DEMO = next(shown for shown in COMMANDS if shown.command == "make demo")


def test_the_start_looks_as_shown(suite: Suite) -> None:
    assert fits(shape(START.output), shape(suite.welcome)), suite.welcome


def test_the_demo_looks_as_shown_and_leaves_a_video_that_talks(suite: Suite, checkout: Path) -> None:
    said = answer(DEMO.command, suite, checkout)
    assert fits(shape(DEMO.output), shape(said)), said
    (told,) = re.findall(r"talking\.mp4 +([\d.]+) s +(\d+) x (\d+) ", said)
    if FFPROBE is not None:
        video = run_ffprobe(suite.run_dir / "demo" / "talking.mp4")
        kinds = {stream["codec_type"]: stream["codec_name"] for stream in video.streams}
        assert kinds == {"video": "h264", "audio": "aac", "subtitle": "mov_text"}
        assert float(video.format["duration"]) == pytest.approx(float(told[0]), abs=0.1)
        image = video.stream("video")
        assert (str(image["width"]), str(image["height"])) == told[1:]


@pytest.mark.parametrize(
    "shown", [shown for shown in COMMANDS if shown not in (START, DEMO) and can_be_typed(shown)], ids=str
)
def test_a_command_answers_as_shown(shown: Typed, suite: Suite, checkout: Path) -> None:
    said = answer(shown.command, suite, checkout)
    assert fits(shape(shown.output), shape(said)), said


def answer(command: str, suite: Suite, checkout: Path) -> str:
    """Type a command in and returns what it says."""
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
    ("shown", "real", "alike"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a"], ["a", "b"], False),
        (["a", "...", "d"], ["a", "b", "c"], False),
        ([], ["a"], False),
    ],
)
def test_only_dots_stand_for_lines_that_are_not_shown(shown: list[str], real: list[str], alike: bool) -> None:
    assert fits(shown, real) is alike
