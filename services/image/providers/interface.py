"""Interface of the image providers, and the types that they share with the service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from services.common.images import Size


class Mode(Enum):
    """The kind of an image request; each kind has its own model."""

    STANDARD = "standard"
    """From a prompt, with the standard model."""
    FAST = "fast"
    """From a prompt, in few steps."""
    TRANSFORM = "transform"
    """From a source image and a prompt."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image to transform; it has been decoded successfully and is within the service's limits."""

    data: bytes
    """The file."""
    content_type: str
    """image/png, image/jpeg or image/webp."""
    size: Size
    """Size of the image."""
    sha256: str
    """SHA-256 of the caller's file, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """A resolved request: exactly the parameters that decide what the provider generates."""

    mode: Mode
    """Standard, fast or transform."""
    prompt: str
    """The final prompt; not blank."""
    size: Size
    """Size to request from the provider; within the limits of its model."""
    preset: str = ""
    """Name of the preset with this size in the request; empty if the request names another size."""
    negative_prompt: str = ""
    """What the image should not show; empty if the model does not support it."""
    steps: int | None = None
    """Inference steps; None if the model does not support them."""
    guidance_scale: float | None = None
    """How closely the model follows the prompt; None if it does not support this."""
    seed: int | None = None
    """0 to 2**64 - 1; None leaves the choice to the provider."""
    safety_checker: bool = True
    """Whether the provider's content filter is on."""
    source: SourceImage | None = None
    """The image to transform; set exactly for Mode.TRANSFORM."""
    strength: float | None = None
    """0 to 1, how much of `source` to change; None if the model does not support it."""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image as the provider returned it."""

    data: bytes
    """The file as the provider encoded it; not yet checked."""
    content_type: str
    """Media type that the provider declared."""
    seed: int | None = None
    """The seed that was used, 0 to 2**64 - 1; None if the provider did not report it."""
    url: str = ""
    """Public URL under which the provider keeps the file for a while; empty if it does not."""
    request_id: str = ""
    """The provider's id of the request; may be empty."""
    cost_units: int | None = None
    """What the provider charged, in its own units; None if it did not report it."""


@dataclass(frozen=True, slots=True)
class Model:
    """The parameters that a model supports."""

    name: str
    """Name in results: flux-dev, flux-schnell, flux-dev-i2i, a model id, or embedded."""
    max_side_pixels: int
    """Longest side to request; larger images are generated within it and scaled up."""
    default_steps: int | None = None
    """Steps if the request sets none; None: the model does not support steps."""
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
    """Whether it takes a strength; only used for Mode.TRANSFORM."""


@dataclass(frozen=True, slots=True)
class ModelListing:
    """A model in a list for callers."""

    model_id: str
    """Name in results, or id at the provider."""
    modes: tuple[Mode, ...]
    """What it generates."""
    is_default: bool
    """Whether the provider uses it."""
    max_side_pixels: int
    """Longest side that is requested; larger images are scaled up."""
    aspect_ratios: tuple[str, ...] = ()
    """Aspect ratios that it takes, as width:height; empty if it takes a size in pixels."""
    resolutions: tuple[str, ...] = ()
    """Resolutions that it takes; empty if it takes none."""
    end_date: str = ""
    """Day from which the provider refuses it, as 2027-03-15; empty without an announced end."""
    successor: str = ""
    """Model that the provider recommends instead; empty without one."""


class ImageProvider(ABC):
    """A provider that generates images.

    One instance per process serves many concurrent calls.
    """

    name: str
    """Name in requests and results."""
    models: Mapping[Mode, Model]
    """The model of each mode that the provider supports."""

    def check_ready(self) -> None:
        """Raise if no request can succeed, because the provider is not configured; makes no calls.

        Raises:
            MediaError: API_KEY_MISSING, MODEL_RETIRED.
        """
        return

    def list_models(self) -> Sequence[ModelListing]:
        """Return the models that the suite knows; all of them are in use, unless the provider has more."""
        modes: dict[str, list[Mode]] = {}
        for mode, model in self.models.items():
            modes.setdefault(model.name, []).append(mode)
        sides = {model.name: model.max_side_pixels for model in self.models.values()}
        return [
            ModelListing(name, modes=tuple(found), is_default=True, max_side_pixels=sides[name])
            for name, found in modes.items()
        ]

    @abstractmethod
    async def generate(self, spec: ImageSpec) -> GeneratedImage:
        """Generate an image; cancelling the call also cancels the provider's work, as far as the provider allows.

        Raises:
            MediaError: API_KEY_MISSING, PROVIDER_REJECTED_KEY, PROVIDER_QUOTA_EXCEEDED, PROVIDER_BUSY,
                PROVIDER_UNAVAILABLE, PROVIDER_TIMEOUT, CONTENT_BLOCKED, VALIDATION_ERROR or GENERATION_FAILED. If
                the provider may have started to generate, the metadata holds
                `services.common.errors.MAY_BE_CHARGED_KEY`.
        """

    def describe_shape(self, spec: ImageSpec) -> str:
        """Return the shape that the provider receives: sizes with equal shapes give the same image."""
        return f"{spec.size.width}x{spec.size.height}"

    async def download(self, url: str) -> bytes | None:
        """Return the file at `GeneratedImage.url` of an earlier image, or None if the provider no longer has it.

        Raises:
            MediaError: PROVIDER_UNAVAILABLE or PROVIDER_TIMEOUT.
        """
        return None

    async def close(self) -> None:
        """Release the resources of the provider; the instance must not be used afterwards."""
        return
