import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from media.common.v1 import alignment_pb2 as _alignment_pb2
from media.common.v1 import error_pb2 as _error_pb2
from media.image.v1 import image_pb2 as _image_pb2
from media.tts.v1 import tts_pb2 as _tts_pb2
from media.video.v1 import video_pb2 as _video_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_KIND_UNSPECIFIED: _ClassVar[JobKind]
    JOB_KIND_ANIMATE: _ClassVar[JobKind]
    JOB_KIND_TALKING_VIDEO: _ClassVar[JobKind]
    JOB_KIND_HEADLINE: _ClassVar[JobKind]
    JOB_KIND_STORY: _ClassVar[JobKind]

class JobStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATUS_UNSPECIFIED: _ClassVar[JobStatus]
    JOB_STATUS_QUEUED: _ClassVar[JobStatus]
    JOB_STATUS_RUNNING: _ClassVar[JobStatus]
    JOB_STATUS_SUCCEEDED: _ClassVar[JobStatus]
    JOB_STATUS_FAILED: _ClassVar[JobStatus]
    JOB_STATUS_CANCELLED: _ClassVar[JobStatus]

class JobCaptions(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_CAPTIONS_UNSPECIFIED: _ClassVar[JobCaptions]
    JOB_CAPTIONS_NONE: _ClassVar[JobCaptions]
    JOB_CAPTIONS_TRACK: _ClassVar[JobCaptions]
    JOB_CAPTIONS_BURNED: _ClassVar[JobCaptions]
JOB_KIND_UNSPECIFIED: JobKind
JOB_KIND_ANIMATE: JobKind
JOB_KIND_TALKING_VIDEO: JobKind
JOB_KIND_HEADLINE: JobKind
JOB_KIND_STORY: JobKind
JOB_STATUS_UNSPECIFIED: JobStatus
JOB_STATUS_QUEUED: JobStatus
JOB_STATUS_RUNNING: JobStatus
JOB_STATUS_SUCCEEDED: JobStatus
JOB_STATUS_FAILED: JobStatus
JOB_STATUS_CANCELLED: JobStatus
JOB_CAPTIONS_UNSPECIFIED: JobCaptions
JOB_CAPTIONS_NONE: JobCaptions
JOB_CAPTIONS_TRACK: JobCaptions
JOB_CAPTIONS_BURNED: JobCaptions

class VideoSpec(_message.Message):
    __slots__ = ("image_url", "image_key", "prompt", "seconds", "resolution", "model", "provider", "prompt_optimizer", "model_input", "image_input_name", "use_cache")
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_KEY_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PROMPT_OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    MODEL_INPUT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_INPUT_NAME_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    image_url: str
    image_key: str
    prompt: str
    seconds: int
    resolution: str
    model: str
    provider: str
    prompt_optimizer: bool
    model_input: _struct_pb2.Struct
    image_input_name: str
    use_cache: bool
    def __init__(self, image_url: _Optional[str] = ..., image_key: _Optional[str] = ..., prompt: _Optional[str] = ..., seconds: _Optional[int] = ..., resolution: _Optional[str] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., prompt_optimizer: _Optional[bool] = ..., model_input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., image_input_name: _Optional[str] = ..., use_cache: _Optional[bool] = ...) -> None: ...

class VoiceSettings(_message.Message):
    __slots__ = ("stability", "similarity_boost", "style", "speed", "use_speaker_boost")
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_BOOST_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    USE_SPEAKER_BOOST_FIELD_NUMBER: _ClassVar[int]
    stability: float
    similarity_boost: float
    style: float
    speed: float
    use_speaker_boost: bool
    def __init__(self, stability: _Optional[float] = ..., similarity_boost: _Optional[float] = ..., style: _Optional[float] = ..., speed: _Optional[float] = ..., use_speaker_boost: _Optional[bool] = ...) -> None: ...

class NarrationSpec(_message.Message):
    __slots__ = ("text", "voice", "provider", "model_id", "output_format", "quality", "voice_settings", "language_code")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    VOICE_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    text: str
    voice: str
    provider: str
    model_id: str
    output_format: str
    quality: _tts_pb2.AudioQuality
    voice_settings: VoiceSettings
    language_code: str
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[str] = ..., provider: _Optional[str] = ..., model_id: _Optional[str] = ..., output_format: _Optional[str] = ..., quality: _Optional[_Union[_tts_pb2.AudioQuality, str]] = ..., voice_settings: _Optional[_Union[VoiceSettings, _Mapping]] = ..., language_code: _Optional[str] = ...) -> None: ...

class AnimateSpec(_message.Message):
    __slots__ = ("video",)
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    video: VideoSpec
    def __init__(self, video: _Optional[_Union[VideoSpec, _Mapping]] = ...) -> None: ...

