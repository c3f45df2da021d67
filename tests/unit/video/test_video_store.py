"""VideoStore: destinations are checked before payment, and videos belong to their owners."""

from __future__ import annotations

import hashlib
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.common.fetch import FetchedFile, StreamedFile
from services.common.input_files import InputFiles
from services.common.storage import IMMUTABLE, REPLACEABLE, ObjectSpec
from services.video.probe import MediaFile, StreamInfo
from services.video.video_store import CONTENT_TYPE, Destination, StoredVideo, VideoOrigin, VideoStore, compute_sha256
from tests.fakes.object_store import EXPIRES, FakeObjectStore
from tests.fakes.records import FakeRecordStore, build_records
from tests.fakes.waiting import until

MEDIA = MediaFile("mp4", 21, ())
DATA = b"a video, as it were" * 100_000
SHA256 = hashlib.sha256(DATA).hexdigest()
OWN = "users/alice/videos/cat.mp4"
MUXED = VideoOrigin()
ORIGIN = VideoOrigin("embedded", "camera-motion", "a secret cat", "p-1")
METADATA = {"provider": "embedded", "prediction_id": "p-1", "owner": "alice"}
STREAMS = (StreamInfo("video", "h264", 6.04, 1364, 768, 24.0, packets=145), StreamInfo("audio", "aac", 5.9))


class NoDownloads:
    """Downloads nothing."""

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        """Fail."""
        raise AssertionError

    def stream(self, url: str, *, field: str, max_bytes: int) -> AbstractAsyncContextManager[StreamedFile]:
        """Fail."""
        raise AssertionError


@pytest.fixture
def store() -> FakeObjectStore:
    return FakeObjectStore()


@pytest.fixture
def records() -> FakeRecordStore:
    return FakeRecordStore()


@pytest.fixture
def video_store(store: FakeObjectStore, records: FakeRecordStore) -> VideoStore:
    return VideoStore(InputFiles(NoDownloads(), store), build_records(records))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "video.mp4"
    file.write_bytes(DATA)
    return file


async def catch_refusal(video_store: VideoStore, destination: Destination) -> tuple[Reason, str]:
    with pytest.raises(MediaError) as caught:
        await video_store.check(destination)
    (violation,) = caught.value.violations
    return caught.value.reason, violation.field


async def catch_delete_refusal(video_store: VideoStore, key: str, principal: str) -> tuple[Reason, str]:
    with pytest.raises(MediaError) as caught:
        await video_store.delete(key, principal)
    return caught.value.reason, caught.value.violations[0].field


@pytest.mark.parametrize(
    ("destination", "reason", "field"),
    [
        (Destination("users/alice/cat.webm"), Reason.VALIDATION_ERROR, "object_key"),
        (Destination("users/alice/cat"), Reason.VALIDATION_ERROR, "object_key"),
        (Destination("users/alice/catmp4"), Reason.VALIDATION_ERROR, "object_key"),
        (Destination(overwrite=True), Reason.VALIDATION_ERROR, "overwrite"),
    ],
)
async def test_an_invalid_destination_is_rejected_by_field(
    video_store: VideoStore, destination: Destination, reason: Reason, field: str
) -> None:
    assert await catch_refusal(video_store, destination) == (reason, field)


async def test_a_free_or_empty_destination_is_accepted(video_store: VideoStore, store: FakeObjectStore) -> None:
    await video_store.check(Destination())
    await video_store.check(Destination(OWN))
    await video_store.check(Destination(OWN, overwrite=True))
    assert store.objects == {}


async def test_a_used_destination_is_rejected_without_overwrite(
    video_store: VideoStore, store: FakeObjectStore
) -> None:
    await store.put(OWN, b"x", ObjectSpec(CONTENT_TYPE))
    assert await catch_refusal(video_store, Destination(OWN)) == (Reason.ALREADY_EXISTS, "object_key")
    await video_store.check(Destination(OWN, overwrite=True))


