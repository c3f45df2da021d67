"""What the suite remembers: a second request costs nothing, on every route, and the caller's totals say so."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import orjson

from tests.e2e.conftest import Suite

TEXT = "This sentence is spoken once and heard three times."


async def test_a_second_request_is_answered_from_the_cache_on_every_route(suite: Suite) -> None:
    headers = {"Authorization": f"Bearer {suite.token('alice')}"}
    async with aiohttp.ClientSession(suite.url, headers=headers) as http:
        async with http.post("/api/speech/stream", json={"text": TEXT}) as answer:
            assert answer.headers["X-Media-Cache"] == "miss"
            first = await answer.read()
        async with http.post("/api/speech", json={"text": TEXT}) as answer:
            assert answer.headers["X-Media-Cache"] == "hit"
            assert await answer.read() == first
        async with http.post("/api/speech/timestamps", json={"text": TEXT}) as answer:
            assert answer.headers["X-Media-Cache"] == "hit"
            lines = [orjson.loads(line) async for line in answer.content]
        usage = await _usage(http)
    assert b"".join(base64.b64decode(line["audioBase64"]) for line in lines[1:-1]) == first
    assert "".join(_characters(lines)) == TEXT
    assert lines[-1]["done"]["cachedCharacters"] == len(TEXT)
    assert (usage["calls"], usage["cacheHits"], usage["characters"]) == (3, 2, 3 * len(TEXT))
    assert usage["savedCharacters"] == 2 * len(TEXT)


async def test_a_new_take_is_made_where_the_cache_is_refused(suite: Suite) -> None:
    headers = {"Authorization": f"Bearer {suite.token('bob')}"}
    async with aiohttp.ClientSession(suite.url, headers=headers) as http:
        for _ in range(2):
            async with http.post("/api/speech", json={"text": TEXT, "useCache": False}) as answer:
                assert answer.headers["X-Media-Cache"] == "bypass"
        usage = await _usage(http)
    assert (usage["calls"], usage["cacheHits"]) == (2, 0)


async def _usage(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get("/api/usage") as answer:
        assert answer.status == 200
        totals: dict[str, Any] = (await answer.json())["totals"]
    return totals


def _characters(lines: list[dict[str, Any]]) -> list[str]:
    return [item for line in lines if "alignment" in line for item in line["alignment"]["characters"]]
