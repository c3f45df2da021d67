"""What the object store holds for a speech link: the sealed request, the claim of its producer, and the audio."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import orjson
from cryptography.fernet import Fernet, InvalidToken
from google.protobuf.message import DecodeError
from media.tts.v1 import tts_pb2

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage import ObjectInfo, ObjectSpec, ObjectStore, read_all
from services.common.storage.keys import SPEECH_LINKS
from services.common.storage.signed_urls import UrlSigner

log = logger(__name__)

_PURPOSE = b"speech link"
_PRIVATE = "private, no-store"
_MAX_REQUEST_BYTES = 8 * 1024 * 1024
_POLL_SECONDS = 0.5
_CLAIM_SECONDS = 30.0


class SpeechDocuments:
    """Stores the documents of speech links.

    Requests are encrypted with a key that only the suite can derive, since the bucket may be public.

    Args:
        store: The object store.
        signer: Holds the secret of the suite.
        wait_seconds: Longest wait for the audio of another process.
        claim_seconds: Time without a sign of life after which the claim of another process is void.
    """

    def __init__(
        self, store: ObjectStore, signer: UrlSigner, wait_seconds: float, claim_seconds: float = _CLAIM_SECONDS
    ) -> None:
        self.store = store
        self._wait_seconds = wait_seconds
        self._cipher = Fernet(base64.urlsafe_b64encode(signer.derive_key(_PURPOSE)))
        self._claim_seconds = claim_seconds

    async def create(self, request: tts_pb2.SynthesizeStreamRequest, owner: str) -> str:
        """Store a request and return the id of its link."""
        link_id = secrets.token_hex(16)
        content = orjson.dumps({"owner": owner, "request": base64.b64encode(request.SerializeToString()).decode()})
        spec = ObjectSpec("application/octet-stream", cache_control=_PRIVATE)
        await self.store.put(_build_key(link_id, "request"), self._cipher.encrypt(content), spec)
        return link_id

    async def read(self, link_id: str, owner: str) -> tts_pb2.SynthesizeStreamRequest:
        """Return the request of a link of `owner`.

        Raises:
            MediaError: NOT_FOUND, `owner` has no such link.
        """
        sealed, _ = await read_all(self.store, _build_key(link_id, "request"), max_bytes=_MAX_REQUEST_BYTES)
        try:
            content = orjson.loads(self._cipher.decrypt(sealed))
            request = tts_pb2.SynthesizeStreamRequest.FromString(base64.b64decode(content["request"]))
        except (InvalidToken, DecodeError):
            raise build_not_found_error() from None
        if content["owner"] != owner:
            raise build_not_found_error()
        return request

    async def find_audio(self, link_id: str) -> ObjectInfo | None:
        """Return the finished audio of a link, if it is there."""
        return await self._find(_build_key(link_id, "audio"))

    async def claim(self, link_id: str) -> ObjectInfo | None:
        """Wait until this process may produce the audio, or until another process has produced it.

        Returns:
            The audio of another process; None if this process holds the claim now and must release it.

        Raises:
            MediaError: UNAVAILABLE, another process takes too long.
        """
        deadline = time.monotonic() + self._wait_seconds
        while time.monotonic() < deadline:
            is_mine = await self._try_claim(link_id)
            audio = await self.find_audio(link_id)
            if is_mine and audio is not None:
                await self.release(link_id)
            if is_mine or audio is not None:
                return audio
            await asyncio.sleep(_POLL_SECONDS)
        raise MediaError(Reason.UNAVAILABLE, "The speech of this link takes too long; retry.")

    async def keep_claim(self, link_id: str) -> None:
        """Show regularly, until cancelled, that the holder of the claim lives."""
        while True:
            await asyncio.sleep(self._claim_seconds / 3)
            try:
                spec = ObjectSpec("text/plain", cache_control=_PRIVATE)
                await self.store.put(_build_key(link_id, "claim"), b"claimed", spec, overwrite=True)
            except MediaError as error:
                log.warning("the claim of a speech link is not renewed", reason=error.reason.name)

    async def release(self, link_id: str) -> None:
        """Give up the claim."""
        try:
            await self.store.delete(_build_key(link_id, "claim"))
        except MediaError as error:
            log.warning("the claim of a speech link remains", reason=error.reason.name)

    async def store_audio(self, link_id: str, chunks: AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        """Store the complete audio."""
        spec = ObjectSpec(content_type, cache_control=_PRIVATE)
        return await self.store.put(_build_key(link_id, "audio"), chunks, spec, overwrite=True)

    async def _try_claim(self, link_id: str) -> bool:
        key, spec = _build_key(link_id, "claim"), ObjectSpec("text/plain", cache_control=_PRIVATE)
        try:
            await self.store.put(key, b"claimed", spec)
        except MediaError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise
            claimed = await self._find(key)
            if claimed is None or (datetime.now(UTC) - claimed.modified_at).total_seconds() < self._claim_seconds:
                return False
            # Its producer died. The next round creates a claim, which only one process can.
            await self.store.delete(key)
            return False
        return True

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self.store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise


def build_not_found_error() -> MediaError:
    """Return the error of a link that does not exist, or that has another owner."""
    return MediaError(Reason.NOT_FOUND, "There is no speech link of yours with this id; request a new one.")


def _build_key(link_id: str, extension: str) -> str:
    return f"{SPEECH_LINKS}{link_id}.{extension}"
