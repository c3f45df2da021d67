"""Tests of links to speech: paid once, streamed while it is produced, a file with ranges afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from services.common.errors import MediaError, Reason
from services.common.storage import StorageSettings, open_object_store, read_all
from services.tts.providers.interface import AudioChunk
from tests.fakes.gateway import run_gateway
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import build_servicer, serve_speech
from tests.integration.gateway.conftest import Gateway

FIRST, SECOND = AudioChunk(b"\x01\x02" * 3200), AudioChunk(b"\x03\x04" * 1600)
AUDIO = FIRST.audio + SECOND.audio
REQUEST = {"text": "Hi!", "outputFormat": "pcm_16000"}
ALICE = {"X-Media-Principal": "auth0|alice"}


async def request_link(http: aiohttp.ClientSession, **more: object) -> URL:
    """Request a link and return its path with the query."""
    async with http.post("/api/speech?link=1", json={**REQUEST, **more}, headers=ALICE) as answer:
        found = await answer.json()
        assert answer.status == 201, found
        assert answer.headers["Location"] == found["url"]
        assert found["urlExpireTime"].endswith("Z")
    link = URL(found["url"], encoded=True)
    assert str(link.origin()) == "http://localhost:8080"
    return link.relative()


async def wait_for_file(http: aiohttp.ClientSession, link: URL) -> None:
    """Wait until the speech is stored: a part of it needs its length."""
    async with http.get(link, headers={"Range": "bytes=1-1"}) as answer:
        assert answer.status == 206


async def test_nothing_is_paid_before_the_link_is_fetched(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with gateway(engine) as http:
        link = await request_link(http)
        assert engine.specs == []
        async with http.get(link) as answer:
            assert await answer.read() == AUDIO
    assert len(engine.specs) == 1


async def test_speech_is_streamed_while_it_is_produced_and_paid_once(gateway: Gateway) -> None:
    more = asyncio.Event()
    engine = FakeSpeechProvider(FIRST, more, SECOND)
    async with gateway(engine) as http:
        link = await request_link(http)
        # Chromium asks for all of it as a range.
        async with http.get(link, headers={"Range": "bytes=0-"}) as first, http.get(link) as second:
            for answer in (first, second):
                assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked")
                assert answer.headers["Content-Type"] == "audio/pcm;rate=16000;channels=1"
                assert answer.headers["Cache-Control"] == "no-store"
                assert "Accept-Ranges" not in answer.headers
                assert await answer.content.readexactly(len(FIRST.audio)) == FIRST.audio
            more.set()
            assert await first.content.read() == await second.content.read() == SECOND.audio
        async with http.get(link) as third:
            assert await third.read() == AUDIO
    assert len(engine.specs) == 1


async def test_finished_speech_is_a_file_with_ranges_until_the_link_expires(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with gateway(engine) as http:
        link = await request_link(http)
        await wait_for_file(http, link)
        async with http.get(link) as whole:
            assert (whole.status, whole.headers["Content-Length"]) == (200, str(len(AUDIO)))
            assert whole.headers["Accept-Ranges"] == "bytes"
            visibility, age = whole.headers["Cache-Control"].split(", ")
            assert visibility == "private"
            assert 86_300 < int(age.removeprefix("max-age=")) <= 86_400
            etag = whole.headers["ETag"]
        async with http.get(link, headers={"Range": "bytes=6400-6403", "If-Range": etag}) as part:
            assert (part.status, await part.read()) == (206, b"\x03\x04\x03\x04")
            assert part.headers["Content-Range"] == f"bytes 6400-6403/{len(AUDIO)}"
        async with http.get(link, headers={"Range": "bytes=-2"}) as end:
            assert (end.status, await end.read()) == (206, b"\x03\x04")
        async with http.get(link, headers={"If-None-Match": etag}) as unchanged:
            assert unchanged.status == 304
    assert len(engine.specs) == 1


async def test_a_part_waits_for_the_length(gateway: Gateway) -> None:
    more = asyncio.Event()
    engine = FakeSpeechProvider(FIRST, more, SECOND)
    async with gateway(engine) as http:
        link = await request_link(http)
        async with http.get(link) as whole:
            assert await whole.content.readexactly(1) == b"\x01"
            part = asyncio.ensure_future(http.get(link, headers={"Range": "bytes=0-1"}))
            more.set()
            async with await part as answer:
                assert (answer.status, await answer.read()) == (206, b"\x01\x02")
                assert answer.headers["Content-Range"] == f"bytes 0-1/{len(AUDIO)}"
    assert len(engine.specs) == 1


async def test_a_reader_that_leaves_does_not_end_the_production(gateway: Gateway) -> None:
    more = asyncio.Event()
    engine = FakeSpeechProvider(FIRST, more, SECOND)
    async with gateway(engine) as http:
        link = await request_link(http)
        async with http.get(link) as answer:
            await answer.content.readexactly(1)
        more.set()
        async with http.get(link) as answer:
            assert await answer.read() == AUDIO
    assert len(engine.specs) == 1


async def test_a_failed_production_is_an_error_and_the_next_request_tries_again(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST, refusals=[MediaError(Reason.CONTENT_BLOCKED)])
    async with gateway(engine) as http:
        link = await request_link(http)
        async with http.get(link) as answer:
            assert answer.status == 422
            assert (await answer.json())["error"]["code"] == "CONTENT_BLOCKED"
        async with http.get(link) as answer:
            assert await answer.read() == FIRST.audio


async def test_a_cut_production_has_no_end_and_no_file(gateway: Gateway) -> None:
    more = asyncio.Event()
    engine = FakeSpeechProvider(FIRST, more, MediaError(Reason.CONTENT_BLOCKED))
    async with gateway(engine) as http:
        link = await request_link(http)
        async with http.get(link) as answer:
            await answer.content.readexactly(1)
            more.set()
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.read()
        async with http.get(link, headers={"Range": "bytes=0-1"}) as answer:
            assert answer.status == 422


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("?link=1", {}, 400, "VALIDATION_ERROR"),
        ("?link=1", {"text": "Hi!", "voice": "Unknown"}, 404, "VOICE_NOT_FOUND"),
        ("?link=1", {"text": "Hi!", "outputFormat": "mp3_1"}, 400, "VALIDATION_ERROR"),
        ("?link=1", {"text": "x" * 10_001}, 400, "TEXT_TOO_LONG"),
        ("?link=1", {"text": "Hi!", "includeAlignment": True}, 400, "VALIDATION_ERROR"),
        ("?link=please", {"text": "Hi!"}, 400, "VALIDATION_ERROR"),
    ],
)
async def test_what_can_be_refused_is_refused_with_the_link(
    gateway: Gateway, query: str, body: dict[str, object], status: int, code: str
) -> None:
    engine = FakeSpeechProvider(FIRST)
    async with gateway(engine) as http, http.post(f"/api/speech{query}", json=body, headers=ALICE) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
    assert engine.specs == []


async def test_a_link_is_for_its_owner(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST)
    async with gateway(engine) as http:
        link = await request_link(http)
        async with http.get(link.with_query(None), headers=ALICE) as own:
            assert own.status == 200
        for wrong, headers, status in (
            (link.with_query(None), {"X-Media-Principal": "bob"}, 404),
            (link.with_query(None), {}, 404),
            (link.update_query(owner="bob"), ALICE, 403),
            (link.with_path("/api/speech/links/" + "0" * 32, keep_query=True), {}, 403),
        ):
            async with http.get(wrong, headers=headers) as answer:
                assert answer.status == status
    assert len(engine.specs) == 1


async def test_replicas_of_the_gateway_pay_once_and_the_store_holds_no_text(tmp_path: Path) -> None:
    more = asyncio.Event()
    engine, unused = FakeSpeechProvider(FIRST, more, SECOND), FakeSpeechProvider(FIRST)
    storage = StorageSettings(storage="local", storage_dir=tmp_path)
    async with (
        serve_speech(build_servicer(engine)) as tts,
        serve_speech(build_servicer(unused)) as other,
        run_gateway(tts=tts.channel, storage=storage) as first,
        run_gateway(tts=other.channel, storage=storage) as second,
        open_object_store(storage) as store,
    ):
        link = await request_link(first, text="A secret text.")
        async with first.get(link) as streamed:
            await streamed.content.readexactly(1)
            waiting = asyncio.ensure_future(second.get(link))
            more.set()
            async with await waiting as answer:
                assert await answer.read() == AUDIO
        stored = (await store.list("links/")).objects
        assert sorted(item.key.rpartition(".")[2] for item in stored) == ["audio", "request"]
        for item in stored:
            data, _ = await read_all(store, item.key, max_bytes=100_000)
            assert b"secret text" not in data
            assert b"alice" not in data
    assert (len(engine.specs), unused.specs) == (1, [])
