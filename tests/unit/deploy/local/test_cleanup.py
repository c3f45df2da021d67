"""Tests of `make clean-state`: it asks, deletes only what the suite wrote, and refuses while a suite runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from deploy.local.cleanup import DEMO_SUITE, clean_state
from deploy.local.state_dir import LOCK, hold_lock
from services.common.settings import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a state folder with keys, media, and a file of the user."""
    for name in ("state/objects/users/a/image.webp", "identity.pem", "jwks.json", "demo/talking.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def answer(text: str) -> io.StringIO:
    return io.StringIO(text)


def test_the_answer_yes_deletes_what_the_suite_wrote(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert clean_state(folder, is_confirmed=False, stdin=answer("yes\n")) == 0
    assert {path.name for path in folder.iterdir()} == {LOCK, "notes.txt"}
    assert "4 files" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "\n", "no\n", "y\n", "YES please\n"])
def test_any_other_answer_deletes_nothing(folder: Path, text: str) -> None:
    before = sorted(folder.rglob("*"))
    assert clean_state(folder, is_confirmed=False, stdin=answer(text)) == 1
    assert sorted(folder.rglob("*")) == before


def test_a_confirmed_deletion_does_not_ask(folder: Path) -> None:
    assert clean_state(folder, is_confirmed=True, stdin=answer("")) == 0
    assert not (folder / "state").exists()


@pytest.mark.parametrize("part", [".", DEMO_SUITE])
def test_a_running_suite_or_demo_keeps_its_state(folder: Path, part: str) -> None:
    (folder / part).mkdir(exist_ok=True)
    with (
        hold_lock(folder / part, LOCK, "process 7, http://localhost:8080"),
        pytest.raises(ConfigurationError, match=r"in use by process 7.*Nothing is deleted"),
    ):
        clean_state(folder, is_confirmed=True, stdin=answer(""))
    assert (folder / "state/objects/users/a/image.webp").exists()


def test_a_link_is_removed_and_its_target_stays(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("disk")
    (elsewhere / "media").touch()
    (folder / DEMO_SUITE).symlink_to(elsewhere)
    assert clean_state(folder, is_confirmed=True, stdin=answer("")) == 0
    assert not (folder / DEMO_SUITE).is_symlink()
    assert (elsewhere / "media").exists()


def test_without_state_there_is_nothing_to_delete(tmp_path: Path) -> None:
    assert clean_state(tmp_path / "missing", is_confirmed=False, stdin=answer("")) == 0
    assert not (tmp_path / "missing").exists()
