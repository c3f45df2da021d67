"""Providers that draw nothing but what a test gives them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from services.common.errors import MediaError
from services.common.images import Size
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode, Model

PAID = Model(
    "flux-dev",
    max_side_pixels=1024,
    default_steps=28,
    steps_by_quality={"low": 16, "medium": 28, "high": 40},
    takes_guidance=True,
    takes_safety_checker=True,
)
PAID_TRANSFORM = Model(
    "flux-dev-i2i",
    max_side_pixels=1024,
    default_steps=40,
    takes_guidance=True,
    takes_safety_checker=True,
    takes_strength=True,
)
SMALL = Size(8, 6)
PLAIN = Model("plain", max_side_pixels=2048)
"""A model that takes nothing but a prompt, a size and a seed."""


def make_image(size: Size = SMALL, color: str = "teal", format_name: str = "PNG") -> bytes:
    """Return a file with an image of one colour."""
    file = BytesIO()
    Image.new("RGB", (size.width, size.height), color).save(file, format_name)
    return file.getvalue()


class FakeImageProvider(ImageProvider):
    """Draws images of one colour in the size it is asked for, or fails as told.

    Args:
        name: Its name.
        model: The model of its ways of asking without a source.
    """

    def __init__(self, name: str = "fal", model: Model = PAID) -> None:
        self.name = name
        self.models = {Mode.STANDARD: model, Mode.FAST: model, Mode.TRANSFORM: PAID_TRANSFORM}
        self.specs: list[ImageSpec] = []
        """Everything that was asked, in order."""
        self.outcomes: deque[MediaError | GeneratedImage] = deque()
        """What comes of the next calls; beyond them, images."""
        self.url = ""
        """Where it keeps its images."""
        self.stored: dict[str, bytes] = {}
        """Its images by URL, until they are gone."""
        self.downloads = 0
        """How often one of them was asked for."""
        self.download_failure: MediaError | None = None
        """What asking for one of them fails with."""
        self.proceed = asyncio.Event()
        """Calls wait for it."""
        self.proceed.set()
        self.cancelled = 0
        """Calls that were cancelled while they waited."""
        self._changed = asyncio.Condition()

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Draw, or fails as told."""
        self.specs.append(spec)
        async with self._changed:
            self._changed.notify_all()
        try:
            await self.proceed.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            async with self._changed:
                self._changed.notify_all()
            raise
        if self.outcomes:
            outcome = self.outcomes.popleft()
            if isinstance(outcome, MediaError):
                raise outcome
            return outcome
        data = make_image(spec.size)
        if self.url:
            self.stored[self.url] = data
        seed = 7 if spec.seed is None else spec.seed
        return GeneratedImage(data, "image/png", seed, self.url, f"request-{len(self.specs)}", cost_units=3)

    async def download(self, url: str) -> bytes | None:
        """Return the image while it is kept."""
        self.downloads += 1
        if self.download_failure is not None:
            raise self.download_failure
        return self.stored.get(url)

    async def until(self, condition: Callable[[], bool], within_seconds: float = 30) -> None:
        """Wait until `condition` holds; it is looked at whenever a call comes or is cancelled."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(condition)
