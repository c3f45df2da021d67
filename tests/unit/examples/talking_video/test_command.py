"""Tests of the demo's command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.talking_video.__main__ import main
from services.common.settings import EXIT_CONFIGURATION


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIA_RUN_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def test_help_names_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "MEDIA_PORT" in capsys.readouterr().out


def test_an_unreadable_image_is_reported_before_anything_starts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--image", "missing.png"])
    assert end.value.code == 2
    assert "--image: cannot read missing.png (No such file or directory)" in capsys.readouterr().err
    assert not folder.exists()


def test_an_unusable_output_folder_names_its_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as end:
        main(["--output", str(tmp_path / "file")])
    assert end.value.code == EXIT_CONFIGURATION
    assert "--output: cannot use" in capsys.readouterr().err
