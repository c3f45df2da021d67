"""Tests of standard output that its reader closes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
from services.common.terminal import tolerate_closed_output
with tolerate_closed_output():
    print("line" * 100_000)
raise SystemExit(3)
"""


def run_and_close(arguments: list[str], folder: Path) -> tuple[int, bytes]:
    """Run Python, close its output at once, and return its exit code and what it wrote to standard error."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/protos/gen"},
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        written = errors.read()
    return process.wait(), written


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    assert run_and_close(["-c", PROGRAM], tmp_path) == (3, b"")


@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--json"], ["token"]])
def test_commands_for_people_end_without_a_traceback(command: list[str], tmp_path: Path) -> None:
    code, written = run_and_close(["-m", "deploy.local", *command], tmp_path)
    assert b"Traceback" not in written
    assert b"BrokenPipe" not in written
    assert code in {0, 1}
