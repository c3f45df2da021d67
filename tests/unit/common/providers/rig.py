"""A provider endpoint for tests; its errors repeat the arguments of their builders."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import pytest

from services.common.errors import MediaError, Reason
from services.common.providers import Answer, ProviderEndpoint

KEY = "Bearer KEY"


class FailedError(MediaError):
    """The error that the test endpoint builds for a reason."""

    def __init__(self, reason: Reason, *, may_be_charged: bool) -> None:
        super().__init__(reason)
        self.may_be_charged = may_be_charged


class RefusedError(MediaError):
    """The error that the test endpoint builds from a response."""

    def __init__(self, status: int, headers: Mapping[str, str], body: object, *, work_started: bool) -> None:
        super().__init__(Reason.GENERATION_FAILED)
        self.arguments = (status, body, work_started)
        self.headers = headers


def build_error(reason: Reason, *, may_be_charged: bool = False) -> MediaError:
    return FailedError(reason, may_be_charged=may_be_charged)


def build_endpoint(*base_urls: str) -> ProviderEndpoint:
    return ProviderEndpoint(
        "fake", {"Authorization": KEY}, base_urls, build_error, RefusedError, host_suffix=".provider.example"
    )


async def catch_error(call: Awaitable[Answer]) -> tuple[Reason, bool]:
    """Return the reason of a failure, and whether anything may be charged."""
    with pytest.raises(FailedError) as caught:
        await call
    return caught.value.reason, caught.value.may_be_charged
