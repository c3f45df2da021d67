"""Tests of the embedded provider: equal images for equal requests, the label, and exact sizes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.common.images import Size
from services.common.worker_pool import WorkerPool, open_workers
from services.image.providers.embedded import EmbeddedProvider, PaintRequest, paint
from services.image.providers.interface import ImageSpec, Mode, SourceImage
from tests.fakes.image_provider import make_image

REQUEST = PaintRequest("A lighthouse at dusk", Size(256, 192), 7)


def read_pixels(data: bytes) -> numpy.ndarray:
    with Image.open(BytesIO(data)) as image:
        return numpy.asarray(image.convert("RGB"), dtype=numpy.int16)


def test_the_same_request_gives_the_same_bytes() -> None:
    assert paint(REQUEST) == paint(REQUEST)
    assert paint(REQUEST) != paint(replace(REQUEST, seed=8))
    assert paint(REQUEST) != paint(replace(REQUEST, prompt="A lighthouse at dawn"))


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=80), st.integers(16, 200), st.integers(16, 200), st.integers(0, 2**64 - 1))
def test_every_request_can_be_painted(prompt: str, width: int, height: int, seed: int) -> None:
    painted = read_pixels(paint(PaintRequest(prompt, Size(width, height), seed)))
    assert painted.shape == (height, width, 3)
    assert painted.std() > 1


def test_a_colour_that_the_prompt_names_prevails() -> None:
    red, green, blue = read_pixels(paint(replace(REQUEST, prompt="growth in blue (#0000FF)"))).mean(axis=(0, 1))
    assert blue > 2 * max(red, green)


def test_every_image_carries_the_label() -> None:
    painted = read_pixels(paint(replace(REQUEST, size=Size(512, 384))))
    band = painted[-40:, :200]
    # White letters on a dark band.
    assert band.max() > 200
    assert band.mean() < painted[: 384 - 60].mean() + 60
    assert (band.min(axis=2) > 200).sum() > 50


def test_the_strength_decides_how_much_of_a_source_changes() -> None:
    source = make_image(Size(256, 192), "white")
    changes = [
        float(numpy.abs(read_pixels(paint(replace(REQUEST, source=source, strength=strength)))[:120] - 255).mean())
        for strength in (0.0, 0.4, 0.75, 1.0)
    ]
    assert changes[0] < 2
    assert changes == sorted(changes)
    assert changes[-1] > 30


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    async with open_workers(1, max_queue=8, timeout_seconds=20) as opened:
        yield opened


async def test_the_returned_seed_reproduces_the_image(workers: WorkerPool) -> None:
    provider = EmbeddedProvider(workers)
    spec = ImageSpec(Mode.STANDARD, "a cat", Size(64, 48))
    generated = await provider.generate(spec)
    assert generated.seed is not None
    assert (await provider.generate(replace(spec, seed=generated.seed))).data == generated.data
    assert (await provider.generate(replace(spec, seed=2**64 - 1))).seed == 2**64 - 1
    assert (generated.content_type, generated.url, generated.cost_units) == ("image/png", "", None)


async def test_an_image_is_painted_over_a_source(workers: WorkerPool) -> None:
    source = SourceImage(make_image(Size(64, 48), "red"), "image/png", Size(64, 48), "00")
    spec = ImageSpec(Mode.TRANSFORM, "a cat", Size(64, 48), source=source, strength=0.0)
    generated = await EmbeddedProvider(workers).generate(spec)
    red, green, blue = read_pixels(generated.data)[:20].mean(axis=(0, 1))
    assert red > 240
    assert max(green, blue) < 30
