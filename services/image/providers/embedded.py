"""The embedded provider: abstract images that are computed locally, for free, and labelled as such."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from services.common.images import Size
from services.common.worker_pool import WorkerPool
from services.image.providers.interface import GeneratedImage, ImageProvider, ImageSpec, Mode, Model

PROVIDER = "embedded"
_MAX_SIDE_PIXELS = 2048
_MODEL = Model("embedded", _MAX_SIDE_PIXELS)
_TRANSFORM = Model("embedded", _MAX_SIDE_PIXELS, takes_strength=True)
LABEL = "embedded engine"
"""Label on every image of this engine."""
_FIELD_PIXELS = 24
_SHAPES = 9
_GRAIN = 5.0
_COLOR = re.compile(r"#([0-9A-Fa-f]{6})")
_CAPTION_CHARACTERS = 60
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_MOODS: tuple[tuple[tuple[str, ...], tuple[float, float]], ...] = (
    (("sunset", "vintage", "autumn", "warm", "oil painting"), (0.0, 0.13)),
    (("forest", "garden", "nature", "growth", "spring"), (0.22, 0.42)),
    (("sea", "ocean", "sky", "professional", "ice", "water"), (0.5, 0.66)),
    (("night", "futuristic", "space", "dream", "luminous"), (0.62, 0.85)),
)
"""Words of the prompt that choose a range of hues on the colour circle (0 to 1)."""
Pixels = NDArray[numpy.float32]


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


@dataclass(frozen=True, slots=True)
class PaintRequest:
    """What to paint; equal requests give equal bytes."""

    prompt: str
    size: Size
    seed: int
    """0 to 2**64 - 1."""
    source: bytes = b""
    """An image to transform; empty for none."""
    strength: float = 1.0
    """How much of `source` to change, 0 to 1."""


def paint(request: PaintRequest) -> bytes:
    """Return the image as a PNG."""
    digest = hashlib.sha256(f"{request.prompt}\n{request.seed}".encode()).digest()
    random = numpy.random.Generator(numpy.random.PCG64(int.from_bytes(digest[:16], "big")))
    image = _add_grain(_draw_shapes(_paint_background(request, random), request, random), random)
    if request.source:
        image = _blend_source(image, request)
    _draw_caption(image, request)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _paint_background(request: PaintRequest, random: numpy.random.Generator) -> Image.Image:
    """Return a smooth gradient between the five colours of the ramp."""
    width = _FIELD_PIXELS
    height = max(2, round(width * request.size.height / request.size.width))
    across, down = numpy.meshgrid(numpy.linspace(0, 1, width), numpy.linspace(0, 1, min(height, 40 * width)))
    field: Pixels = numpy.zeros_like(across, dtype=numpy.float32)
    for _ in range(4):
        angle, speed, shift = random.uniform(0, 2 * numpy.pi), random.uniform(1, 5), random.uniform(0, 2 * numpy.pi)
        field += numpy.sin(speed * (across * numpy.cos(angle) + down * numpy.sin(angle)) + shift).astype(numpy.float32)
    field = (field - field.min()) / max(1e-6, float(field.max() - field.min()))
    ramp = _build_ramp(request.prompt, random)
    position = field * (len(ramp) - 1)
    low = numpy.clip(position.astype(int), 0, len(ramp) - 2)
    part = (position - low)[..., None]
    colors = ramp[low] * (1 - part) + ramp[low + 1] * part
    small = Image.fromarray(colors.astype(numpy.uint8))
    return small.resize((request.size.width, request.size.height), Image.Resampling.BICUBIC)


def _build_ramp(prompt: str, random: numpy.random.Generator) -> Pixels:
    """Return five colours from dark to light: the colours in the prompt, or hues that suit its words."""
    named = [bytes.fromhex(found) for found in _COLOR.findall(prompt)][:3]
    lightness = numpy.linspace(0.18, 0.86, 5)
    if named:
        base = numpy.array([list(named[at % len(named)]) for at in range(5)], dtype=numpy.float32)
        shade = (lightness[:, None] / 0.52).astype(numpy.float32)
        return numpy.array(numpy.clip(base * shade, 0, 255), dtype=numpy.float32)
    lower = prompt.lower()
    low, high = next((hues for words, hues in _MOODS if any(word in lower for word in words)), (0.0, 1.0))
    start = random.uniform(low, high)
    hues = [(start + random.uniform(-0.06, 0.06)) % 1 for _ in range(5)]
    pixels = [
        Image.new("HSV", (1, 1), (int(hue * 255), int(random.uniform(90, 190)), int(light * 255))).convert("RGB")
        for hue, light in zip(hues, lightness, strict=True)
    ]
    return numpy.array([pixel.getpixel((0, 0)) for pixel in pixels], dtype=numpy.float32)


def _draw_shapes(image: Image.Image, request: PaintRequest, random: numpy.random.Generator) -> Image.Image:
    """Draw translucent discs and polygons over the background."""
    width, height = image.size
    # Drawn at half size and scaled up with a blur: soft edges in a fraction of the time.
    layer = Image.new("RGBA", (max(2, width // 2), max(2, height // 2)), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    ramp = _build_ramp(request.prompt, random)
    for _ in range(_SHAPES):
        red, green, blue = (int(value) for value in ramp[random.integers(0, len(ramp))])
        color = (red, green, blue, int(random.uniform(30, 110)))
        x, y = random.uniform(0, layer.width), random.uniform(0, layer.height)
        radius = random.uniform(0.05, 0.3) * min(layer.size)
        if random.random() < 0.6:  # noqa: PLR2004 - slightly more discs than polygons
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        else:
            draw.regular_polygon(
                (x, y, max(1.0, radius)), int(random.integers(3, 7)), int(random.integers(0, 90)), color
            )
    layer = layer.filter(ImageFilter.GaussianBlur(1.5)).resize((width, height), Image.Resampling.BILINEAR)
    image.paste(layer, (0, 0), layer)
    return image


def _add_grain(image: Image.Image, random: numpy.random.Generator) -> Image.Image:
    grain = random.normal(0, _GRAIN, (image.height, image.width, 1)).astype(numpy.float32)
    pixels = numpy.asarray(image, dtype=numpy.float32) + grain
    return Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8))


def _blend_source(image: Image.Image, request: PaintRequest) -> Image.Image:
    """Return the source image, changed by the strength of the request."""
    with Image.open(BytesIO(request.source)) as opened:
        source = opened.convert("RGB").resize(image.size, Image.Resampling.LANCZOS)
    changed = Image.blend(ImageChops.soft_light(source, image), image, max(0.0, request.strength - 0.5))
    return Image.blend(source, changed, min(1.0, 2 * request.strength))


def _draw_caption(image: Image.Image, request: PaintRequest) -> None:
    """Write the first words of the prompt and the label on a band at the bottom, over the band of a source."""
    draw = ImageDraw.Draw(image, "RGBA")
    points = max(8, min(image.size) // 32)
    font = ImageFont.load_default(points)
    words = " ".join(_UNPRINTABLE.sub(" ", request.prompt).split())
    lines = [words[:_CAPTION_CHARACTERS] + ("..." if len(words) > _CAPTION_CHARACTERS else ""), LABEL]
    margin, step = points // 2, round(points * 1.4)
    top = max(0, image.height - 2 * step - margin)
    draw.rectangle((0, top, image.width, image.height), fill=(0, 0, 0, 235 if request.source else 110))
    for number, line in enumerate(lines):
        draw.text((margin, top + margin // 2 + number * step), line, font=font, fill=(255, 255, 255, 230))
