"""Tests of the merge check: the script is valid and uses targets that exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / ".ci" / "run"


def test_the_script_is_executable_and_valid() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", SCRIPT], check=True)


def test_the_script_stops_at_the_first_failure() -> None:
    assert "set -euo pipefail" in SCRIPT.read_text()


def test_the_script_ends_with_the_checks_the_image_and_then_the_tests() -> None:
    assert SCRIPT.read_text().rstrip().splitlines()[-5:] == [
        "make check",
        "make image-check",
        "build_image",
        "build_clients",
        "make test",
    ]


def test_the_script_builds_the_image_on_the_base_of_the_dockerfile() -> None:
    command = re.search(r"sed -nE '[^']+' Dockerfile \| head -1", SCRIPT.read_text())
    assert command is not None
    base = subprocess.run(["bash", "-c", command[0]], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert base == "python:3.13-slim\n"


def test_every_target_of_the_script_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", SCRIPT.read_text(), flags=re.MULTILINE)) <= targets
