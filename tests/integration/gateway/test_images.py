"""Tests of images over HTTP: fields, uploads, batches."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import orjson
import pytest
from media.image.v1 import image_pb2_grpc
from PIL import ExifTags, Image
from prometheus_client import CollectorRegistry

from services.common.errors import MediaError, Reason
from services.common.fetch import open_fetcher
from services.common.images import Size
from services.common.storage import StorageSettings, open_object_store
from services.common.worker_pool import WorkerPool
from services.image.accounting import Accounting
from services.image.metrics import ImageMetrics
from services.image.server import Dependencies, build_service
from services.image.service import SERVICE_NAME
from services.image.settings import ImageSettings
from services.image.sizes import PRESETS
from tests.fakes.gateway import run_gateway
from tests.fakes.grpc_server import run_test_server
from tests.fakes.image_provider import FakeImageProvider, make_image
from tests.fakes.profiles import encode_file
from tests.fakes.records import build_records
from tests.integration.image.conftest import pool, workers

__all__ = ["pool", "workers"]

ALICE = {"X-Media-Principal": "alice"}
BOB = {"x-media-principal": "bob"}
CAT = make_image(Size(300, 200), "red")
HUGE_SEED = 2**64 - 1


@pytest.fixture
def provider() -> FakeImageProvider:
    return FakeImageProvider()


@pytest.fixture
async def http(
    provider: FakeImageProvider, workers: WorkerPool, tmp_path: Path
) -> AsyncIterator[aiohttp.ClientSession]:
    storage = StorageSettings(storage="local", storage_dir=tmp_path, public_url="http://suite.example")
    settings = ImageSettings(_env_file=None, default_provider="fal")
    accounting = Accounting(None, ImageMetrics(CollectorRegistry()))
    async with (
        open_object_store(storage) as store,
        open_fetcher() as fetcher,
        build_service(
            settings, {"fal": provider}, Dependencies(store, build_records(), fetcher, workers), None, accounting
        ) as servicer,
    ):

        def register(server: grpc.aio.Server) -> list[str]:
            image_pb2_grpc.add_ImageServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        async with (
            run_test_server(register) as image,
            run_gateway(image=image.channel, storage=storage, max_body_bytes=16 * 1024) as session,
        ):
            yield session


async def send(
    http: aiohttp.ClientSession, path: str, body: Any, method: str = "POST", headers: dict[str, str] = ALICE
) -> tuple[int, Any]:
    async with http.request(method, path, json=body, headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read())


async def test_an_image_has_its_fields(http: aiohttp.ClientSession) -> None:
    status, body = await send(
        http, "/api/image/generate", {"prompt": "a cat", "image_size": "square", "seed": HUGE_SEED}
    )
    assert (status, body["success"]) == (200, True)
    assert (body["width"], body["height"], body["seed"], body["prompt"]) == (512, 512, HUGE_SEED, "a cat")
    assert (body["model"], body["fromCache"], bool(body["requestId"])) == ("flux-dev", False, True)
    assert body["imageUrl"].startswith("http://suite.example/media/images/")


@pytest.mark.parametrize("path", ["/api/image/generate", "/api/image/generate-fast"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "a cat", "imageSize": "huge"}, "imageSize"),
        ({"prompt": "a cat", "numInferenceSteps": 0}, "numInferenceSteps"),
        ({"prompt": "a cat", "colour": "red"}, "colour"),
        ({"prompt": "a cat", "seed": 2**64}, "seed"),
    ],
)
async def test_a_wrong_field_of_an_image_is_named(
    http: aiohttp.ClientSession, path: str, body: Any, field: str
) -> None:
    status, answer = await send(http, path, body)
    assert (status, answer["success"], answer["error"]["code"]) == (400, False, "VALIDATION_ERROR")
    assert [detail["field"] for detail in answer["error"]["details"]] == [field]


async def test_the_sizes_are_listed_by_name(http: aiohttp.ClientSession) -> None:
    status, body = await send(http, "/api/image/sizes", None, "GET")
    assert status == 200
    assert body["sizes"]["square_hd"] == {"width": 1024, "height": 1024, "description": "Square HD"}
    assert body["sizes"].keys() == {*PRESETS, "custom"}


async def test_the_styles_are_listed_with_their_words(http: aiohttp.ClientSession) -> None:
    status, body = await send(http, "/api/image/styles", None, "GET")
    assert status == 200
    assert body["themes"][0] == {"theme": "realistic", "words": "photorealistic, natural light, fine detail"}
    assert {"goal": ["moment"], "headline": []}.items() <= {
        template["name"]: template["fields"] for template in body["templates"]
    }.items()


async def test_only_a_body_that_may_contain_an_image_may_be_large(http: aiohttp.ClientSession) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(CAT + bytes(100_000)).decode()}"
    status, body = await send(http, "/api/image/generate/transform", {"prompt": "in fog", "imageUrl": uri})
    assert (status, body["model"], body["width"]) == (200, "flux-dev-i2i", 300)
    status, body = await send(http, "/api/image/generate", {"prompt": "a" * 20_000})
    assert (status, body["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_file_is_accepted_as_the_body_or_in_a_form(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/image/upload?format=webp", data=CAT, headers=ALICE) as answer:
        raw = await answer.json()
    assert (answer.status, raw["contentType"], raw["width"]) == (200, "image/webp", 300)
    form = aiohttp.FormData()
    form.add_field("note", "first")
    form.add_field("file", BytesIO(CAT), filename="cat.gif", content_type="image/gif")
    async with http.post("/api/image/upload?objectKey=users/alice/cat.png", data=form, headers=ALICE) as answer:
        assert (answer.status, (await answer.json())["key"]) == (200, "users/alice/cat.png")
    again = "/api/image/upload?object_key=users/alice/cat.png&overwrite=true"
    async with http.post(again, data=CAT, headers=ALICE) as answer:
        assert (answer.status, (await answer.json())["key"]) == (200, "users/alice/cat.png")


async def test_a_photo_of_a_phone_is_stored_upright_and_reduced(http: aiohttp.ClientSession) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    large = encode_file(Image.new("RGB", (6000, 4000), "red"), "JPEG", exif=exif.tobytes())
    async with http.post("/api/image/upload", data=BytesIO(large), headers=ALICE) as answer:
        raw = await answer.json()
    assert (answer.status, raw["contentType"], raw["width"], raw["height"]) == (200, "image/jpeg", 3651, 5477)
    heic = encode_file(Image.new("RGB", (60, 40), "red"), "HEIF", exif=exif.tobytes())
    async with http.post("/api/image/upload", data=BytesIO(heic), headers=ALICE) as answer:
        raw = await answer.json()
    assert (answer.status, raw["contentType"], raw["width"], raw["height"]) == (200, "image/jpeg", 40, 60)
    assert raw["key"].endswith(".jpg")


async def test_a_data_uri_is_taken_in_lines(http: aiohttp.ClientSession) -> None:
    uri = f"data:;charset=utf-8;BASE64,{base64.encodebytes(CAT).decode()}"
    status, body = await send(http, "/api/image/generate/transform", {"prompt": "in fog", "imageUrl": uri})
    assert (status, body["width"]) == (200, 300)


async def yield_chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("query", "data", "status", "code"),
    [
        ("", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "MEDIA_INVALID"),
        ("", CAT[:300], 422, "MEDIA_INVALID"),
        ("", b"", 422, "MEDIA_INVALID"),
        ("", bytes(20 * 1024 * 1024 + 1), 413, "PAYLOAD_TOO_LARGE"),
        ("?format=gif", CAT, 400, "VALIDATION_ERROR"),
        ("?colour=red", CAT, 400, "VALIDATION_ERROR"),
        ("?overwrite=yes", CAT, 400, "VALIDATION_ERROR"),
        ("?format=png&format=png", CAT, 400, "VALIDATION_ERROR"),
        ("?objectKey=users/bob/x.png", CAT, 403, "PERMISSION_DENIED"),
    ],
)
async def test_an_invalid_upload_is_refused_with_its_reason(
    http: aiohttp.ClientSession, query: str, data: bytes, status: int, code: str
) -> None:
    async with http.post(f"/api/image/upload{query}", data=BytesIO(data), headers=ALICE) as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["code"]) == (status, code)


async def test_an_upload_without_a_length_is_limited_while_it_arrives(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/image/upload", data=yield_chunks(*[bytes(1024 * 1024)] * 22), headers=ALICE) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    async with http.post("/api/image/upload", data=yield_chunks(CAT[:100], CAT[100:]), headers=ALICE) as answer:
        assert answer.status == 200


async def test_a_form_without_a_file_is_refused(http: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData()
    form.add_field("image", BytesIO(CAT), filename="cat.png")
    async with http.post("/api/image/upload", data=form, headers=ALICE) as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["details"][0]["field"]) == (400, "file")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("multipart/form-data", CAT),
        ("multipart/form-data; boundary=x", CAT),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Type: multipart/mixed\r\n\r\na\r\n--x--"),
        ("multipart/form-data; boundary=" + "x" * 99, CAT),
    ],
)
async def test_a_malformed_form_is_a_validation_error(http: aiohttp.ClientSession, kind: str, data: bytes) -> None:
    async with http.post("/api/image/upload", data=data, headers={**ALICE, "Content-Type": kind}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_an_image_is_deleted_by_its_key(http: aiohttp.ClientSession) -> None:
    _, image = await send(http, "/api/image/generate", {"prompt": "a cat"})
    path = f"/api/image/{image['key']}"
    assert (await send(http, path, None, "DELETE", {"X-Media-Principal": "bob"}))[0] == 404
    assert await send(http, path, None, "DELETE") == (200, {"success": True, "deletedKeys": [image["key"]]})
    assert (await send(http, path, None, "DELETE"))[0] == 404


async def test_a_batch_is_answered_line_by_line(http: aiohttp.ClientSession, provider: FakeImageProvider) -> None:
    provider.outcomes.append(MediaError(Reason.CONTENT_BLOCKED))
    items = [{"generate": {"prompt": "a"}}, {"generateFast": {"prompt": "b", "imageSize": "card"}}]
    async with http.post("/api/image/batch", json={"items": items, "parallelism": 1}, headers=ALICE) as answer:
        lines = [orjson.loads(line) async for line in answer.content]
        assert answer.content_type == "application/x-ndjson"
    assert lines[0] == {"index": 0, "failure": lines[0]["failure"]}
    assert lines[0]["failure"]["reason"] == "CONTENT_BLOCKED"
    assert (lines[1]["index"], lines[1]["image"]["prompt"]) == (1, "b")
    assert lines[2] == {"done": {"images": 1, "failures": 1}}


async def test_a_batch_with_bad_input_is_an_error_with_a_status(http: aiohttp.ClientSession) -> None:
    status, body = await send(http, "/api/image/batch", {"items": [{"generate": {"prompt": ""}}]})
    assert (status, body["error"]["details"][0]["field"]) == (400, "items[0].generate.prompt")


async def test_an_image_can_be_downloaded_from_its_url(http: aiohttp.ClientSession) -> None:
    _, image = await send(http, "/api/image/generate", {"prompt": "a cat", "output": {"format": "png"}})
    link = image["imageUrl"].removeprefix("http://suite.example")
    async with http.get(link) as answer:
        with Image.open(BytesIO(await answer.read())) as image:
            assert (answer.status, image.size) == (200, (1024, 768))


async def test_a_stored_image_is_described_and_listed(http: aiohttp.ClientSession) -> None:
    keys = [(await send(http, "/api/image/generate", {"prompt": "a cat"}))[1]["key"] for _ in range(2)]
    status, found = await send(http, f"/api/image/{keys[0]}", None, "GET")
    assert status == 200
    assert (found["success"], found["key"], found["prompt"]) == (True, keys[0], "a cat")
    assert found["url"].startswith("http://suite.example/media/images/")
    assert {"urlExpireTime", "createTime", "sizeBytes", "contentType", "metadata", "width", "height"} <= found.keys()
    first = (await send(http, "/api/image?pageSize=1", None, "GET"))[1]
    second = (await send(http, f"/api/image?pageSize=1&pageToken={first['nextPageToken']}", None, "GET"))[1]
    assert {image["key"] for page in (first, second) for image in page["images"]} == set(keys)
    assert second["nextPageToken"] == ""
    assert (await send(http, f"/api/image/{keys[0]}", None, "GET", BOB))[0] == 404
    assert (await send(http, "/api/image", None, "GET", BOB))[1]["images"] == []
    # A route of its own, not the image with this key.
    assert "sizes" in (await send(http, "/api/image/sizes", None, "GET"))[1]


@pytest.mark.parametrize("query", ["pageSize=101", "pageSize=-1", "pageSize=x", "pageToken=x", "page=2"])
async def test_a_wrong_page_is_refused_with_its_field(http: aiohttp.ClientSession, query: str) -> None:
    status, body = await send(http, f"/api/image?{query}", None, "GET")
    assert status == 400
    assert query.partition("=")[0] in body["error"]["message"]