class TalkingVideoSpec(_message.Message):
    __slots__ = ("video", "narration", "audio_delay_ms", "captions", "length_policy")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    NARRATION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    CAPTIONS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_POLICY_FIELD_NUMBER: _ClassVar[int]
    video: VideoSpec
    narration: NarrationSpec
    audio_delay_ms: int
    captions: JobCaptions
    length_policy: _video_pb2.LengthPolicy
    def __init__(self, video: _Optional[_Union[VideoSpec, _Mapping]] = ..., narration: _Optional[_Union[NarrationSpec, _Mapping]] = ..., audio_delay_ms: _Optional[int] = ..., captions: _Optional[_Union[JobCaptions, str]] = ..., length_policy: _Optional[_Union[_video_pb2.LengthPolicy, str]] = ...) -> None: ...

class HeadlineSpec(_message.Message):
    __slots__ = ("headline", "art_style", "narration", "style_guidelines", "max_length", "image_size", "image_provider", "image_width", "image_height", "image_format", "image_quality", "theme", "use_brand")
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    ART_STYLE_FIELD_NUMBER: _ClassVar[int]
    NARRATION_FIELD_NUMBER: _ClassVar[int]
    STYLE_GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    IMAGE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_QUALITY_FIELD_NUMBER: _ClassVar[int]
    THEME_FIELD_NUMBER: _ClassVar[int]
    USE_BRAND_FIELD_NUMBER: _ClassVar[int]
    headline: str
    art_style: str
    narration: NarrationSpec
    style_guidelines: _containers.RepeatedScalarFieldContainer[str]
    max_length: int
    image_size: str
    image_provider: str
    image_width: int
    image_height: int
    image_format: str
    image_quality: _image_pb2.ImageQuality
    theme: _image_pb2.ImageTheme
    use_brand: bool
    def __init__(self, headline: _Optional[str] = ..., art_style: _Optional[str] = ..., narration: _Optional[_Union[NarrationSpec, _Mapping]] = ..., style_guidelines: _Optional[_Iterable[str]] = ..., max_length: _Optional[int] = ..., image_size: _Optional[str] = ..., image_provider: _Optional[str] = ..., image_width: _Optional[int] = ..., image_height: _Optional[int] = ..., image_format: _Optional[str] = ..., image_quality: _Optional[_Union[_image_pb2.ImageQuality, str]] = ..., theme: _Optional[_Union[_image_pb2.ImageTheme, str]] = ..., use_brand: _Optional[bool] = ...) -> None: ...

class StorySpec(_message.Message):
    __slots__ = ("headline", "motion", "seconds", "resolution", "video_provider", "captions", "audio_delay_ms", "length_policy", "video_model", "prompt_optimizer", "model_input", "image_input_name")
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    MOTION_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    VIDEO_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CAPTIONS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_POLICY_FIELD_NUMBER: _ClassVar[int]
    VIDEO_MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMPT_OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    MODEL_INPUT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_INPUT_NAME_FIELD_NUMBER: _ClassVar[int]
    headline: HeadlineSpec
    motion: str
    seconds: int
    resolution: str
    video_provider: str
    captions: JobCaptions
    audio_delay_ms: int
    length_policy: _video_pb2.LengthPolicy
    video_model: str
    prompt_optimizer: bool
    model_input: _struct_pb2.Struct
    image_input_name: str
    def __init__(self, headline: _Optional[_Union[HeadlineSpec, _Mapping]] = ..., motion: _Optional[str] = ..., seconds: _Optional[int] = ..., resolution: _Optional[str] = ..., video_provider: _Optional[str] = ..., captions: _Optional[_Union[JobCaptions, str]] = ..., audio_delay_ms: _Optional[int] = ..., length_policy: _Optional[_Union[_video_pb2.LengthPolicy, str]] = ..., video_model: _Optional[str] = ..., prompt_optimizer: _Optional[bool] = ..., model_input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., image_input_name: _Optional[str] = ...) -> None: ...

