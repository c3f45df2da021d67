"""Tests of POST /debug/head: what the suite finds at a URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.common.storage import ObjectSpec, StorageSettings, open_object_store
from tests.fakes.gateway import run_gateway
from tests.fakes.web_host import WebHost, run_web_host


@pytest.fixture
async def host() -> AsyncIterator[WebHost]:
    async with run_web_host() as web_host:
        web_host.file("/cat.png", b"12345")
        web_host.redirect("/away", "/cat.png?token=secret")
        yield web_host


@pytest.fixture
async def http(host: WebHost) -> AsyncIterator[aiohttp.ClientSession]:
    async with run_gateway(fetch_allow=[f"127.0.0.1:{host.port}"]) as session:
        yield session


async def post_url(http: aiohttp.ClientSession, body: Any) -> tuple[int, Any]:
    async with http.post("/debug/head", json=body) as answer:
        return answer.status, await answer.json()


async def test_status_type_and_length_of_the_url_are_returned(http: aiohttp.ClientSession, host: WebHost) -> None:
    expected = {"success": True, "status": 200, "contentType": "image/png", "sizeBytes": 5, "url": host.url("/cat.png")}
    assert await post_url(http, {"url": host.url("/cat.png?token=secret")}) == (200, expected)
    assert await post_url(http, {"url": host.url("/away")}) == (200, expected)


async def test_an_error_status_of_the_url_is_returned(http: aiohttp.ClientSession, host: WebHost) -> None:
    status, body = await post_url(http, {"url": host.url("/gone")})
    assert (status, body["status"]) == (200, 404)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "http://169.254.169.254/"}, 400, "URL_FORBIDDEN"),
        ({"url": "http://localhost/"}, 400, "URL_FORBIDDEN"),
        ({"url": "nothing"}, 400, "VALIDATION_ERROR"),
        ({"url": ""}, 400, "VALIDATION_ERROR"),
        ({"url": 5}, 400, "VALIDATION_ERROR"),
        ({}, 400, "VALIDATION_ERROR"),
        ([], 400, "VALIDATION_ERROR"),
        ({"url": "http://example.com/", "depth": 1}, 400, "VALIDATION_ERROR"),
    ],
)
async def test_an_invalid_or_forbidden_url_is_refused(
    http: aiohttp.ClientSession, body: Any, status: int, code: str
) -> None:
    found_status, found_body = await post_url(http, body)
    assert (found_status, found_body["error"]["code"]) == (status, code)


async def test_a_link_of_the_suite_itself_is_answered_from_the_store(tmp_path: Path) -> None:
    # Nothing private may be fetched: the public address of the suite is a local one.
    storage = StorageSettings(storage="local", storage_dir=tmp_path, public_url="http://localhost:8080")
    async with open_object_store(storage) as store, run_gateway(storage=storage) as http:
        await store.put("images/a.png", b"12345", ObjectSpec("image/png", {"owner": "alice"}))
        link = (await store.url("images/a.png")).url
        path = link.partition("?")[0]
        expected = {"success": True, "status": 200, "contentType": "image/png", "sizeBytes": 5, "url": path}
        assert await post_url(http, {"url": link}) == (200, expected)
        await store.delete("images/a.png")
        status, body = await post_url(http, {"url": link})
        assert (status, body["status"]) == (200, 404)
        for wrong in (path, f"{link}0", (await store.url("images/a.png", lifetime_seconds=-1)).url):
            assert (await post_url(http, {"url": wrong}))[1]["error"]["code"] == "URL_FORBIDDEN"
