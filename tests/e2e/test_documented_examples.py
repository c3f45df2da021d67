"""Tests that every example of the OpenAPI document succeeds on a fresh suite, as the page for people sends it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson
import pytest

from gateway import OPENAPI_FILE
from gateway.openapi.example_files import PNG

JSON = "application/json"
FOR_OTHERS = frozenset({"receiveReplicateWebhook"})
"""Operations that only a provider can call: their requests need its signature."""


NOT_FRESH = frozenset({"retryJob"})
"""Operations on something that no fresh suite has, such as a failed job; other tests send their requests."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request of the document."""

    operation: str
    path: str
    title: str
    body: dict[str, Any]


def list_operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in orjson.loads(OPENAPI_FILE.read_bytes())["paths"].items():
        for operation in methods.values():
            if "requestBody" in operation:
                yield path, operation


def list_examples() -> Iterator[Example]:
    for path, operation in list_operations():
        media = operation["requestBody"]["content"].get(JSON, {})
        for title, example in media.get("examples", {}).items():
            yield Example(operation["operationId"], path, title, example["value"])


def test_every_operation_with_a_json_body_has_an_example() -> None:
    missing = {
        operation["operationId"]
        for _, operation in list_operations()
        if JSON in operation["requestBody"]["content"] and not operation["requestBody"]["content"][JSON].get("examples")
    }
    assert missing == FOR_OTHERS


@pytest.mark.parametrize(
    "example",
    [example for example in list_examples() if example.operation not in NOT_FRESH],
    ids=lambda example: f"{example.operation}-{example.title}",
)
async def test_the_example_succeeds(http: aiohttp.ClientSession, example: Example) -> None:
    ready = await fill_in(http, example)
    async with http.post(ready.path, json=ready.body) as response:
        body = await response.read()
        assert response.status == 200, body
        assert body
        if response.content_type == "application/x-ndjson":
            assert "error" not in orjson.loads(body.splitlines()[-1])


async def fill_in(http: aiohttp.ClientSession, example: Example) -> Example:
    """Return the example with a job, a video or a URL that exists, where it needs one."""
    if example.operation == "headUrl":
        # The address in the example is on the Internet, which the tests do not have.
        async with http.post("/api/image/generate", json={"prompt": "A page"}) as response:
            return replace(example, body={"url": (await response.json())["imageUrl"]})
    if "{id}" in example.path:
        async with http.post("/api/jobs", json={"headline": {"headline": "A job"}}) as response:
            return replace(example, path=example.path.replace("{id}", (await response.json())["id"]))
    if example.operation in ("resumeVideo", "cancelVideo"):
        (generation,) = (item for item in list_examples() if item.operation == "generateVideo")
        async with http.post(generation.path, json=generation.body) as response:
            prediction_id = orjson.loads((await response.read()).splitlines()[-1])["video"]["predictionId"]
        if "predictionId" in example.body:
            return replace(example, body={"predictionId": prediction_id})
    return example


async def test_the_uploaded_file_of_the_examples_is_stored(http: aiohttp.ClientSession) -> None:
    data = base64.b64decode(PNG)
    async with http.post("/api/image/upload", data=data, headers={"Content-Type": "image/png"}) as response:
        assert (await response.json())["contentType"] == "image/png"
    form = aiohttp.FormData()
    form.add_field("file", data, filename="ball.png", content_type="image/png")
    async with http.post("/api/image/upload", data=form) as response:
        assert response.status == 200


async def test_the_address_of_the_suite_leads_to_the_page(http: aiohttp.ClientSession) -> None:
    async with http.get("/", headers={"Accept": "text/html"}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/docs")
    async with http.get("/") as response:
        assert (response.status, response.content_type, response.url.path) == (200, "text/html", "/docs")
