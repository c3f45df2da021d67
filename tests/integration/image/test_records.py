"""Stored images: their owner gets them with new URLs and what was known, lists them, and loses no paid image."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media.image.v1 import image_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from tests.fakes.image_provider import FakeImageProvider, make_image
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore
from tests.fakes.waiting import until
from tests.integration.image.conftest import ImageSuite, catch_error, run_image_service

CAT = make_image(Size(64, 48))
Output = image_pb2.ImageOutput
GIVEN = {"goal_id": "7", "provider": "mine"}


@pytest.fixture
def records() -> FakeRecordStore:
    return FakeRecordStore()


@pytest.fixture
async def suite(
    provider: FakeImageProvider, store: FakeObjectStore, records: FakeRecordStore, workers: WorkerPool, tmp_path: Path
) -> AsyncIterator[ImageSuite]:
    async with run_image_service({"fal": provider}, store, workers, tmp_path, records=records) as opened:
        yield opened


async def get(suite: ImageSuite, key: str, principal: str = "alice") -> image_pb2.StoredImage:
    request = image_pb2.GetImageRequest(key=key)
    return (await suite.stub.GetImage(request, metadata=call_metadata(principal))).image


async def list_page(
    suite: ImageSuite, principal: str = "alice", page_size: int = 0, token: str = ""
) -> image_pb2.ListImagesResponse:
    request = image_pb2.ListImagesRequest(page_size=page_size, page_token=token)
    return await suite.stub.ListImages(request, metadata=call_metadata(principal))


async def test_a_generated_image_is_returned_with_all_that_is_known(suite: ImageSuite) -> None:
    output = Output(metadata=GIVEN, variants=[image_pb2.ImageVariantSpec(name="thumbnail", width=32, height=32)])
    made = await suite.generate(output=output)
    found = await get(suite, made.key)
    assert (found.key, found.url) == (made.key, f"https://store.example/{made.key}")
    assert found.url_expire_time == made.url_expire_time
    assert (found.width, found.height, found.size_bytes) == (made.width, made.height, made.size_bytes)
    assert (found.content_type, found.sha256, found.preview) == (made.content_type, made.sha256, made.preview)
    assert (found.provider, found.model, found.seed, found.prompt) == ("fal", "flux-dev", 7, made.prompt)
    assert dict(found.metadata) == GIVEN
    assert list(found.variants) == list(made.variants)
    assert found.HasField("create_time")


async def test_the_prompt_is_not_in_the_object_store(suite: ImageSuite, store: FakeObjectStore) -> None:
    made = await suite.generate(prompt="a very secret cat")
    assert (await get(suite, made.key)).prompt == made.prompt
    for info, data in store.objects.values():
        assert "secret" not in repr(info)
        assert b"secret" not in data


async def test_an_upload_has_no_prompt_and_no_provider(suite: ImageSuite) -> None:
    made = await suite.upload(CAT, output=Output(metadata={"source": "manual_upload"}))
    found = await get(suite, made.key)
    assert (found.width, found.height, found.provider, found.model, found.prompt) == (64, 48, "", "", "")
    assert not found.HasField("seed")
    assert dict(found.metadata) == {"source": "manual_upload"}


async def test_images_are_listed_newest_first_for_their_owner_only(suite: ImageSuite) -> None:
    keys = [(await suite.upload(CAT)).key for _ in range(3)]
    await suite.upload(CAT, principal="bob")
    first = await list_page(suite, page_size=2)
    second = await list_page(suite, page_size=2, token=first.next_page_token)
    assert {image.key for image in (*first.images, *second.images)} == set(keys)
    assert (len(first.images), len(second.images), second.next_page_token) == (2, 1, "")
    times = [image.create_time.ToDatetime() for image in (*first.images, *second.images)]
    assert times == sorted(times, reverse=True)
    assert [image.url for image in first.images] == [f"https://store.example/{image.key}" for image in first.images]
    assert not (await list_page(suite, "carol")).images


@pytest.mark.parametrize("fields", [{"page_size": 101}, {"token": "x" * 101}, {"token": "nonsense"}])
async def test_a_wrong_page_is_refused_with_its_field(suite: ImageSuite, fields: dict[str, object]) -> None:
    error = await catch_error(list_page(suite, **fields))  # type: ignore[arg-type]
    assert error.reason is Reason.VALIDATION_ERROR
    assert error.violations[0].field == ("page_size" if "page_size" in fields else "page_token")


async def test_another_caller_does_not_get_an_image(suite: ImageSuite) -> None:
    shared = await suite.upload(CAT)
    own = await suite.upload(CAT, output=Output(format="png", object_key="users/alice/a.png"))
    for principal in ("bob", ""):
        assert (await catch_error(get(suite, shared.key, principal))).reason is Reason.NOT_FOUND
        assert (await catch_error(get(suite, own.key, principal))).reason is Reason.PERMISSION_DENIED
    assert (await catch_error(get(suite, "images/2026/11/none.png"))).reason is Reason.NOT_FOUND
    assert (await catch_error(get(suite, "../x"))).reason is Reason.VALIDATION_ERROR


async def test_an_image_without_a_record_is_described_by_its_object(suite: ImageSuite, store: FakeObjectStore) -> None:
    metadata = {"owner": "alice", "provider": "fal", "model": "flux-dev", "seed": "7", "goal_id": "7"}
    info = await store.put("images/2026/10/old.png", CAT, ObjectSpec("image/png", metadata | {"variants": "small"}))
    found = await get(suite, info.key)
    assert (found.provider, found.model, found.seed, dict(found.metadata)) == ("fal", "flux-dev", 7, {"goal_id": "7"})
    assert (found.width, found.height, found.size_bytes) == (0, 0, len(CAT))
    assert [variant.key for variant in found.variants] == ["images/2026/10/old.small.png"]


async def test_an_image_is_no_other_object(suite: ImageSuite, store: FakeObjectStore) -> None:
    await store.put("videos/2026/11/a.mp4", b"x", ObjectSpec("video/mp4", {"owner": "alice"}))
    assert (await catch_error(get(suite, "videos/2026/11/a.mp4"))).reason is Reason.NOT_FOUND


async def test_an_overwritten_image_is_listed_once_as_the_newest(suite: ImageSuite) -> None:
    key = "users/alice/a.png"
    await suite.upload(CAT, output=Output(format="png", object_key=key, metadata={"version": "1"}))
    await suite.upload(CAT)
    await suite.upload(CAT, output=Output(format="png", object_key=key, overwrite=True, metadata={"version": "2"}))
    images = (await list_page(suite)).images
    assert images[0].key == key
    assert len(images) == 2
    assert dict(images[0].metadata) == {"version": "2"}


async def test_equal_bytes_keep_the_variants_of_earlier_requests(suite: ImageSuite) -> None:
    first, second = (
        Output(content_addressed=True, variants=[image_pb2.ImageVariantSpec(name=name, width=side, height=side)])
        for name, side in (("small", 16), ("large", 32))
    )
    await suite.upload(CAT, output=first)
    key = (await suite.upload(CAT, output=second)).key
    found = await get(suite, key)
    assert {(variant.name, variant.width) for variant in found.variants} == {("small", 16), ("large", 32)}
    assert len((await list_page(suite)).images) == 1


async def test_a_deleted_image_has_no_record(suite: ImageSuite, records: FakeRecordStore) -> None:
    key = (await suite.upload(CAT)).key
    await suite.delete(key)
    assert records.keys == []
    assert (await catch_error(get(suite, key))).reason is Reason.NOT_FOUND


async def test_a_deletion_that_failed_half_way_can_be_repeated(
    suite: ImageSuite, store: FakeObjectStore, records: FakeRecordStore
) -> None:
    key = (await suite.upload(CAT)).key
    records.is_down = True
    assert (await catch_error(suite.delete(key))).reason is Reason.UNAVAILABLE
    records.is_down = False
    assert await suite.delete(key) == []
    assert (store.keys, records.keys) == ([], [])


async def test_an_image_that_is_paid_while_the_database_is_down_is_delivered_and_listed_later(
    suite: ImageSuite, records: FakeRecordStore
) -> None:
    records.is_down = True
    made = await suite.generate()
    assert (await get(suite, made.key)).prompt == made.prompt
    assert (await catch_error(list_page(suite))).reason is Reason.UNAVAILABLE
    records.is_down = False
    await until(lambda: records.keys == [("alice", "image", made.key)])
    assert [image.key for image in (await list_page(suite)).images] == [made.key]


async def test_an_image_that_cannot_be_stored_has_no_record(
    suite: ImageSuite, store: FakeObjectStore, records: FakeRecordStore
) -> None:
    store.puts_until_failure = 0
    assert (await catch_error(suite.generate())).reason is Reason.STORAGE_FAILED
    assert records.keys == []


async def test_an_image_that_the_bucket_has_deleted_is_not_listed_any_longer(
    suite: ImageSuite, store: FakeObjectStore
) -> None:
    key = (await suite.upload(CAT)).key
    await store.delete(key)
    assert (await catch_error(get(suite, key, "bob"))).reason is Reason.NOT_FOUND
    assert len((await list_page(suite)).images) == 1
    assert (await catch_error(get(suite, key))).reason is Reason.NOT_FOUND
    assert not (await list_page(suite)).images


async def test_images_of_earlier_versions_are_listed_without_their_variants(
    provider: FakeImageProvider, store: FakeObjectStore, records: FakeRecordStore, workers: WorkerPool, tmp_path: Path
) -> None:
    mine = {"owner": "alice"}
    await store.put("images/2026/10/old.png", CAT, ObjectSpec("image/png", mine | {"variants": "small"}))
    await store.put("images/2026/10/old.small.png", CAT, ObjectSpec("image/png", mine))
    await store.put("users/alice/my.photo.png", CAT, ObjectSpec("image/png", mine))
    await store.put("cache/images/2026-10-01/x.png", CAT, ObjectSpec("image/png"))
    async with run_image_service({"fal": provider}, store, workers, tmp_path, records=records) as suite:
        await until(lambda: len(records.keys) == 2)
        keys = [image.key for image in (await list_page(suite)).images]
    assert sorted(keys) == ["images/2026/10/old.png", "users/alice/my.photo.png"]
