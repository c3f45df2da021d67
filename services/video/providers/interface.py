"""Interface of a video provider, and the types that it shares with the service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from services.common.providers.models import ModelInfo
from services.video.progress import Progress

DEFAULT_SECONDS = 6
DEFAULT_RESOLUTION = "768p"

ReportProgress = Callable[[Progress], None]
"""Called with the progress of a video when it changes."""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A request to a provider; its fields are already validated against the contract."""

    prompt: str
    """Description of the video; not blank."""
    seconds: int = 0
    """Duration, 1 to 60; 0 for the default."""
    resolution: str = ""
    """512p, 768p or 1080p; empty for the default."""
    model: str = ""
    """Model of the provider; empty for its default."""
    prompt_optimizer: bool = True
    """Whether the provider may rewrite the prompt."""
    model_input: Mapping[str, Any] = field(default_factory=dict)
    """Further inputs of a model without a table of inputs."""
    image_input_name: str = ""
    """Name of the image input of such a model; empty for the default."""

    @property
    def length_seconds(self) -> int:
        """The requested duration, or the default."""
        return self.seconds or DEFAULT_SECONDS

    @property
    def shorter_side(self) -> str:
        """The requested resolution, or the default."""
        return self.resolution or DEFAULT_RESOLUTION


@dataclass(frozen=True, slots=True)
class VideoSpec:
    """A request with its model and source image, ready for `begin`."""

    request: VideoRequest
    model: str
    """The model to use."""
    source_image: bytes = field(repr=False)
    """The source image as an upright JPEG."""
    source_image_url: str = ""
    """Public URL of the source image; empty without one."""


class VideoProvider(ABC):
    """A provider of generated videos. One instance per process serves many calls at once.

    `begin` returns an id quickly and `fetch` waits for the video, so that the service can record the id of a paid video
    before any long wait.
    """

    name: str
    """Name of the provider in requests and results."""
    max_source_image_bytes: int
    """Largest source image that the provider accepts."""
    models: Mapping[str, ModelInfo] = {}
    """The known models by name, each with the trait seconds_by_resolution."""
    default_model: str = ""
    """Model for requests that name none."""
    outlives_process: bool = True
    """Whether a generation continues when this process ends; if not, beginning again is free."""

    def apply_defaults(self, request: VideoRequest) -> VideoRequest:
        """Return the request with the duration and the resolution that a known model gets when the request has none.

        A model that is not known chooses them itself.
        """
        model = self.models.get(request.model or self.default_model)
        if model is None:
            return request
        offered = list(model.traits["seconds_by_resolution"]) or [DEFAULT_RESOLUTION]
        default = DEFAULT_RESOLUTION if DEFAULT_RESOLUTION in offered else offered[0]
        return replace(request, seconds=request.length_seconds, resolution=request.resolution or default)

    @abstractmethod
    def choose_model(self, request: VideoRequest) -> str:
        """Return the model for a request; makes no network call.

        Raises:
            MediaError: VALIDATION_ERROR, no model supports it, naming the field; API_KEY_MISSING.
        """

    @abstractmethod
    async def begin(self, spec: VideoSpec) -> str:
        """Begin a video and return its id: letters, digits, hyphens and underscores. This call costs money.

        Raises:
            MediaError: API_KEY_MISSING, PROVIDER_REJECTED_KEY, PROVIDER_QUOTA_EXCEEDED, PROVIDER_BUSY,
                PROVIDER_UNAVAILABLE, PROVIDER_TIMEOUT, CONTENT_BLOCKED, VALIDATION_ERROR or GENERATION_FAILED. If
                the provider may charge for the video, the metadata contain
                `services.common.errors.MAY_BE_CHARGED_KEY`.
        """

    @abstractmethod
    async def fetch(self, prediction_id: str, folder: Path, report: ReportProgress) -> Path:
        """Wait until the video is complete, download it into `folder` and return its path.

        Raises:
            MediaError: The generation failed, or the video is no longer available.
        """

    async def find(self, spec: VideoSpec, since: datetime) -> str | None:
        """Return the id of a video started with `spec` at `since` or later, or None. Costs nothing.

        Raises:
            MediaError: The provider does not answer.
        """
        return None

    @abstractmethod
    async def cancel(self, prediction_id: str) -> bool:
        """Cancel a generation and return whether it was still running.

        Raises:
            MediaError: The provider does not answer.
        """
