"""Tests of images that callers send: by URL, as a data URI, by key, and as uploads."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from media.image.v1 import image_pb2
from PIL import Image

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata
from services.common.rpc.status import from_rpc_error
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from services.image.providers.interface import Mode
from tests.fakes.image_provider import FakeImageProvider, make_image
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.web_host import WebHost, run_web_host
from tests.integration.image.conftest import ImageSuite, catch_error, run_image_service

CAT = make_image(Size(300, 200), "red")


@pytest.fixture
async def host() -> AsyncIterator[WebHost]:
    async with run_web_host() as opened:
        opened.file("/cat.png", CAT)
        yield opened


def make_data_uri(data: bytes = CAT, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def test_an_allowed_url_is_downloaded(
    provider: FakeImageProvider, store: FakeObjectStore, workers: WorkerPool, tmp_path: Path, host: WebHost
) -> None:
    allow = f"127.0.0.1:{host.port}"
    async with run_image_service({"fal": provider}, store, workers, tmp_path, allow) as suite:
        image = await suite.transform(image_url=host.url("/cat.png"), strength=0.3)
    assert (image.width, image.height, image.model) == (300, 200, "flux-dev-i2i")
    (spec,) = provider.specs
    assert (spec.mode, spec.strength) == (Mode.TRANSFORM, 0.3)
    assert spec.source is not None
    assert spec.source.size == Size(300, 200)


async def test_the_same_image_by_key_or_data_uri_is_the_same_request(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    await store.put("users/alice/cat.png", CAT, ObjectSpec("image/png"))
    await suite.transform(image_url=make_data_uri())
    assert (await suite.transform(image_key="users/alice/cat.png")).from_cache
    assert not (await suite.transform(image_url=make_data_uri(make_image(Size(300, 200), "blue")))).from_cache
    assert len(provider.specs) == 2


async def test_a_transformed_image_gets_the_requested_size(suite: ImageSuite) -> None:
    image = await suite.transform(image_url=make_data_uri(), image_size="card")
    assert (image.width, image.height) == (512, 512)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, Reason.VALIDATION_ERROR),
        ({"image_url": "data:image/png;base64,AAAA", "image_key": "users/alice/x"}, Reason.VALIDATION_ERROR),
        ({"image_url": "ftp://example.com/x"}, Reason.VALIDATION_ERROR),
        ({"image_url": "file:///etc/passwd"}, Reason.VALIDATION_ERROR),
        ({"image_url": "data:image/png,plain"}, Reason.MEDIA_INVALID),
        ({"image_url": "data:image/png;base64,!!!!"}, Reason.VALIDATION_ERROR),
        ({"image_url": "data:image/png;base64,AAAA"}, Reason.MEDIA_INVALID),
        ({"image_url": make_data_uri(b"<svg xmlns='http://www.w3.org/2000/svg'/>")}, Reason.MEDIA_INVALID),
        ({"image_url": make_data_uri(CAT[:200])}, Reason.MEDIA_INVALID),
        ({"image_url": "http://127.0.0.1/cat.png"}, Reason.URL_FORBIDDEN),
        ({"image_url": "http://169.254.169.254/latest"}, Reason.URL_FORBIDDEN),
        ({"image_url": "http://[::1]/cat.png"}, Reason.URL_FORBIDDEN),
        ({"image_url": "http://localhost:8080/cat.png"}, Reason.URL_FORBIDDEN),
        ({"image_key": "users/alice/gone.png"}, Reason.NOT_FOUND),
        ({"image_key": "users/bob/cat.png"}, Reason.PERMISSION_DENIED),
        ({"image_key": "images/2026/11/bobs.png"}, Reason.NOT_FOUND),
        ({"image_key": "../secret"}, Reason.VALIDATION_ERROR),
        ({"image_url": make_data_uri(), "strength": 1.01}, Reason.VALIDATION_ERROR),
        ({"image_url": make_data_uri(), "strength": -0.1}, Reason.VALIDATION_ERROR),
        ({"image_url": make_data_uri(), "num_inference_steps": 9}, Reason.VALIDATION_ERROR),
    ],
)
async def test_a_bad_source_is_refused_before_the_provider_is_called(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore, fields: Any, reason: Reason
) -> None:
    await store.put("users/bob/cat.png", CAT, ObjectSpec("image/png"))
    await store.put("images/2026/11/bobs.png", CAT, ObjectSpec("image/png", {"owner": "bob"}))
    assert (await catch_error(suite.transform(**fields))).reason is reason
    assert provider.specs == []


async def test_an_upload_is_stored_without_its_metadata(suite: ImageSuite, store: FakeObjectStore) -> None:
    file = BytesIO()
    exif = Image.Exif()
    exif[271] = "Secret Camera"
    Image.new("RGB", (60, 40), "red").save(file, "JPEG", exif=exif)
    data = file.getvalue()
    image = await suite.upload(data[:100], data[100:], size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    assert (image.content_type, image.width, image.height, image.provider) == ("image/jpeg", 60, 40, "")
    stored = store.objects[image.key][1]
    assert b"Secret" not in stored
    assert store.objects[image.key][0].metadata["owner"] == "alice"
    assert image.preview.startswith("data:image/webp")
    assert image.key.endswith(".jpg")


async def test_an_upload_is_stored_in_the_requested_format_and_under_the_requested_key(suite: ImageSuite) -> None:
    output = image_pb2.ImageOutput(
        format="avif", object_key="users/alice/pets/cat.avif", variants=[image_pb2.ImageVariantSpec(name="thumbnail")]
    )
    image = await suite.upload(CAT, output=output)
    assert (image.key, image.content_type, len(image.variants)) == ("users/alice/pets/cat.avif", "image/avif", 1)
    assert (await suite.transform(image_key=image.key)).width == 300


@pytest.mark.parametrize(
    ("pieces", "spec", "reason"),
    [
        ((), {}, Reason.MEDIA_INVALID),
        ((b"",), {}, Reason.MEDIA_INVALID),
        ((CAT[:300],), {"size_bytes": len(CAT)}, Reason.MEDIA_INVALID),
        ((CAT[:300],), {}, Reason.MEDIA_INVALID),
        ((CAT,), {"sha256": "0" * 64}, Reason.MEDIA_INVALID),
        ((CAT,), {"sha256": "odd"}, Reason.VALIDATION_ERROR),
        ((b"<!DOCTYPE html>",), {}, Reason.MEDIA_INVALID),
        ((CAT,), {"size_bytes": 21 * 1024 * 1024}, Reason.VALIDATION_ERROR),
        ((bytes(1024 * 1024),) * 21, {}, Reason.PAYLOAD_TOO_LARGE),
        ((CAT,), {"output": image_pb2.ImageOutput(object_key="users/bob/x.png")}, Reason.PERMISSION_DENIED),
        ((CAT,), {"output": image_pb2.ImageOutput(object_key="users/alice/x.gif")}, Reason.VALIDATION_ERROR),
        ((bytes(1024 * 1024 + 1),), {}, Reason.VALIDATION_ERROR),
    ],
)
async def test_a_bad_upload_stores_nothing(
    suite: ImageSuite, store: FakeObjectStore, pieces: Any, spec: Any, reason: Reason
) -> None:
    assert (await catch_error(suite.upload(*pieces, **spec))).reason is reason
    assert store.keys == []


async def test_a_cancelled_upload_stores_nothing(suite: ImageSuite, store: FakeObjectStore) -> None:
    call = suite.stub.UploadImage(metadata=call_metadata("alice"))
    await call.write(image_pb2.UploadImageRequest(spec=image_pb2.UploadSpec()))
    await call.write(image_pb2.UploadImageRequest(chunk=CAT[:300]))
    call.cancel()
    (record,) = await suite.wait_for_records(1)
    assert record.outcome == "CANCELLED"
    assert store.keys == []


async def test_the_spec_comes_first_and_once(suite: ImageSuite) -> None:
    spec = image_pb2.UploadImageRequest(spec=image_pb2.UploadSpec())
    piece = image_pb2.UploadImageRequest(chunk=CAT)
    for messages in ([], [piece], [spec, spec], [spec, piece, spec]):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await suite.stub.UploadImage(iter(messages))
        assert from_rpc_error(caught.value).reason is Reason.VALIDATION_ERROR


async def test_a_caller_can_delete_only_its_own_images(suite: ImageSuite, store: FakeObjectStore) -> None:
    image = await suite.generate("bob")
    assert (await catch_error(suite.delete(image.key))).reason is Reason.NOT_FOUND
    assert (await catch_error(suite.delete("users/bob/x.png"))).reason is Reason.PERMISSION_DENIED
    assert (await catch_error(suite.delete("images/gone.png"))).reason is Reason.NOT_FOUND
    await store.put("records/audio/alice/x.json", b"{}", ObjectSpec("application/json", {"owner": "alice"}))
    assert (await catch_error(suite.delete("records/audio/alice/x.json"))).reason is Reason.NOT_FOUND
    assert await suite.delete(image.key, "bob") == [image.key]
