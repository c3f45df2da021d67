"""How long a process waits for a service: until the first message, and in total."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor

from services.common.errors import MediaError, Reason

_QUICK_PREFIXES = ("Get", "List", "Delete", "Cancel", "Create", "BatchCreate", "Rotate", "Receive", "Watch")
"""Prefixes of methods that read, delete or queue, and generate nothing."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Time limits of calls, in seconds; the pings of the channel notice a service that died or froze earlier."""

    read_seconds: float = 30.0
    """Longest wait for the answer of a call that reads, deletes or queues, and for each message of a watch."""
    first_message_seconds: float = 55.0
    """Longest wait for the first message of a stream, such as the first audio or the first progress."""
    answer_seconds: float = 290.0
    """Longest wait for the answer of a call that generates or converts, and answers once."""
    stream_seconds: float = 600.0
    """Longest duration of a stream."""

    def choose_seconds(self, method: MethodDescriptor) -> float:
        """Return the longest wait for the first message of `method`."""
        if method.name.startswith(_QUICK_PREFIXES):
            return self.read_seconds
        return self.first_message_seconds if method.server_streaming else self.answer_seconds


DEFAULT_CALL_LIMITS = CallLimits()


@asynccontextmanager
async def limit_wait(seconds: float) -> AsyncIterator[None]:
    """Limit the wait for a message of a stream; leave the context as soon as the message is there.

    Raises:
        MediaError: DEADLINE_EXCEEDED, the time is over.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise MediaError(Reason.DEADLINE_EXCEEDED, f"The service sent nothing for {seconds:g} s; retry.") from None
