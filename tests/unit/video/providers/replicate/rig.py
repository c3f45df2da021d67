"""The provider replicate with a fake server, and helpers for its tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError
from services.common.fetch import FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.providers import ProviderHttpClient, open_session
from services.video.progress import Progress
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.providers.replicate import ReplicateProvider, ReplicateSettings
from services.video.providers.replicate.provider import Wait, build_endpoint
from services.video.providers.replicate.settings import DEFAULT_MODEL
from tests.fakes.replicate import API_TOKEN, FakeReplicate

GOLDEN = Path(__file__).parents[4] / "golden" / "replicate"
VERSION = "c43b610efe40d08a28d2c07cb3515dab1cd3324dfc7418f3304a092571071d22"
JPEG = b"\xff\xd8\xff\xe0 no real image"
CAT = VideoSpec(VideoRequest("a cat"), DEFAULT_MODEL, JPEG, "https://x/y.png")
OWN_CAT = replace(CAT, source_image_url="")
BIG_CAT = replace(OWN_CAT, source_image=JPEG + bytes(200 * 1024))
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def skip_wait(_: asyncio.Event, __: float) -> None:
    await asyncio.sleep(0)


class Delays:
    """Records waits without waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, news: asyncio.Event, seconds: float) -> None:
        self.seconds.append(seconds)


def make_settings(replicate: FakeReplicate, **changes: Any) -> ReplicateSettings:
    return replace(ReplicateSettings(API_TOKEN, replicate.base_url, wait_seconds=0, timeout_seconds=10), **changes)


@asynccontextmanager
async def open_provider(
    replicate: FakeReplicate, wait: Wait = skip_wait, **changes: Any
) -> AsyncIterator[ReplicateProvider]:
    settings = make_settings(replicate, **changes)
    allowed = FetchOptions(AddressPolicy.parse(["127.0.0.0/8"]), 5)
    async with open_session() as session, open_fetcher(allowed) as downloads:
        yield ReplicateProvider(ProviderHttpClient(session, build_endpoint(settings)), settings, downloads, wait)


def ignore_progress(_: Progress) -> None:
    return


async def fetch_video(provider: ReplicateProvider, folder: Path, spec: VideoSpec = CAT) -> bytes:
    return (await provider.fetch(await provider.begin(spec), folder, ignore_progress)).read_bytes()


async def get_error(provider: ReplicateProvider, folder: Path, spec: VideoSpec = CAT) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await fetch_video(provider, folder, spec)
    return caught.value


def is_charged(error: MediaError) -> bool:
    return MAY_BE_CHARGED_KEY in error.metadata


def load_golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def assert_golden(replicate: FakeReplicate, number: int, name: str, **changes: Any) -> None:
    sent, expected = replicate.requests[number], load_golden(name)
    body = expected["body"]
    headers = {**expected["semantic_headers"], **changes.pop("headers", {})}
    assert (sent.method, sent.path) == (expected["method"], expected["path"])
    assert [list(pair) for pair in sent.query] == expected["query"]
    assert sent.body == (body and {**body, **changes})
    assert {key: sent.headers.get(key) for key in headers} == headers
    assert ("prefer" in sent.headers) == ("prefer" in headers)
