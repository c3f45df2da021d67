"""Converts between the contract's messages and the domain's types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from media.video.v1 import video_pb2

from services.common.errors import invalid
from services.common.rpc.converters import CACHE_STATUSES, to_timestamp
from services.common.storage.keys import resolve_own_key
from services.common.text.normalization import clean_text
from services.common.timing.alignment import Alignment
from services.video.duration_policy import LengthPolicy
from services.video.generation_request import GenerationRequest
from services.video.generation_task import GenerationStatus
from services.video.inputs import Source
from services.video.mux import DEFAULT_DELAY_MS, CaptionRequest, MuxRequest, MuxResult
from services.video.probe import MediaFile, StreamInfo
from services.video.progress import Progress, State
from services.video.providers.interface import VideoProvider, VideoRequest
from services.video.records import GenerationRecord
from services.video.video_store import CONTENT_TYPE, Destination, RecordedVideo, StoredVideo, VideoUrl

_EXACT = 2**53
_POLICIES: Mapping[video_pb2.LengthPolicy, LengthPolicy] = {
    video_pb2.LENGTH_POLICY_UNSPECIFIED: LengthPolicy.FREEZE,
    video_pb2.LENGTH_POLICY_SHORTEST: LengthPolicy.SHORTEST,
    video_pb2.LENGTH_POLICY_FREEZE: LengthPolicy.FREEZE,
    video_pb2.LENGTH_POLICY_LOOP: LengthPolicy.LOOP,
}
_STATES: Mapping[State, video_pb2.VideoState] = {
    State.QUEUED: video_pb2.VIDEO_STATE_QUEUED,
    State.RUNNING: video_pb2.VIDEO_STATE_RUNNING,
    State.STORING: video_pb2.VIDEO_STATE_STORING,
}
_POLICY_VALUES: Mapping[LengthPolicy, video_pb2.LengthPolicy] = {
    LengthPolicy.SHORTEST: video_pb2.LENGTH_POLICY_SHORTEST,
    LengthPolicy.FREEZE: video_pb2.LENGTH_POLICY_FREEZE,
    LengthPolicy.LOOP: video_pb2.LENGTH_POLICY_LOOP,
}
_DIGITS = 3


def to_generation_request(request: video_pb2.GenerateVideoRequest, principal: str) -> GenerationRequest:
    """Convert a request of `principal` for a video.

    Raises:
        MediaError: VALIDATION_ERROR or PERMISSION_DENIED, the object key cannot be used.
    """
    return GenerationRequest(
        request=VideoRequest(
            prompt=clean_text(request.prompt),
            seconds=request.seconds,
            resolution=request.resolution,
            model=request.model,
            prompt_optimizer=request.prompt_optimizer if request.HasField("prompt_optimizer") else True,
            model_input=_to_model_input(request),
            image_input_name=request.image_input_name,
        ),
        image_url=request.image_url,
        image_key=request.image_key,
        provider=request.provider,
        destination=_to_destination(request, principal),
        detach=request.detach,
        request_id=request.request_id,
        use_cache=request.use_cache if request.HasField("use_cache") else True,
    )


def to_mux_request(request: video_pb2.MuxVideoRequest, principal: str) -> MuxRequest:
    """Convert a request of `principal` for a mux.

    Raises:
        MediaError: VALIDATION_ERROR or PERMISSION_DENIED, the object key cannot be used; VALIDATION_ERROR, the lists of
            the alignment differ in length.
    """
    delay_ms = request.audio_delay_ms if request.HasField("audio_delay_ms") else DEFAULT_DELAY_MS
    return MuxRequest(
        video=to_source(request.video),
        audio=to_source(request.audio),
        audio_delay_ms=delay_ms,
        policy=_POLICIES[request.length_policy],
        captions=_to_caption_request(request.captions) if request.HasField("captions") else None,
        stream_media=request.stream_media,
        destination=_to_destination(request, principal),
    )


def _to_destination(request: video_pb2.GenerateVideoRequest | video_pb2.MuxVideoRequest, principal: str) -> Destination:
    key = request.object_key
    return Destination(resolve_own_key(key, principal, "object_key") if key else "", request.overwrite)


def to_source(source: video_pb2.MediaSource) -> Source:
    """Convert the source of a file."""
    return Source(source.key, source.url, source.data)


def to_progress(progress: Progress) -> video_pb2.VideoProgress:
    """Convert the progress of a mux."""
    return video_pb2.VideoProgress(
        state=_STATES[progress.state],
        percent=round(progress.percent, 1),
        estimated=progress.estimated,
        queue_position=progress.queue_position,
    )


def to_generation_progress(item: GenerationStatus) -> video_pb2.VideoProgress:
    """Convert the progress of a generation."""
    message = to_progress(item.progress)
    message.prediction_id, message.provider, message.model = item.prediction_id, item.provider, item.model
    return message


def to_video_models(provider: VideoProvider) -> list[video_pb2.VideoModel]:
    """Return the messages for the known models of a provider."""
    return [
        video_pb2.VideoModel(
            provider=provider.name,
            model=name,
            is_default=name == provider.default_model,
            shapes=[
                video_pb2.VideoShape(resolution=resolution, seconds=seconds)
                for resolution, seconds in model.traits["seconds_by_resolution"].items()
            ],
            end_date=model.end_date,
            successor=model.successor,
        )
        for name, model in provider.models.items()
    ]


def to_generated_video(record: GenerationRecord, video: StoredVideo, url: VideoUrl) -> video_pb2.GeneratedVideo:
    """Convert a finished generation."""
    return video_pb2.GeneratedVideo(
        file=to_video_file(video, url),
        provider=record.provider,
        model=record.model,
        prediction_id=record.prediction_id,
        seconds=record.seconds,
        resolution=record.resolution,
        prompt=record.prompt,
        cache_status=CACHE_STATUSES[record.cache_status],
    )


def to_muxed_video(found: MuxResult, request: MuxRequest, url: VideoUrl) -> video_pb2.MuxedVideo:
    """Convert a finished mux."""
    durations = found.durations
    return video_pb2.MuxedVideo(
        file=to_video_file(found.video, url),
        speech_seconds=_round(found.speech_seconds),
        video_seconds=_round(found.video_seconds),
        audio_delay_ms=request.audio_delay_ms,
        length_policy=_POLICY_VALUES[request.policy],
        cut_speech_seconds=_round(durations.cut_speech_seconds),
        cut_video_seconds=_round(durations.cut_video_seconds),
        frozen_seconds=_round(durations.freeze_seconds),
        looped_seconds=_round(durations.looped_seconds),
        video_copied=found.video_copied,
    )


def to_video_file(video: StoredVideo, url: VideoUrl) -> video_pb2.VideoFile:
    """Convert a stored video."""
    stream = video.media.video
    return video_pb2.VideoFile(
        key=video.key,
        url=url.url,
        url_expire_time=None if url.expires_at is None else to_timestamp(url.expires_at),
        content_type=CONTENT_TYPE,
        size_bytes=video.media.size_bytes,
        sha256=video.sha256,
        duration_seconds=_round(video.media.duration_seconds),
        width=stream.width if stream else 0,
        height=stream.height if stream else 0,
        frame_rate=_round(stream.frame_rate) if stream else 0.0,
        streams=[_to_stream(item) for item in video.media.streams],
    )


def to_recorded_video(found: RecordedVideo, url: VideoUrl) -> video_pb2.StoredVideo:
    """Convert a video with its record."""
    file, origin = to_video_file(found.video, url), found.origin
    return video_pb2.StoredVideo(
        key=file.key,
        url=file.url,
        url_expire_time=file.url_expire_time if file.HasField("url_expire_time") else None,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        width=file.width,
        height=file.height,
        create_time=to_timestamp(found.stored_at),
        duration_seconds=file.duration_seconds,
        frame_rate=file.frame_rate,
        streams=file.streams,
        provider=origin.provider,
        model=origin.model,
        prompt=origin.prompt,
        prediction_id=origin.prediction_id,
    )


def to_media_info(media: MediaFile) -> video_pb2.MediaInfo:
    """Convert the container and streams of a file."""
    return video_pb2.MediaInfo(
        container=media.container,
        duration_seconds=_round(media.duration_seconds),
        size_bytes=media.size_bytes,
        streams=[_to_stream(stream) for stream in media.streams],
    )


def _to_model_input(request: video_pb2.GenerateVideoRequest) -> dict[str, Any]:
    try:
        found: dict[str, Any] = _clean_json(MessageToDict(request.model_input))
    except ValueError:
        raise invalid("model_input", "must contain only finite numbers") from None
    return found


def _clean_json(value: Any) -> Any:
    """Return JSON with clean texts, and 6 in place of 6.0: a Struct holds only floats, which models may reject."""
    if isinstance(value, dict):
        return {clean_text(name): _clean_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean_json(item) for item in value]
    if isinstance(value, str):
        return clean_text(value)
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT
    return int(value) if exact else value


def _to_caption_request(captions: video_pb2.Captions) -> CaptionRequest:
    lists = captions.alignment
    try:
        alignment = Alignment(
            tuple(lists.characters),
            tuple(lists.character_start_times_seconds),
            tuple(lists.character_end_times_seconds),
        )
    except ValueError as error:
        raise invalid("captions.alignment", str(error)) from None
    if not all(map(math.isfinite, (*alignment.starts_seconds, *alignment.ends_seconds))):
        raise invalid("captions.alignment", "must contain only finite times")
    burned = captions.mode == video_pb2.CAPTION_MODE_BURNED
    return CaptionRequest(alignment, burned, captions.language or "und")


def _to_stream(stream: StreamInfo) -> video_pb2.MediaStream:
    return video_pb2.MediaStream(
        kind=stream.kind,
        codec=stream.codec,
        duration_seconds=_round(stream.duration_seconds),
        width=stream.width,
        height=stream.height,
        frame_rate=_round(stream.frame_rate),
        sample_rate_hz=stream.sample_rate_hz,
        channels=stream.channels,
    )


def _round(number: float) -> float:
    return round(number, _DIGITS)