async def test_an_unreachable_store_is_an_error(video_store: VideoStore, store: FakeObjectStore) -> None:
    store.unreadable = True
    with pytest.raises(MediaError) as caught:
        await video_store.check(Destination(OWN))
    assert caught.value.reason is Reason.STORAGE_FAILED


async def test_a_video_is_stored_whole_under_a_new_key(
    video_store: VideoStore, store: FakeObjectStore, path: Path
) -> None:
    video = await video_store.put(path, SHA256, MEDIA, Destination(), "alice", ORIGIN)
    assert re.fullmatch(r"videos/\d{4}/\d\d/[0-9a-f-]{36}\.mp4", video.key)
    assert (video.sha256, video.media) == (await compute_sha256(path), MEDIA)
    info, data = store.objects[video.key]
    assert data == DATA
    assert (info.content_type, info.metadata) == ("video/mp4", METADATA)
    assert info.cache_control == IMMUTABLE
    assert (await video_store.put(path, SHA256, MEDIA, Destination(), "alice", MUXED)).key != video.key


async def test_a_video_is_stored_at_its_destination(
    video_store: VideoStore, store: FakeObjectStore, path: Path
) -> None:
    assert (await video_store.put(path, SHA256, MEDIA, Destination(OWN), "alice", MUXED)).key == OWN
    with pytest.raises(MediaError) as caught:
        await video_store.put(path, SHA256, MEDIA, Destination(OWN), "alice", MUXED)
    assert caught.value.reason is Reason.ALREADY_EXISTS
    store.objects[OWN] = store.objects[OWN][0], b"an earlier video"
    await video_store.put(path, SHA256, MEDIA, Destination(OWN, overwrite=True), "alice", MUXED)
    info, data = store.objects[OWN]
    # Browsers must not cache a replaceable object.
    assert (data, info.cache_control) == (DATA, REPLACEABLE)


async def test_a_failing_store_stores_nothing(video_store: VideoStore, store: FakeObjectStore, path: Path) -> None:
    store.puts_until_failure = 0
    with pytest.raises(MediaError) as caught:
        await video_store.put(path, SHA256, MEDIA, Destination(), "alice", MUXED)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert store.keys == []


async def test_the_url_of_a_video_expires(video_store: VideoStore) -> None:
    found = await video_store.get_url(StoredVideo(OWN, "", MEDIA))
    assert (found.url, found.expires_at) == (f"https://store.example/{OWN}", EXPIRES)


@pytest.mark.parametrize("destination", [Destination(), Destination(OWN)])
async def test_a_video_is_deleted_by_its_owner_once(
    video_store: VideoStore, store: FakeObjectStore, path: Path, destination: Destination
) -> None:
    key = (await video_store.put(path, SHA256, MEDIA, destination, "alice", MUXED)).key
    assert await video_store.delete(key, "alice") == [key]
    assert store.keys == []
    assert await catch_delete_refusal(video_store, key, "alice") == (Reason.NOT_FOUND, "key")


async def test_another_principal_cannot_delete_a_video(
    video_store: VideoStore, store: FakeObjectStore, path: Path
) -> None:
    new = (await video_store.put(path, SHA256, MEDIA, Destination(), "alice", MUXED)).key
    await video_store.put(path, SHA256, MEDIA, Destination(OWN), "alice", MUXED)
    for principal in ("bob", ""):
        assert await catch_delete_refusal(video_store, new, principal) == (Reason.NOT_FOUND, "key")
        assert await catch_delete_refusal(video_store, OWN, principal) == (Reason.PERMISSION_DENIED, "key")
    assert store.keys == [OWN, new]


async def test_an_object_that_is_not_a_video_is_not_deleted(video_store: VideoStore, store: FakeObjectStore) -> None:
    await store.put("users/alice/cat.png", b"x", ObjectSpec("image/png"))
    assert await catch_delete_refusal(video_store, "users/alice/cat.png", "alice") == (Reason.NOT_FOUND, "key")
    assert await catch_delete_refusal(video_store, "../x", "alice") == (Reason.VALIDATION_ERROR, "key")
    assert store.keys == ["users/alice/cat.png"]


