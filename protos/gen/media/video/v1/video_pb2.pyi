import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from media.common.v1 import alignment_pb2 as _alignment_pb2
from media.common.v1 import cache_pb2 as _cache_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VideoState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIDEO_STATE_UNSPECIFIED: _ClassVar[VideoState]
    VIDEO_STATE_QUEUED: _ClassVar[VideoState]
    VIDEO_STATE_RUNNING: _ClassVar[VideoState]
    VIDEO_STATE_STORING: _ClassVar[VideoState]

class LengthPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LENGTH_POLICY_UNSPECIFIED: _ClassVar[LengthPolicy]
    LENGTH_POLICY_SHORTEST: _ClassVar[LengthPolicy]
    LENGTH_POLICY_FREEZE: _ClassVar[LengthPolicy]
    LENGTH_POLICY_LOOP: _ClassVar[LengthPolicy]

class CaptionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPTION_MODE_UNSPECIFIED: _ClassVar[CaptionMode]
    CAPTION_MODE_TRACK: _ClassVar[CaptionMode]
    CAPTION_MODE_BURNED: _ClassVar[CaptionMode]
VIDEO_STATE_UNSPECIFIED: VideoState
VIDEO_STATE_QUEUED: VideoState
VIDEO_STATE_RUNNING: VideoState
VIDEO_STATE_STORING: VideoState
LENGTH_POLICY_UNSPECIFIED: LengthPolicy
LENGTH_POLICY_SHORTEST: LengthPolicy
LENGTH_POLICY_FREEZE: LengthPolicy
LENGTH_POLICY_LOOP: LengthPolicy
CAPTION_MODE_UNSPECIFIED: CaptionMode
CAPTION_MODE_TRACK: CaptionMode
CAPTION_MODE_BURNED: CaptionMode

class MediaSource(_message.Message):
    __slots__ = ("key", "url", "data")
    KEY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    key: str
    url: str
    data: bytes
    def __init__(self, key: _Optional[str] = ..., url: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class MediaStream(_message.Message):
    __slots__ = ("kind", "codec", "duration_seconds", "width", "height", "frame_rate", "sample_rate_hz", "channels")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    codec: str
    duration_seconds: float
    width: int
    height: int
    frame_rate: float
    sample_rate_hz: int
    channels: int
    def __init__(self, kind: _Optional[str] = ..., codec: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frame_rate: _Optional[float] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...

class MediaInfo(_message.Message):
    __slots__ = ("container", "duration_seconds", "size_bytes", "streams")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    container: str
    duration_seconds: float
    size_bytes: int
    streams: _containers.RepeatedCompositeFieldContainer[MediaStream]
    def __init__(self, container: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., size_bytes: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[MediaStream, _Mapping]]] = ...) -> None: ...

class VideoFile(_message.Message):
    __slots__ = ("key", "url", "url_expire_time", "content_type", "size_bytes", "sha256", "duration_seconds", "width", "height", "frame_rate", "streams")
    KEY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    key: str
    url: str
    url_expire_time: _timestamp_pb2.Timestamp
    content_type: str
    size_bytes: int
    sha256: str
    duration_seconds: float
    width: int
    height: int
    frame_rate: float
    streams: _containers.RepeatedCompositeFieldContainer[MediaStream]
    def __init__(self, key: _Optional[str] = ..., url: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frame_rate: _Optional[float] = ..., streams: _Optional[_Iterable[_Union[MediaStream, _Mapping]]] = ...) -> None: ...

class VideoProgress(_message.Message):
    __slots__ = ("state", "percent", "estimated", "prediction_id", "provider", "model", "queue_position")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    state: VideoState
    percent: float
    estimated: bool
    prediction_id: str
    provider: str
    model: str
    queue_position: int
    def __init__(self, state: _Optional[_Union[VideoState, str]] = ..., percent: _Optional[float] = ..., estimated: _Optional[bool] = ..., prediction_id: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., queue_position: _Optional[int] = ...) -> None: ...

class GenerateVideoRequest(_message.Message):
    __slots__ = ("prompt", "image_url", "image_key", "seconds", "resolution", "model", "provider", "prompt_optimizer", "model_input", "image_input_name", "detach", "request_id", "object_key", "overwrite", "use_cache")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_KEY_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    MODEL_INPUT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_INPUT_NAME_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_KEY_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    image_url: str
    image_key: str
    seconds: int
    resolution: str
    model: str
    provider: str
    prompt_optimizer: bool
    model_input: _struct_pb2.Struct
    image_input_name: str
    detach: bool
    request_id: str
    object_key: str
    overwrite: bool
    use_cache: bool
    def __init__(self, prompt: _Optional[str] = ..., image_url: _Optional[str] = ..., image_key: _Optional[str] = ..., seconds: _Optional[int] = ..., resolution: _Optional[str] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., prompt_optimizer: _Optional[bool] = ..., model_input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., image_input_name: _Optional[str] = ..., detach: _Optional[bool] = ..., request_id: _Optional[str] = ..., object_key: _Optional[str] = ..., overwrite: _Optional[bool] = ..., use_cache: _Optional[bool] = ...) -> None: ...

