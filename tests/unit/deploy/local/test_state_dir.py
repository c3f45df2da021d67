"""Tests of the state folder and its lock."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.local.state_dir import hold_lock, prepare_folder
from services.common.settings import ConfigurationError


def test_only_the_owner_can_use_the_folder(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path / "run" / "inner")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert stat.S_IMODE(prepare_folder(tmp_path).stat().st_mode) == 0o755


def test_the_error_names_a_folder_that_cannot_be_created_and_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"MEDIA_RUN_DIR: cannot use .*file"):
        prepare_folder(tmp_path / "file")


def test_the_error_of_the_second_process_names_the_first_and_the_remedy(tmp_path: Path) -> None:
    first = hold_lock(tmp_path, "lock", "process 7, http://localhost:8080")
    second = hold_lock(tmp_path, "lock", "process 8")
    with first, pytest.raises(ConfigurationError, match="process 7, http://localhost:8080") as failure, second:
        pytest.fail("the lock is held")
    assert "MEDIA_PORT=" in str(failure.value)


def test_a_lock_is_released_at_the_end_of_its_context(tmp_path: Path) -> None:
    for holder in ("first, with a long description", "second"):
        with hold_lock(tmp_path, "lock", holder):
            assert (tmp_path / "lock").read_text() == holder
