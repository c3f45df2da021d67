"""What every engine that draws offers, and the words that the service and engines share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from services.common.images import Size


class Mode(Enum):
    """The three ways of asking."""

    STANDARD = "standard"
    """From a prompt, with care."""
    FAST = "fast"
    """From a prompt, in few steps."""
    TRANSFORM = "transform"
    """From an image and a prompt."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image that is to be transformed, already checked: it decodes, and is within the service's limits."""

    data: bytes
    """The file."""
    content_type: str
    """image/png, image/jpeg or image/webp."""
    size: Size
    """Its size."""
    sha256: str
    """Digest of what the caller gave, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """A resolved request: everything that decides what the provider draws, and nothing else."""

    mode: Mode
    """Which way of asking."""
    prompt: str
    """The final prompt; not blank."""
    size: Size
    """Size that the provider is asked for; within what its model declares."""
    preset: str = ""
    """Name of `size` in requests where it is one of the sizes that a preset stands for; else empty."""
    negative_prompt: str = ""
    """What should not be there; empty where the model knows no such thing."""
    steps: int | None = None
    """Steps of the model; None where it has none."""
    guidance_scale: float | None = None
    """How closely the prompt is followed; None where the model has no such setting."""
    seed: int | None = None
    """0 to 2**64 - 1; None leaves it to the provider."""
    safety_checker: bool = True
    """Whether the provider's content filter is on."""
    source: SourceImage | None = None
    """What is transformed; given exactly for Mode.TRANSFORM."""
    strength: float | None = None
    """0 to 1, how much of `source` is changed; None where the model has no such setting."""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """What a provider drew."""

    data: bytes
    """The file as the provider encoded it; not yet checked."""
    content_type: str
    """Media type that the provider says it has."""
    seed: int | None = None
    """The seed that was used, 0 to 2**64 - 1; None if not told."""
    url: str = ""
    """Where the provider keeps the file, for a while, for whoever has the address; empty if it does not."""
    request_id: str = ""
    """The provider's id of the request; may be empty."""
    cost_units: int | None = None
    """What the provider charges, in its own units; None if not told."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a model takes, declared rather than probed."""

    name: str
    """What results call it: flux-dev, flux-schnell, flux-dev-i2i, a model id, or embedded."""
    max_side_pixels: int
    """Longest side that is asked for; larger images are drawn within it and scaled up."""
    default_steps: int | None = None
    """Steps where the request leaves them open; None: it has no such setting."""
    steps_by_quality: Mapping[str, int] = field(default_factory=dict)
    """Steps for low, medium and high."""
    takes_guidance: bool = False
    """Whether it takes a guidance scale."""
    takes_negative_prompt: bool = False
    """Whether it takes a negative prompt."""
    takes_seed: bool = True
    """Whether it takes a seed."""
    takes_safety_checker: bool = False
    """Whether its content filter can be turned off."""
    takes_strength: bool = False
    """Whether it takes a strength; only of interest for Mode.TRANSFORM."""


class ImageProvider(ABC):
    """An engine that draws.

    An instance is opened once per process and used by many calls at once.
    """

    name: str
    """Name in requests and results."""
    models: Mapping[Mode, Model]
    """The model of each way of asking that it offers."""

    @abstractmethod
    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Draw; a cancelled call ends the provider's work as far as it can be ended.

        Raises:
            MediaError: API_KEY_MISSING, PROVIDER_REJECTED_KEY, PROVIDER_QUOTA_EXCEEDED, PROVIDER_BUSY,
                PROVIDER_UNAVAILABLE, PROVIDER_TIMEOUT, CONTENT_BLOCKED, VALIDATION_ERROR or GENERATION_FAILED. Where
                the provider may have begun to draw, the metadata holds
                `services.common.resilience.error_metadata.MAY_BE_CHARGED_KEY`.
        """

    def describe_shape(self, spec: ImageSpec) -> str:
        """Return what of the size is asked for: requests that differ in size alone, but not in this, draw the same."""
        return f"{spec.size.width}x{spec.size.height}"

    async def download(self, url: str) -> bytes | None:
        """Return the file that `GeneratedImage.url` once named, or None if the provider no longer keeps it.

        Raises:
            MediaError: PROVIDER_UNAVAILABLE or PROVIDER_TIMEOUT.
        """
        return None

    async def close(self) -> None:
        """Free what the engine holds; the instance is not used afterwards."""
        return
