"""The embedded image provider; it needs no key and no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from services.common.worker_pool import WorkerPool
from services.image.providers.embedded import PaintRequest, paint
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode, Model

PROVIDER = "embedded"
_MAX_SIDE_PIXELS = 2048
_MODEL = Model("embedded", _MAX_SIDE_PIXELS)
_TRANSFORM = Model("embedded", _MAX_SIDE_PIXELS, takes_strength=True)


class EmbeddedProvider(ImageProvider):
    """Paints abstract images that carry the label of the embedded engine.

    Args:
        workers: Worker pool that paints the images.
    """

    name = PROVIDER
    models: Mapping[Mode, Model] = {Mode.STANDARD: _MODEL, Mode.FAST: _MODEL, Mode.TRANSFORM: _TRANSFORM}

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Paint an image; without a seed, derive one from the prompt, so that equal prompts give equal images."""
        seed = _derive_seed(spec.prompt) if spec.seed is None else spec.seed
        request = PaintRequest(
            spec.prompt,
            spec.size,
            seed,
            spec.source.data if spec.source else b"",
            1.0 if spec.strength is None else spec.strength,
        )
        data = await self._workers.run(paint, request)
        return GeneratedImage(data, "image/png", seed)


def _derive_seed(prompt: str) -> int:
    """Return a seed of 32 bits, which every JSON reader represents exactly."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big")
