"""Images through the edge: from a prompt to a file that opens, over HTTP and gRPC, and requests that are refused."""

from __future__ import annotations

import asyncio
import shutil
from io import BytesIO

import aiohttp
import grpc
import orjson
import pytest
from media.image.v1 import image_pb2, image_pb2_grpc
from PIL import Image

from services.common.rpc.channel import open_stream
from services.image.sizes import PRESETS
from tests.e2e.conftest import Suite

SERVICE = "media.image.v1.ImageService"
PROMPT = "A lighthouse at dusk"
GRPCURL = shutil.which("grpcurl")


async def generate_image(http: aiohttp.ClientSession, route: str = "generate", **body: object) -> dict[str, object]:
    async with http.post(f"/api/image/{route}", json={"prompt": PROMPT, **body}) as response:
        image: dict[str, object] = await response.json()
        assert response.status == 200, image
    return image


async def open_link(url: object) -> Image.Image:
    """Open the image behind a link, without a token."""
    async with aiohttp.ClientSession() as anonymous, anonymous.get(str(url)) as response:
        assert response.status == 200
        return Image.open(BytesIO(await response.read()))


@pytest.mark.parametrize("name", PRESETS)
async def test_every_named_size_has_its_pixels(http: aiohttp.ClientSession, name: str) -> None:
    image = await generate_image(http, "generate-fast", imageSize=name, output={"format": "jpeg"})
    assert (await open_link(image["imageUrl"])).size == (PRESETS[name].size.width, PRESETS[name].size.height)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
async def test_every_format_opens(http: aiohttp.ClientSession, kind: str) -> None:
    generated = await generate_image(http, imageSize="custom", width=321, height=123, output={"format": kind})
    image = await open_link(generated["imageUrl"])
    assert (image.format, image.size) == (kind.upper(), (321, 123))


async def test_a_repeated_request_is_served_from_the_cache(http: aiohttp.ClientSession) -> None:
    first = await generate_image(http, prompt="A harbour in the fog", seed=11)
    second = await generate_image(http, prompt="A harbour in the fog", seed=11)
    assert (first["cacheStatus"], second["cacheStatus"]) == ("miss", "hit")
    assert first["sha256"] == second["sha256"]


async def test_only_the_owner_of_an_upload_can_transform_read_and_delete_it(
    http: aiohttp.ClientSession, suite: Suite
) -> None:
    file = BytesIO()
    Image.new("RGB", (300, 200), "teal").save(file, "PNG")
    form = aiohttp.FormData()
    form.add_field("file", file.getvalue(), filename="teal.png", content_type="image/png")
    async with http.post("/api/image/upload", data=form) as response:
        uploaded = await response.json()
        assert response.status == 200, uploaded
    changed = await generate_image(http, "generate/transform", imageKey=uploaded["key"], strength=0.5)
    # The service keeps the shape of the source image, but models support certain sides only.
    width, height = (await open_link(changed["imageUrl"])).size
    assert abs(width / 300 - height / 200) < 0.1
    stranger = {"Authorization": f"Bearer {suite.token('mallory')}"}
    async with http.delete(f"/api/image/{uploaded['key']}", headers=stranger) as response:
        assert response.status == 404
    async with http.get(f"/media/{uploaded['key']}", headers=stranger) as response:
        assert response.status == 404
    async with http.get(f"/media/{uploaded['key']}") as response:
        assert response.status == 200
    async with http.delete(f"/api/image/{uploaded['key']}") as response:
        assert response.status == 200
    async with http.get(f"/media/{uploaded['key']}") as response:
        assert response.status == 404


