"""The signing secrets of webhooks: one per owner, and the previous one for a day after a rotation."""

from __future__ import annotations

import time
from contextlib import suppress

import orjson
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from services.common.webhooks import new_secret
from services.jobs.jetstream import Streams
from services.jobs.record import to_owner_token

_OVERLAP_SECONDS = 86_400.0
_MAX_PREVIOUS = 4


class SigningSecrets:
    """Stores the signing secrets in NATS; safe for concurrent use.

    Args:
        streams: Connection with the bucket.
    """

    def __init__(self, streams: Streams) -> None:
        self._bucket = streams.secrets

    async def get(self, principal: str) -> list[str]:
        """Return the valid secrets of an owner, newest first; create the first one if needed."""
        key = to_owner_token(principal)
        with suppress(KeyNotFoundError):
            return _list_valid((await self._bucket.get(key)).value)
        with suppress(KeyWrongLastSequenceError):
            await self._bucket.create(key, _encode([(new_secret(), 0.0)]))
        return _list_valid((await self._bucket.get(key)).value)

    async def rotate(self, principal: str) -> str:
        """Create and return a new secret; webhooks are signed with the previous one as well for a day."""
        key, new = to_owner_token(principal), new_secret()
        while True:
            await self.get(principal)
            entry = await self._bucket.get(key)
            overlap_end = time.time() + _OVERLAP_SECONDS
            # If a reply is lost, the client rotates again: the secret that receivers know must outlive both rotations.
            before = [(secret, ends or overlap_end) for secret, ends in _parse_valid(entry.value)][:_MAX_PREVIOUS]
            # If another process rotates at the same time, read its secret and try again.
            with suppress(KeyWrongLastSequenceError):
                await self._bucket.update(key, _encode([(new, 0.0), *before]), last=entry.revision)
                return new


def _encode(secrets: list[tuple[str, float]]) -> bytes:
    return orjson.dumps(secrets)


def _list_valid(content: bytes | None) -> list[str]:
    """Return the secrets that have not expired."""
    return [secret for secret, _ in _parse_valid(content)]


def _parse_valid(content: bytes | None) -> list[tuple[str, float]]:
    """Return the secrets that have not expired, with their expiry; 0 means no expiry."""
    found = orjson.loads(content or b"[]")
    return [(secret, ends) for secret, ends in found if not ends or ends > time.time()]
