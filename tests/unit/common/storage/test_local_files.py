"""Complete files that the local store takes over."""

from __future__ import annotations

import errno
import shutil
import stat
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectSpec, open_object_store, read_all
from services.common.storage.local_files import adopt_file
from tests.unit.common.storage.conftest import make_local_settings

SPEC = ObjectSpec("video/mp4", {"owner": "alice"})
SHA256 = "5" * 64


@pytest.fixture
def source_file(tmp_path: Path) -> Path:
    path = tmp_path / "source_file"
    path.write_bytes(b"a video")
    path.chmod(0o644)
    return path


@pytest.fixture
def other_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(self), None, str(target))

    monkeypatch.setattr(Path, "rename", refuse)


def test_a_file_on_the_same_file_system_is_moved_and_not_copied(source_file: Path, tmp_path: Path) -> None:
    number = source_file.stat().st_ino
    with adopt_file(source_file, tmp_path / "unfinished" / "draft") as file:
        file.write(b" and more")
    draft = tmp_path / "unfinished" / "draft"
    assert (draft.stat().st_ino, draft.read_bytes(), source_file.exists()) == (number, b"a video and more", False)
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600


@pytest.mark.usefixtures("other_file_system")
def test_a_file_on_another_file_system_is_copied_and_removed(source_file: Path, tmp_path: Path) -> None:
    with adopt_file(source_file, tmp_path / "unfinished" / "draft") as file:
        file.write(b" and more")
    draft = tmp_path / "unfinished" / "draft"
    assert (draft.read_bytes(), source_file.exists()) == (b"a video and more", False)
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600


@pytest.mark.usefixtures("other_file_system")
def test_a_failed_copy_is_removed_and_the_file_stays(
    source_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_half_way(source: Path, target: Path) -> None:
        target.write_bytes(b"a fi")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail_half_way)
    with pytest.raises(OSError, match="No space"):
        adopt_file(source_file, tmp_path / "unfinished" / "draft")
    assert list((tmp_path / "unfinished").iterdir()) == []
    assert source_file.read_bytes() == b"a video"


async def test_the_digest_of_the_caller_becomes_the_etag(source_file: Path, tmp_path: Path) -> None:
    async with open_object_store(make_local_settings(tmp_path / "store")) as store:
        stored = await store.put_file("videos/a.mp4", source_file, SHA256, SPEC)
        assert stored.etag == SHA256
        assert await read_all(store, "videos/a.mp4", max_bytes=100) == (b"a video", stored)


async def test_a_file_with_a_taken_key_leaves_no_draft(source_file: Path, tmp_path: Path) -> None:
    async with open_object_store(make_local_settings(tmp_path / "store")) as store:
        await store.put("videos/a.mp4", b"first", SPEC)
        with pytest.raises(MediaError) as caught:
            await store.put_file("videos/a.mp4", source_file, SHA256, SPEC)
        assert caught.value.reason is Reason.ALREADY_EXISTS
        assert list((tmp_path / "store" / "unfinished").iterdir()) == []
