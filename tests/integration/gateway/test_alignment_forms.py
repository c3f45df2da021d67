"""Tests of both forms of timing over HTTP: streamed, stored and converted."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.fakes.speech import FakeSpeechProvider
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.test_speech import FIRST, REQUEST, SECOND

PATH = "/api/speech/alignment/convert"
NORMALIZED = {
    "characters": ["H", "e"],
    "character_start_times_seconds": [0.0, 0.1],
    "character_end_times_seconds": [0.1, 0.2],
}
RAW = {"characters": [{"char": "H", "start": 0.0, "end": 0.1}, {"char": "e", "start": 0.1, "end": 0.2}]}


@pytest.mark.parametrize(
    ("query", "fields"),
    [("?alignmentForm=raw", {}), ("?alignment_form=Raw", {}), ("", {"alignmentForm": "raw"})],
)
async def test_streamed_timing_can_be_raw(gateway: Gateway, query: str, fields: dict[str, str]) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with (
        gateway(engine) as http,
        http.post(f"/api/speech/timestamps{query}", json={**REQUEST, **fields}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        lines = [orjson.loads(line) async for line in answer.content]
    assert lines[1]["alignment"] == {
        "characters": [{"char": "H", "start": 0.0, "end": 0.1}, {"char": "i", "start": 0.1, "end": 0.2}]
    }
    assert lines[-1]["done"]["words"][0]["startSeconds"] == 0.0


async def test_an_unknown_form_is_refused(gateway: Gateway) -> None:
    async with (
        gateway(FakeSpeechProvider(FIRST)) as http,
        http.post("/api/speech/timestamps?alignmentForm=flat", json=REQUEST) as answer,
    ):
        assert answer.status == 400
        details = (await answer.json())["error"]["details"]
    assert details == [{"field": "alignmentForm", "description": "must be one of normalized, raw"}]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"alignment": NORMALIZED}, {"success": True, "raw": RAW}),
        ({"raw": RAW}, {"success": True, "alignment": NORMALIZED}),
        ({"alignment": {}}, {"success": True, "raw": {"characters": []}}),
        (
            {"raw": {"characters": []}},
            {"success": True, "alignment": {name: [] for name in NORMALIZED}},
        ),
    ],
)
async def test_timing_is_converted_both_ways(gateway: Gateway, body: dict[str, Any], wanted: dict[str, Any]) -> None:
    async with gateway(FakeSpeechProvider()) as http, http.post(PATH, json=body) as answer:
        assert (answer.status, await answer.json()) == (200, wanted)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "form"),
        ({"alignment": NORMALIZED, "raw": RAW}, "raw"),
        ({"alignment": {**NORMALIZED, "characters": ["H"]}}, "alignment"),
        ({"alignment": {**NORMALIZED, "character_start_times_seconds": [0.1, 0.0]}}, "alignment"),
        ({"alignment": {**NORMALIZED, "character_start_times_seconds": [0.0, 0.5]}}, "alignment"),
        ({"raw": {"characters": [{"char": "H", "start": -1, "end": 0.1}]}}, "raw"),
        ({"raw": {"characters": [{"char": "H", "start": 0.2, "end": 0.1}]}}, "raw"),
        ({"raw": {"characters": [{"char": "H", "start": "0", "end": 0.1}]}}, "raw.characters[0].start"),
    ],
)
async def test_wrong_timing_is_refused(gateway: Gateway, body: dict[str, Any], field: str) -> None:
    async with gateway(FakeSpeechProvider()) as http, http.post(PATH, json=body) as answer:
        assert (answer.status, (await answer.json())["error"]["details"][0]["field"]) == (400, field)
