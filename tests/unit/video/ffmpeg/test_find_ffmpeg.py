"""The program ffmpeg: the operator's, the wheel's, or an error that names the variable."""

from __future__ import annotations

import os
from pathlib import Path

import imageio_ffmpeg
import pytest

from services.common.settings import ConfigurationError
from services.video.ffmpeg import find_ffmpeg


def program(folder: Path, name: str = "ffmpeg-of-ours", mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_wheel_brings_one() -> None:
    found = find_ffmpeg("")
    assert found.is_file()
    assert os.access(found, os.X_OK)


def test_the_operators_own_is_taken_by_its_path(tmp_path: Path) -> None:
    own = program(tmp_path)
    assert find_ffmpeg(str(own)) == own


def test_a_name_is_looked_for_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg(own.name) == own


def test_what_cannot_be_run_is_refused_by_name(tmp_path: Path) -> None:
    for wrong in (tmp_path / "absent", program(tmp_path, "text", 0o644), tmp_path):
        with pytest.raises(ConfigurationError, match="FFMPEG_BINARY") as caught:
            find_ffmpeg(str(wrong))
        assert str(wrong) in str(caught.value)


def test_without_a_wheel_for_this_machine_one_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(ConfigurationError, match="FFMPEG_BINARY must be set"):
        find_ffmpeg("")
