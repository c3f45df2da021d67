"""An image provider that a test controls, and image files for tests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from services.common.errors import MediaError, Reason
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
"""A model that supports only a prompt, a size and a seed."""


def make_image(size: Size = SMALL, color: str = "teal", format_name: str = "PNG") -> bytes:
    """Return an image file of one colour."""
    file = BytesIO()
    Image.new("RGB", (size.width, size.height), color).save(file, format_name)
    return file.getvalue()


class FakeImageProvider(ImageProvider):
    """Generates images of one colour in the requested size, or raises the errors that the test sets.

    Args:
        name: Name of the provider.
        model: The model of the standard and the fast mode.
    """

    def __init__(self, name: str = "fal", model: Model = PAID) -> None:
        self.name = name
        self.models = {Mode.STANDARD: model, Mode.FAST: model, Mode.TRANSFORM: PAID_TRANSFORM}
        self.specs: list[ImageSpec] = []
        """The specs of all calls, in order."""
        self.outcomes: deque[MediaError | GeneratedImage] = deque()
        """Results of the next calls; after them, images of one colour."""
        self.has_key = True
        """Whether its key is configured."""
        self.url = ""
        """URL of the images at the provider; empty without URLs."""
        self.stored: dict[str, bytes] = {}
        """Images at the provider by URL; a test removes them to let them expire."""
        self.downloads = 0
        """Number of downloads."""
        self.download_failure: MediaError | None = None
        """Error of the next downloads; None for success."""
        self.proceed = asyncio.Event()
        """Calls wait for this event; it is set at first."""
        self.proceed.set()
        self.cancelled = 0
        """Number of calls that were cancelled while they waited."""
        self._changed = asyncio.Condition()

    def check_ready(self) -> None:
        """Raise API_KEY_MISSING without a key."""
        if not self.has_key:
            raise MediaError(Reason.API_KEY_MISSING)

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Generate an image, or raise the next error."""
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
        """Return the image at `url`, or None if it has been removed."""
        self.downloads += 1
        if self.download_failure is not None:
            raise self.download_failure
        return self.stored.get(url)

    async def until(self, condition: Callable[[], bool], within_seconds: float = 30) -> None:
        """Wait until `condition` holds; it is checked at each start and each cancellation of a call."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(condition)
