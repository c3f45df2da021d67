"""The provider embedded: a painter that needs no key and no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from services.common.worker_pool import WorkerPool
from services.image.providers.embedded.painting import PaintRequest, paint
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode, Model

PROVIDER = "embedded"
_MAX_SIDE_PIXELS = 2048
_MODEL = Model("embedded", _MAX_SIDE_PIXELS)
_TRANSFORM = Model("embedded", _MAX_SIDE_PIXELS, takes_strength=True)


class EmbeddedProvider(ImageProvider):
    """Paints abstract images that are labelled as the embedded engine's.

    Args:
        workers: Where it paints.
    """

    name = PROVIDER
    models: Mapping[Mode, Model] = {Mode.STANDARD: _MODEL, Mode.FAST: _MODEL, Mode.TRANSFORM: _TRANSFORM}

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers

    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Paint; the seed follows from the prompt where none is given, so that the same prompt gives the same."""
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
    """Return a seed within what JSON readers keep exactly."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big")