async def test_a_stored_video_is_found_and_listed_by_its_owner(video_store: VideoStore, path: Path) -> None:
    media = MediaFile("mp4", len(DATA), STREAMS)
    first = await video_store.put(path, SHA256, media, Destination(), "alice", ORIGIN)
    second = await video_store.put(path, SHA256, MEDIA, Destination(OWN), "alice", MUXED)
    found = await video_store.find(first.key, "alice")
    assert (found.video, found.origin) == (first, ORIGIN)
    listed, token = await video_store.list_page("alice", 20, "")
    assert {item.video.key for item in listed} == {first.key, second.key}
    assert token == ""
    assert await video_store.list_page("bob", 20, "") == ([], "")


async def test_another_principal_cannot_find_a_video(video_store: VideoStore, path: Path) -> None:
    key = (await video_store.put(path, SHA256, MEDIA, Destination(), "alice", ORIGIN)).key
    with pytest.raises(MediaError) as caught:
        await video_store.find(key, "bob")
    assert caught.value.reason is Reason.NOT_FOUND


async def test_the_prompt_of_a_video_is_not_in_its_object(
    video_store: VideoStore, store: FakeObjectStore, path: Path
) -> None:
    await video_store.put(path, SHA256, MEDIA, Destination(), "alice", ORIGIN)
    assert all("secret" not in repr(item) for item in store.objects.values())


async def test_a_video_without_a_record_is_found_from_its_object(
    video_store: VideoStore, store: FakeObjectStore
) -> None:
    info = await store.put("videos/2026/10/old.mp4", DATA, ObjectSpec(CONTENT_TYPE, METADATA))
    found = await video_store.find(info.key, "alice")
    assert found.video == StoredVideo(info.key, "", MediaFile("mp4", len(DATA), ()))
    assert found.origin == VideoOrigin("embedded", prediction_id="p-1")
    assert found.stored_at == info.modified_at


async def test_a_database_that_is_down_does_not_lose_a_paid_video(
    video_store: VideoStore, records: FakeRecordStore, path: Path
) -> None:
    records.is_down = True
    key = (await video_store.put(path, SHA256, MEDIA, Destination(), "alice", ORIGIN)).key
    assert (await video_store.find(key, "alice")).origin == ORIGIN
    records.is_down = False
    await until(lambda: records.keys == [("alice", "video", key)])


async def test_a_deletion_that_failed_half_way_can_be_repeated(
    video_store: VideoStore, store: FakeObjectStore, records: FakeRecordStore, path: Path
) -> None:
    key = (await video_store.put(path, SHA256, MEDIA, Destination(), "alice", ORIGIN)).key
    records.is_down = True
    with pytest.raises(MediaError) as caught:
        await video_store.delete(key, "alice")
    assert caught.value.reason is Reason.UNAVAILABLE
    records.is_down = False
    assert await video_store.delete(key, "alice") == []
    assert (store.keys, records.keys) == ([], [])


async def test_a_video_that_an_earlier_attempt_has_stored_gets_its_record(
    video_store: VideoStore, store: FakeObjectStore, records: FakeRecordStore, path: Path
) -> None:
    await store.put(OWN, DATA, ObjectSpec(CONTENT_TYPE, METADATA))
    assert (await video_store.put(path, SHA256, MEDIA, Destination(OWN), "alice", ORIGIN)).key == OWN
    assert records.keys == [("alice", "video", OWN)]


async def test_the_record_of_a_video_that_is_gone_is_deleted(
    video_store: VideoStore, store: FakeObjectStore, records: FakeRecordStore, path: Path
) -> None:
    key = (await video_store.put(path, SHA256, MEDIA, Destination(), "alice", ORIGIN)).key
    await store.delete(key)
    with pytest.raises(MediaError) as caught:
        await video_store.find(key, "alice")
    assert (caught.value.reason, records.keys) == (Reason.NOT_FOUND, [])
