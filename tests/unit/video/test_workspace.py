"""Temporary folders: private, removed at the end, and removed after a crash; spools: written while they are read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.video.workspace import Spool, Workspaces

PREFIX = "media-video-"
HOLDS = """\
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
"""Holds a folder until its standard input ends."""
LIST_OPEN_FILES = """\
import os
for number in os.listdir("/proc/self/fd"):
    if os.path.lexists(f"/proc/self/fd/{number}"):
        print(os.readlink(f"/proc/self/fd/{number}"))
"""


def make_old_folder(parent: Path, name: str = "abc") -> Path:
    """Return an old folder with a video in it."""
    folder = parent / f"{PREFIX}{name}"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "video.mp4").write_bytes(b"left")
    return folder


@contextmanager
def run_holder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield another process that holds `folder`."""
    command = [sys.executable, "-I", "-S", "-c", HOLDS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def list_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_is_empty_and_private_and_gone_afterwards(tmp_path: Path) -> None:
    with Workspaces(tmp_path).open() as workspaces:
        with workspaces.open_folder() as folder:
            assert list_names(folder) == set()
            assert folder.parent.name.startswith(PREFIX)
            assert folder.stat().st_mode & 0o777 == 0o700
            assert folder.parent.stat().st_mode & 0o777 == 0o700
            (folder / "fonts").mkdir()
            (folder / "fonts" / "one").write_bytes(b"x")
        assert not folder.exists()
    assert list_names(tmp_path) == set()


def test_two_calls_never_share_a_folder(tmp_path: Path) -> None:
    with Workspaces(tmp_path).open() as workspaces, workspaces.open_folder() as one, workspaces.open_folder() as other:
        assert one != other
        assert one.parent == other.parent != tmp_path


def test_a_folder_is_removed_after_a_failure(tmp_path: Path) -> None:
    folders: list[Path] = []

    def fail() -> None:
        with Workspaces(tmp_path).open() as workspaces, workspaces.open_folder() as folder:
            folders.append(folder)
            (folder / "video.mp4").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not folders[0].exists()
    assert list_names(tmp_path) == set()


def test_a_folder_may_already_be_removed(tmp_path: Path) -> None:
    with Workspaces(tmp_path).open() as workspaces, workspaces.open_folder() as folder:
        folder.rmdir()
    assert list_names(tmp_path) == set()


def test_a_missing_parent_is_created(tmp_path: Path) -> None:
    parent = tmp_path / "some" / "where"
    with Workspaces(parent).open() as workspaces, workspaces.open_folder() as folder:
        assert parent in folder.parents


def test_an_unlocked_folder_is_removed(tmp_path: Path) -> None:
    folders = [
        make_old_folder(tmp_path),
        make_old_folder(tmp_path, "1-abc"),
        make_old_folder(tmp_path, f"{os.getpid()}-abc"),
    ]
    with Workspaces(tmp_path).open():
        assert [folder.exists() for folder in folders] == [False] * 3


def test_a_folder_locked_by_another_process_is_removed_after_its_death(tmp_path: Path) -> None:
    folder = make_old_folder(tmp_path)
    with run_holder(folder) as process:
        with Workspaces(tmp_path).open():
            assert (folder / "work" / "video.mp4").read_bytes() == b"left"
        assert list_names(tmp_path) == {folder.name}
        process.kill()
        process.wait()
        with Workspaces(tmp_path).open():
            assert not folder.exists()


def test_a_folder_locked_by_the_same_process_is_kept(tmp_path: Path) -> None:
    with Workspaces(tmp_path).open() as first, first.open_folder() as folder:
        with Workspaces(tmp_path).open() as second, second.open_folder() as other:
            assert other.parent != folder.parent
            assert folder.exists()
        assert folder.exists()
        assert list_names(tmp_path) == {folder.parent.name}
    assert list_names(tmp_path) == set()


def test_a_folder_in_use_is_locked(tmp_path: Path) -> None:
    script = "import sys\nfrom pathlib import Path\nfrom services.video.workspace import Workspaces\n"
    script += "with Workspaces(Path(sys.argv[1])).open(): pass\n"
    with Workspaces(tmp_path).open() as workspaces, workspaces.open_folder() as folder:
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=30)
        assert folder.exists()


def test_foreign_folders_are_kept(tmp_path: Path) -> None:
    for name in ("media-image-abc", "video-abc", ".media-video-abc"):
        (tmp_path / name).mkdir()
    before = list_names(tmp_path)
    with Workspaces(tmp_path).open():
        pass
    assert list_names(tmp_path) == before


@pytest.mark.parametrize("name", ["", "²", "9" * 20, "-1", "a b", "\n", "*", "~", "\udcff"])
def test_a_folder_of_any_name_does_not_prevent_the_start(tmp_path: Path, name: str) -> None:
    folder = make_old_folder(tmp_path, name)
    with Workspaces(tmp_path).open() as workspaces, workspaces.open_folder() as own:
        assert own.exists()
        assert not folder.exists()


def test_a_file_with_the_prefix_is_kept(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}file").write_bytes(b"precious")
    os.mkfifo(tmp_path / f"{PREFIX}pipe")
    before = list_names(tmp_path)
    with Workspaces(tmp_path).open() as workspaces, workspaces.open_folder() as folder:
        assert folder.exists()
    assert list_names(tmp_path) == before


def test_a_link_with_the_prefix_is_kept(tmp_path: Path) -> None:
    elsewhere, parent = tmp_path / "elsewhere", tmp_path / "parent"
    for folder in (elsewhere, parent):
        folder.mkdir()
    (elsewhere / "precious").write_text("precious")
    (parent / f"{PREFIX}link").symlink_to(elsewhere)
    (parent / f"{PREFIX}nowhere").symlink_to(tmp_path / "absent")
    before = list_names(parent)
    with Workspaces(parent).open():
        pass
    assert list_names(parent) == before
    assert list_names(elsewhere) == {"precious"}


def test_links_inside_an_old_folder_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("precious")
    parent = tmp_path / "parent"
    folder = make_old_folder(parent)
    (folder / "link").symlink_to(elsewhere)
    with Workspaces(parent).open():
        assert not folder.exists()
    assert list_names(elsewhere) == {"precious"}


def test_child_processes_do_not_inherit_the_lock(tmp_path: Path) -> None:
    with Workspaces(tmp_path).open():
        (folder,) = tmp_path.iterdir()
        command = [sys.executable, "-I", "-S", "-c", LIST_OPEN_FILES]
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30, close_fds=False).stdout
    assert "/" in output
    assert str(folder) not in output


async def read_all(spool: Spool) -> bytes:
    return b"".join([piece async for piece in spool.read()])


async def let_tasks_run(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.binary(max_size=300_000), st.integers(0, 5)), max_size=6), st.integers(0, 20))
async def test_a_reader_gets_every_byte_at_any_start(writes: list[tuple[bytes, int]], start_delay: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "video").open() as spool:

        async def read() -> bytes:
            await let_tasks_run(start_delay)
            return await read_all(spool)

        reading = asyncio.create_task(read())
        for data, pause in writes:
            await spool.write(data)
            await let_tasks_run(pause)
        spool.finish()
        assert await reading == b"".join(data for data, _ in writes)


async def test_written_bytes_are_read_before_more_arrive(tmp_path: Path) -> None:
    with Spool(tmp_path / "video").open() as spool:
        pieces = spool.read()
        await spool.write(b"first")
        assert await anext(pieces) == b"first"
        following = asyncio.ensure_future(anext(pieces))
        await let_tasks_run(10)
        assert not following.done()
        await spool.write(b"second")
        assert await following == b"second"
        spool.finish()
        assert [piece async for piece in pieces] == []


async def test_a_writer_does_not_wait_for_a_slow_reader(tmp_path: Path) -> None:
    with Spool(tmp_path / "video").open() as spool:
        pieces = spool.read()
        await spool.write(b"a")
        assert await anext(pieces) == b"a"
        for _ in range(64):
            await spool.write(bytes(100_000))
        spool.finish()
        assert len(b"".join([piece async for piece in pieces])) == 6_400_000
