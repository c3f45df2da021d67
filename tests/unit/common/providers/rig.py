"""A provider endpoint for tests; its errors repeat the arguments of their builders."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import pytest

from services.common.errors import MediaError, Reason
from services.common.providers import Answer, ProviderEndpoint

KEY = "Bearer KEY"


class FailedError(MediaError):
    """What a test's peer makes of a failure."""

    def __init__(self, reason: Reason, *, begun: bool) -> None:
        super().__init__(reason)
        self.begun = begun


class RefusedError(MediaError):
    """What a test's peer makes of an answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: object, *, begun: bool) -> None:
        super().__init__(Reason.GENERATION_FAILED)
        self.told = (status, body, begun)
        self.headers = headers


def failure(reason: Reason, *, begun: bool = False) -> MediaError:
    return FailedError(reason, begun=begun)


def peer_at(*base_urls: str) -> ProviderEndpoint:
    return ProviderEndpoint("fake", KEY, base_urls, ".provider.example", failure, RefusedError)


async def failed(asked: Awaitable[Answer]) -> tuple[Reason, bool]:
    """Return the reason of a failure, and whether anything may be charged."""
    with pytest.raises(FailedError) as caught:
        await asked
    return caught.value.reason, caught.value.begun
