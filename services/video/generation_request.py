"""A request for a generated video: what to generate, for which destination, and how it relates to other requests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import orjson

from services.common.errors import Reason, invalid
from services.video.providers.interface import VideoRequest
from services.video.video_store import Destination


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request for a video."""

    request: VideoRequest
    image_url: str = ""
    """URL or data URI of the source image; empty where `image_key` is set."""
    image_key: str = ""
    """Object key of the source image."""
    provider: str = ""
    """Name of the provider; empty for the default."""
    destination: Destination = field(default_factory=Destination)
    """Where to store the video."""
    detach: bool = False
    """Whether the generation continues when the caller leaves."""
    request_id: str = ""
    """Id that the caller gave the request; empty for none."""
    use_cache: bool = True
    """Whether the video may be shared with identical requests, in flight and through the cache."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the fields that determine the video."""
        request = self.request
        parts = [
            request.prompt,
            request.seconds,
            request.resolution,
            request.model,
            request.prompt_optimizer,
            request.model_input,
        ]
        parts += [request.image_input_name, self.image_url, self.image_key, self.provider, self.destination.object_key]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def check_fingerprint(self, earlier: str) -> None:
        """Raise if an earlier call used the same request id for another request.

        Args:
            earlier: Fingerprint of the earlier request.

        Raises:
            MediaError: ALREADY_EXISTS.
        """
        if earlier != self.fingerprint:
            raise invalid("request_id", "was used for another request; choose another", Reason.ALREADY_EXISTS)
