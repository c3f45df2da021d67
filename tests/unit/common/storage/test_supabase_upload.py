"""Resumable uploads: chunks of 6 MiB, and every way in which a chunk breaks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectSpec, open_object_store, read_all
from services.common.storage.supabase import build_headers
from services.common.storage.supabase_upload import CHUNK_BYTES, ResumableUploader, UploadTarget
from tests.fakes.supabase import BUCKET, SERVICE_ROLE, FakeSupabase, StoredObject
from tests.unit.common.storage.conftest import make_supabase_settings

KEY = "users/alice/jobs/1/video.mp4"
SIZE_BYTES = 2 * CHUNK_BYTES + 1000
DATA = hashlib.sha256(b"seed").digest() * (SIZE_BYTES // 32) + b"x" * (SIZE_BYTES % 32)
TARGET = UploadTarget(BUCKET, KEY, "video/mp4", "60", {"note": "Größe"})


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(DATA)
    return path


@pytest.fixture
async def uploader(supabase: FakeSupabase) -> AsyncIterator[ResumableUploader]:
    async def return_at_once(_: float) -> None:
        return

    async with aiohttp.ClientSession() as session:
        url = f"{supabase.base_url}/storage/v1/upload/resumable"
        yield ResumableUploader(session, url, build_headers(SERVICE_ROLE), return_at_once)


async def catch_reason(uploader: ResumableUploader, path: Path, target: UploadTarget = TARGET) -> Reason:
    with pytest.raises(MediaError) as caught:
        await uploader.upload(path, target)
    return caught.value.reason


async def test_a_large_object_is_sent_in_chunks_with_its_properties(supabase: FakeSupabase, video: Path) -> None:
    async with open_object_store(make_supabase_settings(supabase)) as store:
        info = await store.put_file(KEY, video, "", ObjectSpec("video/mp4", {"owner": "alice"}, "public, max-age=60"))
        assert (await read_all(store, KEY, max_bytes=SIZE_BYTES))[0] == DATA
    assert supabase.tus.methods == ["POST", "PATCH", "PATCH", "PATCH"]
    assert (info.size_bytes, info.content_type, dict(info.metadata)) == (SIZE_BYTES, "video/mp4", {"owner": "alice"})
    assert info.cache_control == "max-age=60"


async def test_a_small_object_is_sent_in_one_request(supabase: FakeSupabase) -> None:
    async with open_object_store(make_supabase_settings(supabase)) as store:
        await store.put(KEY, bytes(6_000_000), ObjectSpec("video/mp4"))
        assert supabase.tus.methods == []
        await store.put("users/alice/b.mp4", bytes(6_000_001), ObjectSpec("video/mp4"))
        assert supabase.tus.methods == ["POST", "PATCH"]


async def test_an_upload_continues_inside_a_broken_chunk(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path
) -> None:
    supabase.tus.break_after = [5_000_000, 0, 17]
    await uploader.upload(video, TARGET)
    assert supabase.objects[KEY].data == DATA
    assert supabase.tus.offsets[:4] == [0, 5_000_000, 5_000_000, 5_000_017]


async def test_a_lost_answer_is_not_sent_again(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path
) -> None:
    supabase.tus.lost_answers = 3
    await uploader.upload(video, TARGET)
    assert supabase.objects[KEY].data == DATA
    assert supabase.tus.offsets == [0, CHUNK_BYTES, 2 * CHUNK_BYTES]


async def test_a_locked_upload_is_waited_for(supabase: FakeSupabase, uploader: ResumableUploader, video: Path) -> None:
    supabase.tus.break_after, supabase.tus.locked = [1], 2
    await uploader.upload(video, TARGET)
    assert supabase.objects[KEY].data == DATA


async def test_an_upload_without_progress_ends(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path
) -> None:
    supabase.tus.break_after = [0] * 100
    assert await catch_reason(uploader, video) is Reason.STORAGE_FAILED
    assert supabase.tus.methods.count("PATCH") == 4


async def test_a_taken_key_is_refused_before_and_after_the_data(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path
) -> None:
    class Racing(ResumableUploader):
        async def _create(self, size_bytes: int, target: UploadTarget) -> str:
            url = await super()._create(size_bytes, target)
            supabase.objects[KEY] = StoredObject(b"first", "video/mp4", "max-age=0", {})
            return url

    racing = Racing(uploader.session, uploader.url, uploader.headers, uploader.sleep)
    assert await catch_reason(racing, video) is Reason.ALREADY_EXISTS
    assert await catch_reason(uploader, video) is Reason.ALREADY_EXISTS
    assert supabase.objects[KEY].data == b"first"
    await uploader.upload(video, UploadTarget(BUCKET, KEY, "video/mp4", "60", overwrite=True))
    assert len(supabase.objects[KEY].data) == SIZE_BYTES


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (UploadTarget("other", KEY, "video/mp4", "60"), Reason.STORAGE_REFUSED),
        (UploadTarget(BUCKET, "users/~x/a.mp4", "video/mp4", "60"), Reason.VALIDATION_ERROR),
    ],
)
async def test_a_refusal_for_good_is_not_sent_again(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path, target: UploadTarget, reason: Reason
) -> None:
    assert await catch_reason(uploader, video, target) is reason
    assert supabase.tus.methods == ["POST"]


async def test_a_refused_credential_and_a_large_file_are_named(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path
) -> None:
    stranger = ResumableUploader(uploader.session, uploader.url, build_headers("sb_secret_other"), uploader.sleep)
    assert await catch_reason(stranger, video) is Reason.STORAGE_REFUSED
    supabase.tus.max_bytes = SIZE_BYTES - 1
    assert await catch_reason(uploader, video) is Reason.PAYLOAD_TOO_LARGE


async def test_the_credential_stays_at_the_configured_address(
    supabase: FakeSupabase, uploader: ResumableUploader, video: Path
) -> None:
    # The fake names another host in Location, as servers behind proxies do.
    await uploader.upload(video, TARGET)
    assert KEY in supabase.objects
