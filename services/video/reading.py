"""From the contract's messages to wishes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from media.video.v1 import video_pb2

from services.common.errors import invalid
from services.common.timing.alignment import Alignment
from services.video.duration_policy import Policy
from services.video.generation import GenerationRequest
from services.video.inputs import Source
from services.video.mux import DEFAULT_DELAY_MS, CaptionRequest, MuxRequest
from services.video.providers.interface import VideoRequest
from services.video.video_store import Place

_EXACT = 2**53
_POLICIES: Mapping[video_pb2.LengthPolicy, Policy] = {
    video_pb2.LENGTH_POLICY_UNSPECIFIED: Policy.FREEZE,
    video_pb2.LENGTH_POLICY_SHORTEST: Policy.SHORTEST,
    video_pb2.LENGTH_POLICY_FREEZE: Policy.FREEZE,
    video_pb2.LENGTH_POLICY_LOOP: Policy.LOOP,
}


def to_generation_request(request: video_pb2.GenerateVideoRequest) -> GenerationRequest:
    """Return the video that `request` asks for."""
    return GenerationRequest(
        request=VideoRequest(
            prompt=request.prompt,
            seconds=request.seconds,
            resolution=request.resolution,
            model=request.model,
            prompt_optimizer=request.prompt_optimizer if request.HasField("prompt_optimizer") else True,
            model_input=_model_input(request),
            image_input_name=request.image_input_name,
        ),
        image_url=request.image_url,
        image_key=request.image_key,
        provider=request.provider,
        place=Place(request.object_key, request.overwrite),
        detach=request.detach,
        request_id=request.request_id,
    )


def _model_input(request: video_pb2.GenerateVideoRequest) -> dict[str, Any]:
    try:
        found: dict[str, Any] = _whole_numbers(MessageToDict(request.model_input))
    except ValueError:
        raise invalid("model_input", "must hold finite numbers only") from None
    return found


def to_mux_request(request: video_pb2.MuxVideoRequest) -> MuxRequest:
    """Return what `request` wants laid together.

    Raises:
        MediaError: VALIDATION_ERROR, the lists of the captions differ in length.
    """
    delay_ms = request.audio_delay_ms if request.HasField("audio_delay_ms") else DEFAULT_DELAY_MS
    return MuxRequest(
        video=to_source(request.video),
        audio=to_source(request.audio),
        audio_delay_ms=delay_ms,
        policy=_POLICIES[request.length_policy],
        captions=_captions(request.captions) if request.HasField("captions") else None,
        stream_media=request.stream_media,
        place=Place(request.object_key, request.overwrite),
    )


def to_source(source: video_pb2.MediaSource) -> Source:
    """Return where a file is."""
    return Source(source.key, source.url, source.data)


def _captions(captions: video_pb2.Captions) -> CaptionRequest:
    given = captions.alignment
    try:
        alignment = Alignment(
            tuple(given.characters),
            tuple(given.character_start_times_seconds),
            tuple(given.character_end_times_seconds),
        )
    except ValueError as error:
        raise invalid("captions.alignment", str(error)) from None
    if not all(map(math.isfinite, (*alignment.starts_seconds, *alignment.ends_seconds))):
        raise invalid("captions.alignment", "must hold finite times only")
    burned = captions.mode == video_pb2.CAPTION_MODE_BURNED
    return CaptionRequest(alignment, burned, captions.language or "und")


def _whole_numbers(value: Any) -> Any:
    """Return JSON with 6 in place of 6.0: a Struct knows floating-point numbers only, and models refuse them."""
    if isinstance(value, dict):
        return {name: _whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT
    return int(value) if exact else value
