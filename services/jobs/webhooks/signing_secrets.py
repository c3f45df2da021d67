"""The secrets that webhooks are signed with: one per owner, and for a day after a change the one before."""

from __future__ import annotations

import time
from contextlib import suppress

import orjson
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from services.common.webhooks import new_secret
from services.jobs.ids import to_owner_token
from services.jobs.jetstream import Streams

_OVERLAP_SECONDS = 86_400.0
_MAX_PREVIOUS = 4


class SigningSecrets:
    """Keeps them.

    Args:
        streams: Where they are.
    """

    def __init__(self, streams: Streams) -> None:
        self._bucket = streams.secrets

    async def get(self, principal: str) -> list[str]:
        """Return the secrets of an owner, the newest first; makes the first one where there is none."""
        key = to_owner_token(principal)
        with suppress(KeyNotFoundError):
            return _list_valid((await self._bucket.get(key)).value)
        with suppress(KeyWrongLastSequenceError):
            await self._bucket.create(key, _encode([(new_secret(), 0.0)]))
        return _list_valid((await self._bucket.get(key)).value)

    async def rotate(self, principal: str) -> str:
        """Return a new secret; the one before signs along for a day."""
        key, new = to_owner_token(principal), new_secret()
        while True:
            await self.get(principal)
            entry = await self._bucket.get(key)
            overlap_end = time.time() + _OVERLAP_SECONDS
            # A change whose answer was lost is made again: the secret that receivers know must outlive both.
            before = [(secret, ends or overlap_end) for secret, ends in _parse_valid(entry.value)][:_MAX_PREVIOUS]
            # Of two who change it at once, the second finds the secret of the first.
            with suppress(KeyWrongLastSequenceError):
                await self._bucket.update(key, _encode([(new, 0.0), *before]), last=entry.revision)
                return new


def _encode(secrets: list[tuple[str, float]]) -> bytes:
    return orjson.dumps(secrets)


def _list_valid(content: bytes | None) -> list[str]:
    """Return the secrets that have not ended."""
    return [secret for secret, _ in _parse_valid(content)]


def _parse_valid(content: bytes | None) -> list[tuple[str, float]]:
    """Return the secrets that have not ended, and when they do; 0 stands for no end."""
    found = orjson.loads(content or b"[]")
    return [(secret, ends) for secret, ends in found if not ends or ends > time.time()]