class GeneratedVideo(_message.Message):
    __slots__ = ("file", "provider", "model", "prediction_id", "seconds", "resolution", "prompt", "cache_status")
    FILE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CACHE_STATUS_FIELD_NUMBER: _ClassVar[int]
    file: VideoFile
    provider: str
    model: str
    prediction_id: str
    seconds: int
    resolution: str
    prompt: str
    cache_status: _cache_pb2.CacheStatus
    def __init__(self, file: _Optional[_Union[VideoFile, _Mapping]] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., prediction_id: _Optional[str] = ..., seconds: _Optional[int] = ..., resolution: _Optional[str] = ..., prompt: _Optional[str] = ..., cache_status: _Optional[_Union[_cache_pb2.CacheStatus, str]] = ...) -> None: ...

class GenerateVideoResponse(_message.Message):
    __slots__ = ("progress", "video")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    progress: VideoProgress
    video: GeneratedVideo
    def __init__(self, progress: _Optional[_Union[VideoProgress, _Mapping]] = ..., video: _Optional[_Union[GeneratedVideo, _Mapping]] = ...) -> None: ...

class ListVideoModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVideoModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[VideoModel]
    def __init__(self, models: _Optional[_Iterable[_Union[VideoModel, _Mapping]]] = ...) -> None: ...

class VideoModel(_message.Message):
    __slots__ = ("provider", "model", "is_default", "shapes", "end_date", "successor")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    is_default: bool
    shapes: _containers.RepeatedCompositeFieldContainer[VideoShape]
    end_date: str
    successor: str
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ..., is_default: _Optional[bool] = ..., shapes: _Optional[_Iterable[_Union[VideoShape, _Mapping]]] = ..., end_date: _Optional[str] = ..., successor: _Optional[str] = ...) -> None: ...

class VideoShape(_message.Message):
    __slots__ = ("resolution", "seconds")
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    resolution: str
    seconds: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, resolution: _Optional[str] = ..., seconds: _Optional[_Iterable[int]] = ...) -> None: ...

class ResumeVideoRequest(_message.Message):
    __slots__ = ("prediction_id", "detach")
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    detach: bool
    def __init__(self, prediction_id: _Optional[str] = ..., detach: _Optional[bool] = ...) -> None: ...

class ResumeVideoResponse(_message.Message):
    __slots__ = ("progress", "video")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    progress: VideoProgress
    video: GeneratedVideo
    def __init__(self, progress: _Optional[_Union[VideoProgress, _Mapping]] = ..., video: _Optional[_Union[GeneratedVideo, _Mapping]] = ...) -> None: ...

