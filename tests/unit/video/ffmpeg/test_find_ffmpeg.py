"""find_ffmpeg: the operator's program, the wheel's, or an error that names the variable."""

from __future__ import annotations

import os
from pathlib import Path

import imageio_ffmpeg
import pytest

from services.common.settings import ConfigurationError
from services.video.ffmpeg import find_ffmpeg


def make_program(folder: Path, name: str = "ffmpeg-of-ours", mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_wheel_contains_ffmpeg() -> None:
    found = find_ffmpeg("")
    assert found.is_file()
    assert os.access(found, os.X_OK)


def test_a_configured_path_is_used(tmp_path: Path) -> None:
    own = make_program(tmp_path)
    assert find_ffmpeg(str(own)) == own


def test_a_configured_name_is_searched_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_program(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg(own.name) == own


def test_a_program_that_is_not_executable_is_an_error(tmp_path: Path) -> None:
    for wrong in (tmp_path / "absent", make_program(tmp_path, "text", 0o644), tmp_path):
        with pytest.raises(ConfigurationError, match="FFMPEG_BINARY") as caught:
            find_ffmpeg(str(wrong))
        assert str(wrong) in str(caught.value)


def test_a_machine_without_a_wheel_needs_a_configured_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_no_binary() -> str:
        raise RuntimeError

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", raise_no_binary)
    with pytest.raises(ConfigurationError, match="FFMPEG_BINARY must be set"):
        find_ffmpeg("")
