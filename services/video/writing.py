"""From videos to the contract's messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from media.video.v1 import video_pb2

from services.video.duration_policy import Policy
from services.video.generation_task import GenerationStatus
from services.video.mux import MuxRequest, MuxResult
from services.video.probe import MediaFile, StreamInfo
from services.video.progress import Progress, State
from services.video.records import Record
from services.video.video_store import CONTENT_TYPE, StoredVideo, VideoUrl

_STATES: Mapping[State, video_pb2.VideoState] = {
    State.QUEUED: video_pb2.VIDEO_STATE_QUEUED,
    State.RUNNING: video_pb2.VIDEO_STATE_RUNNING,
    State.STORING: video_pb2.VIDEO_STATE_STORING,
}
_POLICIES: Mapping[Policy, video_pb2.LengthPolicy] = {
    Policy.SHORTEST: video_pb2.LENGTH_POLICY_SHORTEST,
    Policy.FREEZE: video_pb2.LENGTH_POLICY_FREEZE,
    Policy.LOOP: video_pb2.LENGTH_POLICY_LOOP,
}
_DIGITS = 3


def to_progress(progress: Progress) -> video_pb2.VideoProgress:
    """Return the message of how far a video is."""
    return video_pb2.VideoProgress(
        state=_STATES[progress.state],
        percent=round(progress.percent, 1),
        estimated=progress.estimated,
        queue_position=progress.queue_position,
    )


def to_status_progress(item: GenerationStatus) -> video_pb2.VideoProgress:
    """Return the message of how far a video is that a provider makes."""
    message = to_progress(item.progress)
    message.prediction_id, message.provider, message.model = item.prediction_id, item.provider, item.model
    return message


def to_generated_video(record: Record, video: StoredVideo, url: VideoUrl) -> video_pb2.GeneratedVideo:
    """Return the message of a video that a provider made."""
    return video_pb2.GeneratedVideo(
        file=to_video_file(video, url),
        provider=record.provider,
        model=record.model,
        prediction_id=record.prediction_id,
        seconds=record.seconds,
        resolution=record.resolution,
        prompt=record.prompt,
    )


def to_muxed_video(found: MuxResult, request: MuxRequest, url: VideoUrl) -> video_pb2.MuxedVideo:
    """Return the message of a video with speech."""
    planned = found.lengths
    return video_pb2.MuxedVideo(
        file=to_video_file(found.video, url),
        speech_seconds=_round(found.speech_seconds),
        video_seconds=_round(found.video_seconds),
        audio_delay_ms=request.audio_delay_ms,
        length_policy=_POLICIES[request.policy],
        cut_speech_seconds=_round(planned.cut_speech_seconds),
        cut_video_seconds=_round(planned.cut_video_seconds),
        frozen_seconds=_round(planned.freeze_seconds),
        looped_seconds=_round(planned.looped_seconds),
        video_copied=found.video_copied,
    )


def to_video_file(video: StoredVideo, url: VideoUrl) -> video_pb2.VideoFile:
    """Return the message of a stored video."""
    image = video.media.video
    return video_pb2.VideoFile(
        key=video.key,
        url=url.url,
        url_expire_time=None if url.expires_at is None else _timestamp(url.expires_at),
        content_type=CONTENT_TYPE,
        size_bytes=video.media.size_bytes,
        sha256=video.sha256,
        duration_seconds=_round(video.media.duration_seconds),
        width=image.width if image else 0,
        height=image.height if image else 0,
        frame_rate=_round(image.frame_rate) if image else 0.0,
        streams=[_stream(stream) for stream in video.media.streams],
    )


def to_media_info(media: MediaFile) -> video_pb2.MediaInfo:
    """Return the message of what a file is made of."""
    return video_pb2.MediaInfo(
        container=media.container,
        duration_seconds=_round(media.duration_seconds),
        size_bytes=media.size_bytes,
        streams=[_stream(stream) for stream in media.streams],
    )


def _stream(stream: StreamInfo) -> video_pb2.MediaStream:
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


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
