"""Tests of cache and usage: a repeated request costs nothing on every route, and the caller's totals show it."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import orjson

from tests.e2e.conftest import Suite

TEXT = "This sentence is generated once and requested three times."


async def test_a_repeated_request_is_served_from_the_cache_on_every_route(suite: Suite) -> None:
    headers = {"Authorization": f"Bearer {suite.token('alice')}"}
    async with aiohttp.ClientSession(suite.url, headers=headers) as http:
        async with http.post("/api/speech/stream", json={"text": TEXT}) as response:
            assert response.headers["X-Media-Cache"] == "miss"
            first = await response.read()
        async with http.post("/api/speech", json={"text": TEXT}) as response:
            assert response.headers["X-Media-Cache"] == "hit"
            assert await response.read() == first
        async with http.post("/api/speech/timestamps", json={"text": TEXT}) as response:
            assert response.headers["X-Media-Cache"] == "hit"
            lines = [orjson.loads(line) async for line in response.content]
        usage = await _get_usage(http)
    assert b"".join(base64.b64decode(line["audioBase64"]) for line in lines[1:-1]) == first
    assert _join_characters(lines) == TEXT
    assert lines[-1]["done"]["cachedCharacters"] == len(TEXT)
    assert (usage["calls"], usage["cacheHits"], usage["characters"]) == (3, 2, 3 * len(TEXT))
    assert usage["savedCharacters"] == 2 * len(TEXT)


async def test_a_request_without_the_cache_is_generated_again(suite: Suite) -> None:
    headers = {"Authorization": f"Bearer {suite.token('bob')}"}
    async with aiohttp.ClientSession(suite.url, headers=headers) as http:
        for _ in range(2):
            async with http.post("/api/speech", json={"text": TEXT, "useCache": False}) as response:
                assert response.headers["X-Media-Cache"] == "bypass"
        usage = await _get_usage(http)
    assert (usage["calls"], usage["cacheHits"]) == (2, 0)


async def _get_usage(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get("/api/usage") as response:
        assert response.status == 200
        totals: dict[str, Any] = (await response.json())["totals"]
    return totals


def _join_characters(lines: list[dict[str, Any]]) -> str:
    return "".join(item for line in lines if "alignment" in line for item in line["alignment"]["characters"])
