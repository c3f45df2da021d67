"""Tests of GET /api/usage, from HTTP to an SQLite file and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.common.usage import RecorderOptions, UsageRecorder, open_usage
from tests.fakes.gateway import run_gateway
from tests.fakes.usage import NOON, make_usage_record, serve_usage

NOTHING = {
    "calls": 0,
    "unfinishedCalls": 0,
    "characters": 0,
    "providerCostUnits": 0,
    "cacheHits": 0,
    "joinedCalls": 0,
    "savedCharacters": 0,
    "savedCostUnits": 0,
}


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[UsageRecorder]:
    # The records of these tests are old, and must not expire.
    async with open_usage("", tmp_path / "media.sqlite", RecorderOptions(retention_days=100_000)) as usage_recorder:
        yield usage_recorder


@pytest.fixture
async def http(recorder: UsageRecorder) -> AsyncIterator[aiohttp.ClientSession]:
    async with serve_usage(recorder) as service, run_gateway(tts=service.channel) as session:
        yield session


async def get_usage(http: aiohttp.ClientSession, principal: str, /, **span: str) -> tuple[int, Any]:
    """Request the usage of `principal`, and return status and body."""
    async with http.get("/api/usage", params=span, headers={"X-Media-Principal": principal}) as answer:
        return answer.status, await answer.json()


async def test_days_and_totals_are_json_numbers(http: aiohttp.ClientSession, recorder: UsageRecorder) -> None:
    recorder.record(make_usage_record(characters=2**53 + 1, cost_units=3))
    recorder.record(make_usage_record(cache_status="hit", cached_characters=10, saved_cost_units=4))
    totals = NOTHING | {
        "calls": 2,
        "characters": 2**53 + 11,
        "providerCostUnits": 3,
        "cacheHits": 1,
        "savedCharacters": 10,
        "savedCostUnits": 4,
    }
    expected = {"success": True, "days": [{"date": "2026-01-31", "totals": totals}], "totals": totals}
    assert await get_usage(http, "alice") == (200, expected)


async def test_a_caller_sees_only_its_own_usage(http: aiohttp.ClientSession, recorder: UsageRecorder) -> None:
    for _ in range(3):
        recorder.record(make_usage_record(principal="bob"))
    assert await get_usage(http, "alice") == (200, {"success": True, "days": [], "totals": NOTHING})
    recorder.record(make_usage_record(principal="alice"))
    for principal, calls in (("alice", 1), ("bob", 3), ("", 0), ("ALICE", 0)):
        assert (await get_usage(http, principal))[1]["totals"]["calls"] == calls


async def test_a_caller_cannot_read_the_usage_of_another(http: aiohttp.ClientSession, recorder: UsageRecorder) -> None:
    recorder.record(make_usage_record(principal="bob"))
    for name in ("principal", "user"):
        status, body = await get_usage(http, "alice", **{name: "bob"})
        assert (status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert body["error"]["details"][0]["field"] == name


@pytest.mark.parametrize("names", [("startDate", "endDate"), ("start_date", "end_date")])
async def test_a_request_may_name_a_range_of_days(
    http: aiohttp.ClientSession, recorder: UsageRecorder, names: tuple[str, str]
) -> None:
    for age in range(4):
        recorder.record(make_usage_record(at=NOON - timedelta(days=age)))
    status, body = await get_usage(http, "alice", **dict(zip(names, ("2026-01-29", "2026-01-30"), strict=True)))
    assert status == 200
    assert [day["date"] for day in body["days"]] == ["2026-01-30", "2026-01-29"]
    assert body["totals"]["calls"] == 2


@pytest.mark.parametrize(
    ("span", "field"),
    [
        ({"startDate": "2026-02-30"}, "startDate"),
        ({"endDate": "tomorrow"}, "endDate"),
        ({"startDate": "2024-01-01"}, "endDate"),
        ({"startDate": "2026-01-02", "endDate": "2026-01-01"}, "startDate"),
        ({"days": "3"}, "days"),
    ],
)
async def test_a_wrong_range_of_days_is_named(http: aiohttp.ClientSession, span: dict[str, str], field: str) -> None:
    status, body = await get_usage(http, "alice", **span)
    assert (status, body["success"], body["error"]["code"]) == (400, False, "VALIDATION_ERROR")
    assert [item["field"] for item in body["error"]["details"]] == [field]


async def test_usage_allows_only_reads(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/usage", json={}) as answer:
        assert answer.status == 405
    async with http.head("/api/usage") as answer:
        assert answer.status == 200
