"""Folders for work in progress: private, gone with the work, and never another living process's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.video.workspace import Workspaces

PREFIX = "media-video-"
NO_START = "ValueError or OverflowError of int() and os.kill()"


def left_by(pid: int | str, parent: Path) -> Path:
    folder = parent / f"{PREFIX}{pid}-abc" / "work"
    folder.mkdir(parents=True)
    (folder / "film.mp4").write_bytes(b"left")
    return folder.parent


def dead_pid() -> int:
    """Returns the id of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_is_empty_and_private_and_gone_afterwards(tmp_path: Path) -> None:
    with Workspaces(tmp_path).opened() as workspaces:
        with workspaces.folder() as folder:
            assert names(folder) == set()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert folder.parent.stat().st_mode & 0o777 == 0o700
            (folder / "fonts").mkdir()
            (folder / "fonts" / "one").write_bytes(b"x")
        assert not folder.exists()
    assert names(tmp_path) == set()


def test_two_pieces_of_work_never_share_one(tmp_path: Path) -> None:
    with Workspaces(tmp_path).opened() as workspaces, workspaces.folder() as one, workspaces.folder() as other:
        assert one != other
        assert one.parent == other.parent != tmp_path


def test_it_is_gone_also_where_the_work_fails(tmp_path: Path) -> None:
    kept: list[Path] = []

    def fails() -> None:
        with Workspaces(tmp_path).opened() as workspaces, workspaces.folder() as folder:
            kept.append(folder)
            (folder / "film.mp4").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not kept[0].exists()
    assert names(tmp_path) == set()


def test_what_the_work_has_removed_itself_is_no_error(tmp_path: Path) -> None:
    with Workspaces(tmp_path).opened() as workspaces, workspaces.folder() as folder:
        folder.rmdir()
    assert names(tmp_path) == set()


def test_the_place_is_made_where_it_is_absent(tmp_path: Path) -> None:
    parent = tmp_path / "some" / "where"
    with Workspaces(parent).opened() as workspaces, workspaces.folder() as folder:
        assert parent in folder.parents


def test_what_dead_processes_have_left_is_removed(tmp_path: Path) -> None:
    left = left_by(dead_pid(), tmp_path)
    unnamed = left_by("nobody", tmp_path)
    with Workspaces(tmp_path).opened():
        assert not left.exists()
        assert not unnamed.exists()


def test_what_living_processes_use_and_what_is_none_of_ours_is_kept(tmp_path: Path) -> None:
    others = [left_by(os.getppid(), tmp_path), left_by(1, tmp_path), tmp_path / "media-image-1-abc"]
    others[-1].mkdir()
    with Workspaces(tmp_path).opened() as first:
        with Workspaces(tmp_path).opened(), first.folder() as folder:
            assert folder.exists()
        with first.folder() as folder:
            assert folder.exists()
    assert names(tmp_path) == {path.name for path in others}
    assert (others[0] / "work" / "film.mp4").read_bytes() == b"left"


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("precious")
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / f"{PREFIX}{dead_pid()}-abc").symlink_to(elsewhere)
    with Workspaces(parent).opened():
        assert names(elsewhere) == {"precious"}


@pytest.mark.xfail(strict=True, reason=NO_START)
@pytest.mark.parametrize("pid", ["²", "9" * 20])
def test_a_folder_that_names_no_process_does_not_keep_the_service_from_starting(tmp_path: Path, pid: str) -> None:
    left_by(pid, tmp_path)
    with Workspaces(tmp_path).opened() as workspaces, workspaces.folder() as folder:
        assert folder.exists()