class CancelVideoRequest(_message.Message):
    __slots__ = ("prediction_id", "request_id")
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    request_id: str
    def __init__(self, prediction_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CancelVideoResponse(_message.Message):
    __slots__ = ("cancelled",)
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    cancelled: bool
    def __init__(self, cancelled: _Optional[bool] = ...) -> None: ...

class Captions(_message.Message):
    __slots__ = ("alignment", "mode", "language")
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    alignment: _alignment_pb2.Alignment
    mode: CaptionMode
    language: str
    def __init__(self, alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ..., mode: _Optional[_Union[CaptionMode, str]] = ..., language: _Optional[str] = ...) -> None: ...

class MuxVideoRequest(_message.Message):
    __slots__ = ("video", "audio", "audio_delay_ms", "length_policy", "captions", "stream_media", "object_key", "overwrite")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_POLICY_FIELD_NUMBER: _ClassVar[int]
    CAPTIONS_FIELD_NUMBER: _ClassVar[int]
    STREAM_MEDIA_FIELD_NUMBER: _ClassVar[int]
    OBJECT_KEY_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    video: MediaSource
    audio: MediaSource
    audio_delay_ms: int
    length_policy: LengthPolicy
    captions: Captions
    stream_media: bool
    object_key: str
    overwrite: bool
    def __init__(self, video: _Optional[_Union[MediaSource, _Mapping]] = ..., audio: _Optional[_Union[MediaSource, _Mapping]] = ..., audio_delay_ms: _Optional[int] = ..., length_policy: _Optional[_Union[LengthPolicy, str]] = ..., captions: _Optional[_Union[Captions, _Mapping]] = ..., stream_media: _Optional[bool] = ..., object_key: _Optional[str] = ..., overwrite: _Optional[bool] = ...) -> None: ...

class MuxedVideo(_message.Message):
    __slots__ = ("file", "speech_seconds", "video_seconds", "audio_delay_ms", "length_policy", "cut_speech_seconds", "cut_video_seconds", "frozen_seconds", "looped_seconds", "video_copied")
    FILE_FIELD_NUMBER: _ClassVar[int]
    SPEECH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_POLICY_FIELD_NUMBER: _ClassVar[int]
    CUT_SPEECH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CUT_VIDEO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FROZEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LOOPED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_COPIED_FIELD_NUMBER: _ClassVar[int]
    file: VideoFile
    speech_seconds: float
    video_seconds: float
    audio_delay_ms: int
    length_policy: LengthPolicy
    cut_speech_seconds: float
    cut_video_seconds: float
    frozen_seconds: float
    looped_seconds: float
    video_copied: bool
    def __init__(self, file: _Optional[_Union[VideoFile, _Mapping]] = ..., speech_seconds: _Optional[float] = ..., video_seconds: _Optional[float] = ..., audio_delay_ms: _Optional[int] = ..., length_policy: _Optional[_Union[LengthPolicy, str]] = ..., cut_speech_seconds: _Optional[float] = ..., cut_video_seconds: _Optional[float] = ..., frozen_seconds: _Optional[float] = ..., looped_seconds: _Optional[float] = ..., video_copied: _Optional[bool] = ...) -> None: ...

class MuxVideoResponse(_message.Message):
    __slots__ = ("progress", "media_chunk", "video")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_CHUNK_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    progress: VideoProgress
    media_chunk: bytes
    video: MuxedVideo
    def __init__(self, progress: _Optional[_Union[VideoProgress, _Mapping]] = ..., media_chunk: _Optional[bytes] = ..., video: _Optional[_Union[MuxedVideo, _Mapping]] = ...) -> None: ...

class ProbeMediaRequest(_message.Message):
    __slots__ = ("media",)
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media: MediaSource
    def __init__(self, media: _Optional[_Union[MediaSource, _Mapping]] = ...) -> None: ...

class ProbeMediaResponse(_message.Message):
    __slots__ = ("info",)
    INFO_FIELD_NUMBER: _ClassVar[int]
    info: MediaInfo
    def __init__(self, info: _Optional[_Union[MediaInfo, _Mapping]] = ...) -> None: ...

class StoredVideo(_message.Message):
    __slots__ = ("key", "url", "url_expire_time", "content_type", "size_bytes", "sha256", "width", "height", "create_time", "duration_seconds", "frame_rate", "streams", "provider", "model", "prompt", "prediction_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    url: str
    url_expire_time: _timestamp_pb2.Timestamp
    content_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    create_time: _timestamp_pb2.Timestamp
    duration_seconds: float
    frame_rate: float
    streams: _containers.RepeatedCompositeFieldContainer[MediaStream]
    provider: str
    model: str
    prompt: str
    prediction_id: str
    def __init__(self, key: _Optional[str] = ..., url: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration_seconds: _Optional[float] = ..., frame_rate: _Optional[float] = ..., streams: _Optional[_Iterable[_Union[MediaStream, _Mapping]]] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., prompt: _Optional[str] = ..., prediction_id: _Optional[str] = ...) -> None: ...

class GetVideoRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class GetVideoResponse(_message.Message):
    __slots__ = ("video",)
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    video: StoredVideo
    def __init__(self, video: _Optional[_Union[StoredVideo, _Mapping]] = ...) -> None: ...

class ListVideosRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListVideosResponse(_message.Message):
    __slots__ = ("videos", "next_page_token")
    VIDEOS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    videos: _containers.RepeatedCompositeFieldContainer[StoredVideo]
    next_page_token: str
    def __init__(self, videos: _Optional[_Iterable[_Union[StoredVideo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteVideoRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class DeleteVideoResponse(_message.Message):
    __slots__ = ("deleted_keys",)
    DELETED_KEYS_FIELD_NUMBER: _ClassVar[int]
    deleted_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deleted_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class ReceiveWebhookRequest(_message.Message):
    __slots__ = ("provider", "webhook_id", "webhook_timestamp", "webhook_signature", "body")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    provider: str
    webhook_id: str
    webhook_timestamp: str
    webhook_signature: str
    body: bytes
    def __init__(self, provider: _Optional[str] = ..., webhook_id: _Optional[str] = ..., webhook_timestamp: _Optional[str] = ..., webhook_signature: _Optional[str] = ..., body: _Optional[bytes] = ...) -> None: ...

class ReceiveWebhookResponse(_message.Message):
    __slots__ = ("awaited",)
    AWAITED_FIELD_NUMBER: _ClassVar[int]
    awaited: bool
    def __init__(self, awaited: _Optional[bool] = ...) -> None: ...

class CheckVideoRequest(_message.Message):
    __slots__ = ("request", "image_is_pending", "burned_text")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    IMAGE_IS_PENDING_FIELD_NUMBER: _ClassVar[int]
    BURNED_TEXT_FIELD_NUMBER: _ClassVar[int]
    request: GenerateVideoRequest
    image_is_pending: bool
    burned_text: str
    def __init__(self, request: _Optional[_Union[GenerateVideoRequest, _Mapping]] = ..., image_is_pending: _Optional[bool] = ..., burned_text: _Optional[str] = ...) -> None: ...

class CheckVideoResponse(_message.Message):
    __slots__ = ("provider", "model")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...
