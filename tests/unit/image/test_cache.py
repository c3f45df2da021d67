"""Cache of images: keys and entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from services.common.fetch import open_fetcher
from services.common.images import Size
from services.image.cache import build_cache_key
from services.image.planning import Candidate
from services.image.providers.fal import FalSettings, open_fal
from services.image.providers.gemini import GeminiSettings, open_gemini
from services.image.providers.interface import ImageProvider, ImageSpec, Mode, SourceImage
from tests.fakes.image_provider import FakeImageProvider

SOURCE = SourceImage(b"", "image/png", Size(64, 64), "5" * 64)
SPEC = ImageSpec(Mode.STANDARD, "a cat", Size(1024, 768), steps=28, guidance_scale=3.5, seed=7)
DECISIVE: tuple[dict[str, Any], ...] = (
    {"prompt": "a dog"},
    {"size": Size(768, 1024)},
    {"negative_prompt": "rain"},
    {"steps": 27},
    {"guidance_scale": 3.0},
    {"seed": None},
    {"seed": 2**64 - 1},
    {"safety_checker": False},
    {"source": SOURCE},
    {"source": replace(SOURCE, sha256="6" * 64)},
    {"strength": 0.5},
)


def make_key(provider: ImageProvider, spec: ImageSpec) -> str:
    return build_cache_key(Candidate(provider, next(iter(provider.models.values())), spec, ()))


@pytest.fixture
async def paid_providers() -> AsyncIterator[dict[str, ImageProvider]]:
    """The paid providers, by name."""
    async with AsyncExitStack() as stack:
        downloads = await stack.enter_async_context(open_fetcher())
        yield {
            "fal": await stack.enter_async_context(open_fal(FalSettings("key"), downloads)),
            "gemini": await stack.enter_async_context(open_gemini(GeminiSettings("key"))),
        }


def test_every_decisive_parameter_changes_the_key() -> None:
    provider = FakeImageProvider()
    keys = {make_key(provider, replace(SPEC, **change)) for change in DECISIVE}
    assert len({*keys, make_key(provider, SPEC), make_key(FakeImageProvider("another"), SPEC)}) == len(DECISIVE) + 2


def test_the_name_of_a_size_does_not_change_the_key() -> None:
    provider = FakeImageProvider()
    assert make_key(provider, replace(SPEC, preset="landscape_4_3")) == make_key(provider, SPEC)


@pytest.mark.parametrize(
    ("name", "mode", "size", "same"),
    [
        ("fal", Mode.STANDARD, Size(512, 384), False),
        ("fal", Mode.FAST, Size(512, 384), False),
        ("fal", Mode.TRANSFORM, Size(512, 384), True),
        ("gemini", Mode.STANDARD, Size(512, 384), True),
        ("gemini", Mode.STANDARD, Size(384, 512), False),
        ("gemini", Mode.STANDARD, Size(2048, 1536), False),
        ("gemini", Mode.FAST, Size(2048, 1536), True),
    ],
)
def test_another_size_has_the_same_key_if_the_provider_request_is_the_same(
    paid_providers: dict[str, ImageProvider], name: str, mode: Mode, size: Size, same: bool
) -> None:
    spec = replace(SPEC, mode=mode, source=SOURCE if mode is Mode.TRANSFORM else None)
    assert (make_key(paid_providers[name], spec) == make_key(paid_providers[name], replace(spec, size=size))) is same
