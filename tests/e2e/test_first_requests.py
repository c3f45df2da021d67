"""Tests of the requests that newcomers send first: each works as it is written, or its error names what is right."""

from __future__ import annotations

from typing import Any

import aiohttp
import grpc
import pytest
from media.image.v1 import image_pb2, image_pb2_grpc

from tests.e2e.conftest import Suite
from tests.e2e.first_requests import HINTED, WORKS, Hinted, Works


@pytest.mark.parametrize("request_", WORKS.values(), ids=WORKS)
async def test_the_request_works(http: aiohttp.ClientSession, request_: Works) -> None:
    async with http.post(request_.path, json=request_.body) as response:
        body = await response.read()
        assert (response.status, response.content_type) == (request_.status, request_.content_type), body
        if request_.contains:
            found: dict[str, Any] = await response.json()
            assert {name: found[name] for name in request_.contains} == request_.contains


@pytest.mark.parametrize("request_", HINTED.values(), ids=HINTED)
async def test_the_error_names_what_is_right(http: aiohttp.ClientSession, request_: Hinted) -> None:
    async with http.post(request_.path, json=request_.body) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "VALIDATION_ERROR")
    found = {item["field"]: item["description"] for item in error["details"]}
    assert {name: hint in found.get(name, "") for name, hint in request_.hints.items()} == dict.fromkeys(
        request_.hints, True
    ), found


async def test_a_stored_image_is_transformed_and_deleted_by_its_key(http: aiohttp.ClientSession) -> None:
    key = "portfolios/existing_image.png"
    async with http.post("/api/image/generate", json={"prompt": "A tree", "objectKey": key}) as response:
        assert response.status == 200, await response.text()
        data_uri_source = (await response.json())["preview"]
    async with http.get(f"/media/users/tests/{key}") as response:
        file = await response.read()
    body: dict[str, Any] = {"prompt": "In snow", "image_key": key, "strength": 0.75, "image_size": "square"}
    async with http.post("/api/image/generate/transform", json=body) as response:
        assert response.status == 200, await response.text()
    body = {"prompt": "In snow", "imageUrl": data_uri_source}
    async with http.post("/api/image/generate/transform", json=body) as response:
        assert response.status == 200, await response.text()
    async with http.delete(f"/api/image/{key}") as response:
        assert (await response.json())["deletedKeys"] == [f"users/tests/{key}"]
    async with http.post("/api/image/upload", params={"objectKey": key, "format": "JPG"}, data=file) as response:
        assert response.status == 400
    async with http.post("/api/image/upload", params={"objectKey": key}, data=file) as response:
        assert (await response.json())["key"] == f"users/tests/{key}"


async def test_a_key_is_below_the_prefix_of_its_caller_over_grpc(suite: Suite) -> None:
    output = image_pb2.ImageOutput(object_key="goals/retirement/user_124.png")
    request = image_pb2.GenerateImageRequest(prompt="A goal", image_size="card", output=output)
    async with grpc.aio.insecure_channel(suite.target) as channel:
        stub: image_pb2_grpc.ImageServiceAsyncStub = image_pb2_grpc.ImageServiceStub(channel)
        metadata = (("authorization", f"Bearer {suite.token()}"),)
        image = (await stub.GenerateImage(request, metadata=metadata, timeout=60)).image
    assert (image.key, image.content_type) == ("users/tests/goals/retirement/user_124.png", "image/png")


@pytest.mark.parametrize("names", [("image_url", "voice_id"), ("imageUrl", "voiceId"), ("imageUrl", "voice")])
async def test_the_waiting_routes_take_both_spellings(http: aiohttp.ClientSession, names: tuple[str, str]) -> None:
    image, voice = names
    body = {
        image: "https://example.com/pet.jpg",
        "prompt": "The pet talks",
        "seconds": 6,
        "resolution": "768p",
        "text": "Good morning!",
        voice: "Aria",
    }
    async with http.post("/jobs_prompt_tts", json=body, headers={"Prefer": "respond-async"}) as response:
        assert response.status == 202, await response.text()
        job = await response.json()
    async with http.post(f"/api/jobs/{job['job_id']}/cancel", json={}) as response:
        assert (await response.json())["kind"] == "talking_video"


async def test_an_address_is_inspected(http: aiohttp.ClientSession) -> None:
    async with http.post("/debug/head", json={"url": "http://127.0.0.1:1/"}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "URL_FORBIDDEN")


async def test_the_voices_and_sizes_are_listed_and_health_is_true(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/image/sizes") as response:
        sizes = (await response.json())["sizes"]
    assert {"square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"} <= sizes.keys()
    async with http.get("/api/voices") as response:
        assert (await response.json())["voices"]
    async with http.get("/health") as response:
        assert await response.json() == {"ok": True}


async def test_stored_timing_can_be_raw(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech", json={"text": "Hello, world!", "voiceId": "Aria", "store": True}) as response:
        audio_id = response.headers["X-Media-Id"]
    async with http.get(f"/api/audio/{audio_id}") as response:
        normalized = (await response.json())["alignment"]
    async with http.get(f"/api/audio/{audio_id}", params={"alignmentForm": "raw"}) as response:
        raw = (await response.json())["alignment"]
    assert [item["char"] for item in raw["characters"]] == normalized["characters"] == list("Hello, world!")
    async with http.post("/api/speech/alignment/convert", json={"alignment": normalized}) as response:
        assert (await response.json())["raw"] == raw
