"""The local store: atomic writes, drafts, foreign files and failures of the file system."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectInfo, ObjectSpec, ObjectStore, open_object_store, read_all
from tests.unit.common.storage.conftest import PUBLIC_URL, make_local_settings

SPEC = ObjectSpec("image/png", {"owner": "alice"})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    async with open_object_store(make_local_settings(tmp_path)) as store:
        yield store


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def test_an_object_is_not_visible_while_it_is_written(store: ObjectStore, tmp_path: Path) -> None:
    seen: list[int] = []

    async def yield_slowly() -> AsyncIterator[bytes]:
        yield b"first half, "
        seen.append(len((await store.list("")).objects))
        with pytest.raises(MediaError):
            await store.head("a/b")
        yield b"second half"

    await store.put("a/b", yield_slowly(), SPEC)
    assert seen == [0]
    assert list_files(tmp_path) == {"objects/a/b", "signing.key"}


async def test_a_failed_write_leaves_no_file(store: ObjectStore, tmp_path: Path) -> None:
    async def fail_halfway() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.put("a/b", fail_halfway(), SPEC)
    assert list_files(tmp_path) == {"signing.key"}


async def test_only_stale_drafts_are_removed(store: ObjectStore, tmp_path: Path) -> None:
    assert await store.remove_stale_drafts(3600) == 0
    counts: list[int] = []

    async def yield_slowly() -> AsyncIterator[bytes]:
        yield b"first half, "
        (lost,) = (tmp_path / "unfinished").iterdir()
        left = lost.with_name("left")
        left.write_bytes(b"half of something")
        os.utime(left, (0, 0))
        counts.append(await store.remove_stale_drafts(3600))
        assert not left.exists()
        yield b"second half"

    await store.put("a/b", yield_slowly(), SPEC)
    assert counts == [1]
    assert await read_all(store, "a/b", max_bytes=100) == (b"first half, second half", await store.head("a/b"))


async def test_foreign_files_are_not_found(store: ObjectStore, tmp_path: Path) -> None:
    await store.put("a/real", b"x", SPEC)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "objects" / "a"
    (folder / "link").symlink_to(secret)
    (folder / "cut").write_bytes(b"")
    (folder / "foreign").write_bytes(b"no object, but longer than the mark at the end of one")
    (tmp_path / "objects" / "linked").symlink_to(folder)
    for key in ("a/link", "a/cut", "a/foreign", "a"):
        with pytest.raises(MediaError) as caught:
            await store.head(key)
        assert caught.value.reason is Reason.NOT_FOUND
    assert [item.key for item in (await store.list("")).objects] == ["a/real"]


async def test_files_are_private(store: ObjectStore, tmp_path: Path) -> None:
    await store.put("a/b", b"x", SPEC)
    assert (tmp_path / "objects" / "a" / "b").stat().st_mode & 0o777 == 0o600


async def test_a_key_is_an_object_or_a_folder(store: ObjectStore) -> None:
    await store.put("a/b", b"x", SPEC)
    for key in ("a", "a/b/c"):
        for overwrite in (False, True):
            with pytest.raises(MediaError) as caught:
                await store.put(key, b"x", SPEC, overwrite=overwrite)
            assert caught.value.reason is Reason.ALREADY_EXISTS


async def test_empty_folders_are_removed_with_their_last_object(store: ObjectStore, tmp_path: Path) -> None:
    await store.put("a/b/one", b"x", SPEC)
    await store.put("a/two", b"x", SPEC)
    await store.delete("a/b/one")
    assert {path.name for path in (tmp_path / "objects" / "a").iterdir()} == {"two"}
    assert await store.delete("a/b/one") is False
    assert await store.delete("a") is False
    await store.delete("a/two")
    assert not any((tmp_path / "objects").iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_folder_that_vanishes_during_a_write_is_created_again(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    emptied: list[Path] = []
    mkdir = Path.mkdir

    def create_and_remove(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        mkdir(path, mode, parents, exist_ok)
        if path.name == "b" and len(emptied) < 3:
            path.rmdir()
            emptied.append(path)

    monkeypatch.setattr(Path, "mkdir", create_and_remove)
    await store.put("a/b/c", b"x", SPEC, overwrite=overwrite)
    assert len(emptied) == 3
    assert await read_all(store, "a/b/c", max_bytes=1) == (b"x", await store.head("a/b/c"))


async def test_an_object_that_cannot_be_deleted_is_an_error(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put("a/b", b"x", SPEC)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert await store.delete("a") is False
    with pytest.raises(MediaError) as caught:
        await store.delete("a/b")
    assert caught.value.reason is Reason.STORAGE_FAILED


async def test_a_link_leads_to_the_suite_and_expires(store: ObjectStore) -> None:
    link = await store.url("a/b", lifetime_seconds=60)
    assert link.url.startswith(f"{PUBLIC_URL}/media/a/b?expires=")
    assert link.expires_at is not None


async def test_a_folder_that_cannot_be_written_is_an_error(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "unfinished").write_text("a file in the place of the folder")
    with pytest.raises(MediaError) as caught:
        await store.put("a/b", b"x", SPEC)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert "MEDIA_STORAGE_DIR" in caught.value.message


async def test_a_file_is_closed_if_its_reader_is_cancelled_during_the_opening(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put("a/b", b"x", SPEC)
    started, go_on = threading.Event(), threading.Event()
    opened: list[BinaryIO] = []

    def yield_slowly(path: Path, key: str) -> tuple[BinaryIO, ObjectInfo]:
        started.set()
        assert go_on.wait(5)
        file = path.open("rb")
        opened.append(file)
        return file, ObjectInfo(key, 1, "image/png", "etag", datetime.now(UTC))

    async def read() -> None:
        async with store.open("a/b"):
            pytest.fail("was opened for a cancelled reader")

    monkeypatch.setattr("services.common.storage.local_files.open_object", yield_slowly)
    reader = asyncio.ensure_future(read())
    await asyncio.to_thread(started.wait, 5)
    reader.cancel()
    await asyncio.wait([reader])
    assert reader.cancelled()
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert [file.closed for file in opened] == [True]
