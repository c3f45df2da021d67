"""Documents of speech links: one producer at a time, and none after a crash for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from media.tts.v1 import tts_pb2

from gateway.speech_documents import SpeechDocuments
from services.common.errors import MediaError, Reason
from services.common.storage.signed_urls import UrlSigner
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.waiting import until

SIGNER = UrlSigner(b"secret")
REQUEST = tts_pb2.SynthesizeStreamRequest(text="A secret text.", voice="Aria")
CLAIM = "links/speech/a1.claim"


async def yield_audio() -> AsyncIterator[bytes]:
    yield b"audio"


async def test_a_request_is_readable_for_its_owner_and_this_suite_only() -> None:
    store = FakeObjectStore()
    documents = SpeechDocuments(store, SIGNER, 1)
    link_id = await documents.create(REQUEST, "auth0|alice")
    assert await documents.read(link_id, "auth0|alice") == REQUEST
    ((_, sealed),) = store.objects.values()
    assert b"secret" not in sealed
    for reader, owner in ((documents, "bob"), (SpeechDocuments(store, UrlSigner(b"other"), 1), "auth0|alice")):
        with pytest.raises(MediaError) as caught:
            await reader.read(link_id, owner)
        assert caught.value.reason is Reason.NOT_FOUND


async def test_only_one_of_many_processes_holds_the_claim() -> None:
    store = FakeObjectStore()
    outcomes = await asyncio.gather(
        *(SpeechDocuments(store, SIGNER, 0.01).claim("a1") for _ in range(5)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, MediaError)}
    assert reasons == {Reason.UNAVAILABLE}


async def test_a_process_that_waits_gets_the_audio_of_the_other_one() -> None:
    store = FakeObjectStore()
    documents = SpeechDocuments(store, SIGNER, 10)
    assert await documents.claim("a1") is None
    await documents.store_audio("a1", yield_audio(), "audio/mpeg")
    await documents.release("a1")
    found = await documents.claim("a1")
    assert found is not None
    assert (found.content_type, CLAIM in store.objects) == ("audio/mpeg", False)


async def test_the_claim_of_a_process_that_died_is_taken_over() -> None:
    store = FakeObjectStore()
    assert await SpeechDocuments(store, SIGNER, 10).claim("a1") is None
    assert await SpeechDocuments(store, SIGNER, 10, claim_seconds=0).claim("a1") is None


async def test_a_holder_renews_its_claim() -> None:
    store = FakeObjectStore()
    documents = SpeechDocuments(store, SIGNER, 10, claim_seconds=0.001)
    assert await documents.claim("a1") is None
    first = store.objects[CLAIM][0].modified_at
    renewing = asyncio.create_task(documents.keep_claim("a1"))
    await until(lambda: store.objects[CLAIM][0].modified_at != first)
    renewing.cancel()
    await asyncio.wait([renewing])
