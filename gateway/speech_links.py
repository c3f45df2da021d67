"""Speech under links: paid once, however often it is fetched, and streamed while it is produced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from gateway.speech_documents import SpeechDocuments
from gateway.speech_production import SpeechProduction
from services.common.errors import MediaError, Reason
from services.common.log import describe_error, logger
from services.common.rpc.call_limits import CallLimits, limit_wait
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error
from services.common.rpc.validation import validate
from services.common.storage import ObjectInfo, ObjectStore
from services.common.storage.signed_urls import UrlSigner

log = logger(__name__)


class SpeechLinks:
    """The productions of this process.

    A production does not end with its readers: players close their connection and return for the rest.

    Args:
        documents: Requests, claims and audio in the object store.
        channel: Channel to the speech service.
        limits: Time limits of calls to it.
        tasks: Runs the productions.
    """

    def __init__(
        self, documents: SpeechDocuments, channel: grpc.aio.Channel, limits: CallLimits, tasks: asyncio.TaskGroup
    ) -> None:
        self._documents = documents
        self._stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
        self._limits = limits
        self._tasks = tasks
        self._running: dict[tuple[str, str], SpeechProduction] = {}
        self._started: set[asyncio.Task[None]] = set()

    @property
    def store(self) -> ObjectStore:
        """Store of the finished audio."""
        return self._documents.store

    async def create(self, request: tts_pb2.SynthesizeStreamRequest, owner: str) -> str:
        """Store a request without paying for it, and return the id of its link.

        Raises:
            MediaError: VALIDATION_ERROR, a field breaks a rule of the contract.
            grpc.aio.AioRpcError: The service refuses the request: VALIDATION_ERROR, VOICE_NOT_FOUND, TEXT_TOO_LONG.
        """
        # Before the service, which would name the fields by their place in its own request.
        validate(request)
        check = tts_pb2.CheckSpeechRequest(request=request)
        await self._stub.CheckSpeech(check, timeout=self._limits.read_seconds, metadata=call_metadata(owner))
        return await self._documents.create(request, owner)

    def get(self, link_id: str, owner: str) -> SpeechProduction:
        """Return the running production of a link, or start one; use it before the next await."""
        key = link_id, owner
        if key not in self._running:
            self._running[key] = production = SpeechProduction()
            task = self._tasks.create_task(self._run(key, production))
            self._started.add(task)
            task.add_done_callback(self._started.discard)
        return self._running[key]

    def cancel(self) -> None:
        """Cancel all productions."""
        for task in self._started:
            task.cancel()

    async def _run(self, key: tuple[str, str], production: SpeechProduction) -> None:
        with production.use():
            try:
                production.finish(await self._produce(*key, production))
            except MediaError as error:
                production.fail(error)
            except grpc.aio.AioRpcError as error:
                production.fail(from_rpc_error(error))
            except Exception as error:  # noqa: BLE001 - the readers need an answer, whatever failed
                log.error("a speech link failed", **describe_error(error))
                production.fail(MediaError(Reason.INTERNAL))
            finally:
                production.fail(MediaError(Reason.UNAVAILABLE, "The gateway stops; fetch the link again."))
                del self._running[key]

    async def _produce(self, link_id: str, owner: str, production: SpeechProduction) -> ObjectInfo:
        """Return the stored audio; produce it first if it does not exist yet."""
        request = await self._documents.read(link_id, owner)
        found = await self._documents.find_audio(link_id) or await self._documents.claim(link_id)
        if found is not None:
            return found
        alive = asyncio.create_task(self._documents.keep_claim(link_id))
        try:
            content_type = await self._stream(request, owner, production)
            return await self._documents.store_audio(link_id, production.read(), content_type)
        finally:
            alive.cancel()
            await asyncio.shield(self._release(link_id, alive))

    async def _release(self, link_id: str, alive: asyncio.Task[None]) -> None:
        # A renewal that still runs would create the claim again.
        await asyncio.wait([alive])
        await self._documents.release(link_id)

    async def _stream(self, request: tts_pb2.SynthesizeStreamRequest, owner: str, production: SpeechProduction) -> str:
        """Copy the speech into the production, and return its media type."""
        started = self._stub.SynthesizeStream(
            request, timeout=self._limits.stream_seconds, metadata=call_metadata(owner)
        )
        async with open_stream(started) as call:
            events, is_done = aiter(call), False
            async with limit_wait(self._limits.first_message_seconds):
                first = await anext(events, tts_pb2.SynthesizeStreamResponse())
            header = first.header
            async for event in events:
                if event.HasField("chunk") and event.chunk.audio:
                    await production.add(event.chunk.audio)
                    production.begin(header)
                is_done = event.HasField("done")
        if not is_done or production.header is None:
            message = "The speech service ended the stream before it was complete; retry."
            raise MediaError(Reason.GENERATION_FAILED, message)
        production.complete()
        return header.content_type


@asynccontextmanager
async def open_speech_links(
    channel: grpc.aio.Channel, store: ObjectStore, signer: UrlSigner, limits: CallLimits
) -> AsyncIterator[SpeechLinks]:
    """Yield the links, and cancel what is still produced at the end.

    Args:
        channel: Channel to the speech service.
        store: Holds requests and audio.
        signer: Holds the secret of the suite.
        limits: Time limits of calls to the speech service.
    """
    async with asyncio.TaskGroup() as tasks:
        links = SpeechLinks(SpeechDocuments(store, signer, limits.stream_seconds), channel, limits, tasks)
        try:
            yield links
        finally:
            links.cancel()