async def upload_chunks(suite: Suite, query: str, pieces: int) -> tuple[bytes, bytes]:
    """Return head and body of the response to an upload, even if the suite did not read all of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", suite.port)

    async def send() -> None:
        writer.write(
            f"POST /api/image/upload{query} HTTP/1.1\r\nHost: suite\r\nTransfer-Encoding: chunked\r\n"
            f"Authorization: Bearer {suite.token()}\r\n\r\n".encode()
        )
        for _ in range(pieces):
            writer.write(b"40000\r\n" + bytes(0x40000) + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    sending = asyncio.create_task(send())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return head, await reader.readuntil(b"}}")
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()


@pytest.mark.parametrize(
    ("query", "pieces", "status", "code"),
    [
        ("?objectKey=users/mallory/x.png&format=png", 60, 403, "PERMISSION_DENIED"),
        ("?format=gif", 60, 400, "VALIDATION_ERROR"),
        ("", 120, 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_a_refusal_during_an_upload_carries_its_reason(
    suite: Suite, query: str, pieces: int, status: int, code: str
) -> None:
    # If a reason is lost, it is lost in some of the calls only.
    for _ in range(10):
        head, body = await upload_chunks(suite, query, pieces)
        assert head.startswith(f"HTTP/1.1 {status} ".encode()), body
        assert orjson.loads(body)["error"]["code"] == code


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("generate", {"prompt": ""}, "prompt"),
        ("generate-fast", {"numInferenceSteps": 0}, "numInferenceSteps"),
        ("generate-fast", {"numInferenceSteps": 13}, "numInferenceSteps"),
        ("generate/transform", {"imageUrl": "https://example.com/a.png", "strength": 1.01}, "strength"),
        ("generate/transform", {"imageUrl": "http://169.254.169.254/latest"}, "imageUrl"),
        ("generate/transform", {"imageUrl": "http://[::1]/a.png"}, "imageUrl"),
        ("generate", {"imageSize": "enormous"}, "imageSize"),
        ("generate", {"imageSize": "custom", "width": 14_143, "height": 64}, "width"),
        ("generate", {"output": {"objectKey": "../a.png"}}, "output.objectKey"),
    ],
)
async def test_an_error_names_the_invalid_field(
    http: aiohttp.ClientSession, route: str, body: dict[str, object], field: str
) -> None:
    async with http.post(f"/api/image/{route}", json={"prompt": PROMPT, **body}) as response:
        text = await response.text()
        assert 400 <= response.status < 500, text
        error = orjson.loads(text)["error"]
    assert field in [detail["field"] for detail in error["details"]], error


async def test_stored_speech_has_a_link_and_a_record(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech", json={"text": "This is stored.", "store": True}) as response:
        audio = await response.read()
        assert response.status == 200
        name, link = response.headers["X-Media-Id"], response.headers["X-Media-Url"]
    async with aiohttp.ClientSession() as anonymous, anonymous.get(link, headers={"Range": "bytes=0-9"}) as response:
        assert (response.status, await response.read()) == (206, audio[:10])
    async with http.get(f"/api/audio/{name}") as response:
        record = await response.json()
        assert (response.status, record["sizeBytes"]) == (200, len(audio)), record
    async with http.delete(f"/api/audio/{name}") as response:
        assert response.status == 200
    async with http.get(f"/api/audio/{name}") as response:
        assert response.status == 404


async def test_a_stub_uploads_and_gets_a_batch(suite: Suite) -> None:
    metadata = (("authorization", f"Bearer {suite.token()}"),)
    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    async with grpc.aio.insecure_channel(suite.target) as channel:
        stub: image_pb2_grpc.ImageServiceAsyncStub = image_pb2_grpc.ImageServiceStub(channel)
        async with open_stream(stub.UploadImage(metadata=metadata, timeout=20)) as upload:
            await upload.write(image_pb2.UploadImageRequest(spec=image_pb2.UploadSpec()))
            await upload.write(image_pb2.UploadImageRequest(chunk=file.getvalue()))
            await upload.done_writing()
            uploaded = (await upload).image
        assert (uploaded.width, uploaded.height, uploaded.content_type) == (64, 64, "image/png")
        requests = [image_pb2.GenerateImageRequest(prompt=f"Number {n}", image_size="thumbnail") for n in range(4)]
        items = [image_pb2.BatchImage(generate=request) for request in requests]
        call = stub.BatchGenerateImages(
            image_pb2.BatchGenerateImagesRequest(items=items), metadata=metadata, timeout=60
        )
        async with open_stream(call) as batch:
            events = [event async for event in batch]
    assert sorted(event.index for event in events) == [0, 1, 2, 3]
    assert {event.WhichOneof("outcome") for event in events} == {"image"}


if GRPCURL is not None:

    async def test_grpcurl_generates_an_image(suite: Suite) -> None:
        assert GRPCURL is not None
        process = await asyncio.create_subprocess_exec(
            *(GRPCURL, "-plaintext", "-H", f"authorization: Bearer {suite.token()}"),
            *("-d", '{"prompt": "A harbour", "image_size": "card"}', suite.target, f"{SERVICE}/GenerateImage"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        assert (await open_link(orjson.loads(output)["image"]["image_url"])).size == (512, 512)