class JobMedia(_message.Message):
    __slots__ = ("key", "url", "url_expire_time", "content_type", "duration_seconds", "width", "height", "provider", "model")
    KEY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    key: str
    url: str
    url_expire_time: _timestamp_pb2.Timestamp
    content_type: str
    duration_seconds: float
    width: int
    height: int
    provider: str
    model: str
    def __init__(self, key: _Optional[str] = ..., url: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_type: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class JobResult(_message.Message):
    __slots__ = ("video", "audio", "final", "image", "prompt", "alignment", "stored_audio_id", "prompt_metadata")
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    STORED_AUDIO_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_METADATA_FIELD_NUMBER: _ClassVar[int]
    video: JobMedia
    audio: JobMedia
    final: JobMedia
    image: JobMedia
    prompt: str
    alignment: _alignment_pb2.Alignment
    stored_audio_id: str
    prompt_metadata: _image_pb2.PromptMetadata
    def __init__(self, video: _Optional[_Union[JobMedia, _Mapping]] = ..., audio: _Optional[_Union[JobMedia, _Mapping]] = ..., final: _Optional[_Union[JobMedia, _Mapping]] = ..., image: _Optional[_Union[JobMedia, _Mapping]] = ..., prompt: _Optional[str] = ..., alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ..., stored_audio_id: _Optional[str] = ..., prompt_metadata: _Optional[_Union[_image_pb2.PromptMetadata, _Mapping]] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("reason", "message", "stage", "details")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    stage: str
    details: _containers.RepeatedCompositeFieldContainer[_error_pb2.FieldError]
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., stage: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_error_pb2.FieldError, _Mapping]]] = ...) -> None: ...

class JobAttempt(_message.Message):
    __slots__ = ("number", "start_time", "end_time", "error")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    number: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    error: JobError
    def __init__(self, number: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "kind", "status", "stage", "percent", "attempt", "attempts", "steps_done", "error", "result", "webhook_url", "request_id", "create_time", "update_time", "revision", "events_url", "events_url_expire_time", "retry_of")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_DONE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_URL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_URL_FIELD_NUMBER: _ClassVar[int]
    EVENTS_URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: JobKind
    status: JobStatus
    stage: str
    percent: float
    attempt: int
    attempts: _containers.RepeatedCompositeFieldContainer[JobAttempt]
    steps_done: _containers.RepeatedScalarFieldContainer[str]
    error: JobError
    result: JobResult
    webhook_url: str
    request_id: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    revision: int
    events_url: str
    events_url_expire_time: _timestamp_pb2.Timestamp
    retry_of: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[JobKind, str]] = ..., status: _Optional[_Union[JobStatus, str]] = ..., stage: _Optional[str] = ..., percent: _Optional[float] = ..., attempt: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[JobAttempt, _Mapping]]] = ..., steps_done: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., result: _Optional[_Union[JobResult, _Mapping]] = ..., webhook_url: _Optional[str] = ..., request_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ..., events_url: _Optional[str] = ..., events_url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry_of: _Optional[str] = ...) -> None: ...

class CreateJobRequest(_message.Message):
    __slots__ = ("animate", "talking_video", "headline", "story", "request_id", "webhook_url")
    ANIMATE_FIELD_NUMBER: _ClassVar[int]
    TALKING_VIDEO_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    STORY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_URL_FIELD_NUMBER: _ClassVar[int]
    animate: AnimateSpec
    talking_video: TalkingVideoSpec
    headline: HeadlineSpec
    story: StorySpec
    request_id: str
    webhook_url: str
    def __init__(self, animate: _Optional[_Union[AnimateSpec, _Mapping]] = ..., talking_video: _Optional[_Union[TalkingVideoSpec, _Mapping]] = ..., headline: _Optional[_Union[HeadlineSpec, _Mapping]] = ..., story: _Optional[_Union[StorySpec, _Mapping]] = ..., request_id: _Optional[str] = ..., webhook_url: _Optional[str] = ...) -> None: ...

class CreateJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class BatchCreateJobsRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[CreateJobRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[CreateJobRequest, _Mapping]]] = ...) -> None: ...

class JobOutcome(_message.Message):
    __slots__ = ("job", "error")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    job: Job
    error: JobError
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ...) -> None: ...

class BatchCreateJobsResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[JobOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[JobOutcome, _Mapping]]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "kind", "status")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    kind: JobKind
    status: JobStatus
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kind: _Optional[_Union[JobKind, str]] = ..., status: _Optional[_Union[JobStatus, str]] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class RetryJobRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RetryJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("id", "after_revision")
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    id: str
    after_revision: int
    def __init__(self, id: _Optional[str] = ..., after_revision: _Optional[int] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ListWebhookDeliveriesRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class WebhookDelivery(_message.Message):
    __slots__ = ("send_time", "status", "error")
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    send_time: _timestamp_pb2.Timestamp
    status: int
    error: str
    def __init__(self, send_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class ListWebhookDeliveriesResponse(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[WebhookDelivery]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[WebhookDelivery, _Mapping]]] = ...) -> None: ...

class RotateWebhookSecretRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateWebhookSecretResponse(_message.Message):
    __slots__ = ("secret",)
    SECRET_FIELD_NUMBER: _ClassVar[int]
    secret: str
    def __init__(self, secret: _Optional[str] = ...) -> None: ...
