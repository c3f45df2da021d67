"""What every engine that makes videos offers, and the words that the service and engines share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from services.video.progress import Progress

DEFAULT_SECONDS = 6
DEFAULT_RESOLUTION = "768p"

Tell = Callable[[Progress], None]
"""Takes how far a video is."""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """What a caller wants of an engine, its fields checked against the contract."""

    prompt: str
    """What is to happen; not blank."""
    seconds: int = 0
    """Length, 1 to 60; 0 leaves it open."""
    resolution: str = ""
    """512p, 768p or 1080p; empty leaves it open."""
    model: str = ""
    """The engine's model; empty for its usual one."""
    prompt_optimizer: bool = True
    """Whether the engine may rewrite the prompt."""
    model_input: Mapping[str, Any] = field(default_factory=dict)
    """Further inputs of a model that has no table."""
    image_input_name: str = ""
    """What such a model calls the still; empty for the usual name."""

    @property
    def length_seconds(self) -> int:
        """The length, the usual one where it was left open."""
        return self.seconds or DEFAULT_SECONDS

    @property
    def shorter_side(self) -> str:
        """The resolution, the usual one where it was left open."""
        return self.resolution or DEFAULT_RESOLUTION


@dataclass(frozen=True, slots=True)
class VideoSpec:
    """A wish that the engine has agreed to, with its still."""

    request: VideoRequest
    model: str
    """The model that makes it."""
    source_image: bytes = field(repr=False)
    """The still as a JPEG, upright, of the image's own size."""
    source_image_url: str = ""
    """Where anybody can read the still; empty if nobody can."""


class VideoProvider(ABC):
    """An engine that makes videos.

    A video is begun by one call and brought by another, so that its id is known, and can be written down, before
    anything takes long. An instance is opened once per process and used by many calls at once.
    """

    name: str
    """Name in requests and results."""
    max_source_image_bytes: int
    """Longest file that it takes as a still."""
    outlives_process: bool = True
    """Whether what it has begun goes on without this process; if not, it costs nothing to begin again."""

    @abstractmethod
    def model_for(self, request: VideoRequest) -> str:
        """Return the model that makes what is wished; asks nobody.

        Raises:
            MediaError: VALIDATION_ERROR, no model makes it, naming the field; API_KEY_MISSING.
        """

    @abstractmethod
    async def begin(self, spec: VideoSpec) -> str:
        """Begin a video and returns the id of it: letters, digits, hyphens and underscores. What costs money is this.

        Raises:
            MediaError: API_KEY_MISSING, PROVIDER_REJECTED_KEY, PROVIDER_QUOTA_EXCEEDED, PROVIDER_BUSY,
                PROVIDER_UNAVAILABLE, PROVIDER_TIMEOUT, CONTENT_BLOCKED, VALIDATION_ERROR or GENERATION_FAILED. Where
                the video may have been begun, the metadata holds
                `services.common.resilience.error_metadata.MAY_BE_CHARGED_KEY`.
        """

    @abstractmethod
    async def bring(self, prediction_id: str, folder: Path, tell: Tell) -> Path:
        """Wait until a video is made and returns it as a file in `folder`.

        Raises:
            MediaError: The video failed, or cannot be had any more.
        """

    async def find(self, spec: VideoSpec, since: datetime) -> str | None:
        """Return the id of a video that was begun by `spec` at `since` or later, if there is one; costs nothing.

        Raises:
            MediaError: The provider cannot be asked.
        """
        return None

    @abstractmethod
    async def cancel(self, prediction_id: str) -> bool:
        """End the work on a video and tells whether there was any.

        Raises:
            MediaError: The provider cannot be asked.
        """
