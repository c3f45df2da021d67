import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
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

class AudioQuality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_QUALITY_UNSPECIFIED: _ClassVar[AudioQuality]
    AUDIO_QUALITY_LOW: _ClassVar[AudioQuality]
    AUDIO_QUALITY_MEDIUM: _ClassVar[AudioQuality]
    AUDIO_QUALITY_HIGH: _ClassVar[AudioQuality]

class VoiceType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOICE_TYPE_UNSPECIFIED: _ClassVar[VoiceType]
    VOICE_TYPE_CUSTOM: _ClassVar[VoiceType]
    VOICE_TYPE_STANDARD: _ClassVar[VoiceType]
    VOICE_TYPE_ACCOUNT: _ClassVar[VoiceType]
    VOICE_TYPE_EMBEDDED: _ClassVar[VoiceType]
AUDIO_QUALITY_UNSPECIFIED: AudioQuality
AUDIO_QUALITY_LOW: AudioQuality
AUDIO_QUALITY_MEDIUM: AudioQuality
AUDIO_QUALITY_HIGH: AudioQuality
VOICE_TYPE_UNSPECIFIED: VoiceType
VOICE_TYPE_CUSTOM: VoiceType
VOICE_TYPE_STANDARD: VoiceType
VOICE_TYPE_ACCOUNT: VoiceType
VOICE_TYPE_EMBEDDED: VoiceType

class SynthesizeRequest(_message.Message):
    __slots__ = ("text", "voice", "provider", "model_id", "output_format", "language_code", "stability", "similarity_boost", "style", "speed", "use_speaker_boost", "seed", "previous_text", "next_text", "previous_request_ids", "next_request_ids", "apply_text_normalization", "include_alignment", "use_cache", "store", "quality", "allow_fallback")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_BOOST_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    USE_SPEAKER_BOOST_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    NEXT_TEXT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    APPLY_TEXT_NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    text: str
    voice: str
    provider: str
    model_id: str
    output_format: str
    language_code: str
    stability: float
    similarity_boost: float
    style: float
    speed: float
    use_speaker_boost: bool
    seed: int
    previous_text: str
    next_text: str
    previous_request_ids: _containers.RepeatedScalarFieldContainer[str]
    next_request_ids: _containers.RepeatedScalarFieldContainer[str]
    apply_text_normalization: str
    include_alignment: bool
    use_cache: bool
    store: bool
    quality: AudioQuality
    allow_fallback: bool
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[str] = ..., provider: _Optional[str] = ..., model_id: _Optional[str] = ..., output_format: _Optional[str] = ..., language_code: _Optional[str] = ..., stability: _Optional[float] = ..., similarity_boost: _Optional[float] = ..., style: _Optional[float] = ..., speed: _Optional[float] = ..., use_speaker_boost: _Optional[bool] = ..., seed: _Optional[int] = ..., previous_text: _Optional[str] = ..., next_text: _Optional[str] = ..., previous_request_ids: _Optional[_Iterable[str]] = ..., next_request_ids: _Optional[_Iterable[str]] = ..., apply_text_normalization: _Optional[str] = ..., include_alignment: _Optional[bool] = ..., use_cache: _Optional[bool] = ..., store: _Optional[bool] = ..., quality: _Optional[_Union[AudioQuality, str]] = ..., allow_fallback: _Optional[bool] = ...) -> None: ...

class SynthesizeResponse(_message.Message):
    __slots__ = ("header", "audio", "alignment", "done")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    header: SpeechHeader
    audio: bytes
    alignment: _alignment_pb2.Alignment
    done: SpeechDone
    def __init__(self, header: _Optional[_Union[SpeechHeader, _Mapping]] = ..., audio: _Optional[bytes] = ..., alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ..., done: _Optional[_Union[SpeechDone, _Mapping]] = ...) -> None: ...

class SynthesizeStreamRequest(_message.Message):
    __slots__ = ("text", "voice", "provider", "model_id", "output_format", "language_code", "stability", "similarity_boost", "style", "speed", "use_speaker_boost", "seed", "previous_text", "next_text", "previous_request_ids", "next_request_ids", "apply_text_normalization", "include_alignment", "use_cache", "store", "quality", "allow_fallback")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_BOOST_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    USE_SPEAKER_BOOST_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    NEXT_TEXT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    APPLY_TEXT_NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    text: str
    voice: str
    provider: str
    model_id: str
    output_format: str
    language_code: str
    stability: float
    similarity_boost: float
    style: float
    speed: float
    use_speaker_boost: bool
    seed: int
    previous_text: str
    next_text: str
    previous_request_ids: _containers.RepeatedScalarFieldContainer[str]
    next_request_ids: _containers.RepeatedScalarFieldContainer[str]
    apply_text_normalization: str
    include_alignment: bool
    use_cache: bool
    store: bool
    quality: AudioQuality
    allow_fallback: bool
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[str] = ..., provider: _Optional[str] = ..., model_id: _Optional[str] = ..., output_format: _Optional[str] = ..., language_code: _Optional[str] = ..., stability: _Optional[float] = ..., similarity_boost: _Optional[float] = ..., style: _Optional[float] = ..., speed: _Optional[float] = ..., use_speaker_boost: _Optional[bool] = ..., seed: _Optional[int] = ..., previous_text: _Optional[str] = ..., next_text: _Optional[str] = ..., previous_request_ids: _Optional[_Iterable[str]] = ..., next_request_ids: _Optional[_Iterable[str]] = ..., apply_text_normalization: _Optional[str] = ..., include_alignment: _Optional[bool] = ..., use_cache: _Optional[bool] = ..., store: _Optional[bool] = ..., quality: _Optional[_Union[AudioQuality, str]] = ..., allow_fallback: _Optional[bool] = ...) -> None: ...

class CheckSpeechRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: SynthesizeStreamRequest
    def __init__(self, request: _Optional[_Union[SynthesizeStreamRequest, _Mapping]] = ...) -> None: ...

class CheckSpeechResponse(_message.Message):
    __slots__ = ("provider", "model_id", "voice")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model_id: str
    voice: Voice
    def __init__(self, provider: _Optional[str] = ..., model_id: _Optional[str] = ..., voice: _Optional[_Union[Voice, _Mapping]] = ...) -> None: ...

class SynthesizeStreamResponse(_message.Message):
    __slots__ = ("header", "chunk", "done")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    header: SpeechHeader
    chunk: SpeechChunk
    done: SpeechDone
    def __init__(self, header: _Optional[_Union[SpeechHeader, _Mapping]] = ..., chunk: _Optional[_Union[SpeechChunk, _Mapping]] = ..., done: _Optional[_Union[SpeechDone, _Mapping]] = ...) -> None: ...

class SpeechHeader(_message.Message):
    __slots__ = ("content_type", "output_format", "sample_rate_hz", "voice_id", "voice_name", "provider", "model_id", "cache_status", "provider_request_id", "ignored_fields", "queued_seconds", "stored_audio_id")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    VOICE_ID_FIELD_NUMBER: _ClassVar[int]
    VOICE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    CACHE_STATUS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STORED_AUDIO_ID_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    output_format: str
    sample_rate_hz: int
    voice_id: str
    voice_name: str
    provider: str
    model_id: str
    cache_status: _cache_pb2.CacheStatus
    provider_request_id: str
    ignored_fields: _containers.RepeatedScalarFieldContainer[str]
    queued_seconds: float
    stored_audio_id: str
    def __init__(self, content_type: _Optional[str] = ..., output_format: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ..., voice_id: _Optional[str] = ..., voice_name: _Optional[str] = ..., provider: _Optional[str] = ..., model_id: _Optional[str] = ..., cache_status: _Optional[_Union[_cache_pb2.CacheStatus, str]] = ..., provider_request_id: _Optional[str] = ..., ignored_fields: _Optional[_Iterable[str]] = ..., queued_seconds: _Optional[float] = ..., stored_audio_id: _Optional[str] = ...) -> None: ...

class SpeechChunk(_message.Message):
    __slots__ = ("audio", "alignment")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    alignment: _alignment_pb2.Alignment
    def __init__(self, audio: _Optional[bytes] = ..., alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ...) -> None: ...

class SpeechDone(_message.Message):
    __slots__ = ("characters", "audio_bytes", "duration_seconds", "sha256", "provider_cost_units", "seams", "cached_characters", "stored_audio")
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_BYTES_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_COST_UNITS_FIELD_NUMBER: _ClassVar[int]
    SEAMS_FIELD_NUMBER: _ClassVar[int]
    CACHED_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    STORED_AUDIO_FIELD_NUMBER: _ClassVar[int]
    characters: int
    audio_bytes: int
    duration_seconds: float
    sha256: str
    provider_cost_units: int
    seams: _containers.RepeatedCompositeFieldContainer[SpeechSeam]
    cached_characters: int
    stored_audio: StoredAudio
    def __init__(self, characters: _Optional[int] = ..., audio_bytes: _Optional[int] = ..., duration_seconds: _Optional[float] = ..., sha256: _Optional[str] = ..., provider_cost_units: _Optional[int] = ..., seams: _Optional[_Iterable[_Union[SpeechSeam, _Mapping]]] = ..., cached_characters: _Optional[int] = ..., stored_audio: _Optional[_Union[StoredAudio, _Mapping]] = ...) -> None: ...

class SpeechSeam(_message.Message):
    __slots__ = ("text_offset", "at_seconds", "provider", "reason")
    TEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    AT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    text_offset: int
    at_seconds: float
    provider: str
    reason: str
    def __init__(self, text_offset: _Optional[int] = ..., at_seconds: _Optional[float] = ..., provider: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListSpeechModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSpeechModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[SpeechModel]
    def __init__(self, models: _Optional[_Iterable[_Union[SpeechModel, _Mapping]]] = ...) -> None: ...

class SpeechModel(_message.Message):
    __slots__ = ("provider", "model_id", "is_default", "max_text_characters", "ignored_fields", "end_date", "successor")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model_id: str
    is_default: bool
    max_text_characters: int
    ignored_fields: _containers.RepeatedScalarFieldContainer[str]
    end_date: str
    successor: str
    def __init__(self, provider: _Optional[str] = ..., model_id: _Optional[str] = ..., is_default: _Optional[bool] = ..., max_text_characters: _Optional[int] = ..., ignored_fields: _Optional[_Iterable[str]] = ..., end_date: _Optional[str] = ..., successor: _Optional[str] = ...) -> None: ...

class ConvertAlignmentRequest(_message.Message):
    __slots__ = ("alignment", "raw")
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    alignment: _alignment_pb2.Alignment
    raw: _alignment_pb2.RawAlignment
    def __init__(self, alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ..., raw: _Optional[_Union[_alignment_pb2.RawAlignment, _Mapping]] = ...) -> None: ...

class ConvertAlignmentResponse(_message.Message):
    __slots__ = ("alignment", "raw")
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    alignment: _alignment_pb2.Alignment
    raw: _alignment_pb2.RawAlignment
    def __init__(self, alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ..., raw: _Optional[_Union[_alignment_pb2.RawAlignment, _Mapping]] = ...) -> None: ...

class ListVoicesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "provider")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    provider: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., provider: _Optional[str] = ...) -> None: ...

class ListVoicesResponse(_message.Message):
    __slots__ = ("voices", "next_page_token")
    VOICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    next_page_token: str
    def __init__(self, voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetVoiceRequest(_message.Message):
    __slots__ = ("voice", "provider")
    VOICE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    voice: str
    provider: str
    def __init__(self, voice: _Optional[str] = ..., provider: _Optional[str] = ...) -> None: ...

class GetVoiceResponse(_message.Message):
    __slots__ = ("voice",)
    VOICE_FIELD_NUMBER: _ClassVar[int]
    voice: Voice
    def __init__(self, voice: _Optional[_Union[Voice, _Mapping]] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("voice_id", "name", "provider", "type", "language_codes", "labels", "preview_url")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_URL_FIELD_NUMBER: _ClassVar[int]
    voice_id: str
    name: str
    provider: str
    type: VoiceType
    language_codes: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.ScalarMap[str, str]
    preview_url: str
    def __init__(self, voice_id: _Optional[str] = ..., name: _Optional[str] = ..., provider: _Optional[str] = ..., type: _Optional[_Union[VoiceType, str]] = ..., language_codes: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., preview_url: _Optional[str] = ...) -> None: ...

class StoredAudio(_message.Message):
    __slots__ = ("id", "key", "url", "url_expire_time", "content_type", "size_bytes", "duration_seconds", "sha256", "alignment", "metadata", "create_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    key: str
    url: str
    url_expire_time: _timestamp_pb2.Timestamp
    content_type: str
    size_bytes: int
    duration_seconds: float
    sha256: str
    alignment: _alignment_pb2.Alignment
    metadata: StoredAudioMetadata
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., key: _Optional[str] = ..., url: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., duration_seconds: _Optional[float] = ..., sha256: _Optional[str] = ..., alignment: _Optional[_Union[_alignment_pb2.Alignment, _Mapping]] = ..., metadata: _Optional[_Union[StoredAudioMetadata, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StoredAudioMetadata(_message.Message):
    __slots__ = ("model_id", "voice_id", "voice_name", "provider", "output_format", "timestamp")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    VOICE_ID_FIELD_NUMBER: _ClassVar[int]
    VOICE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    voice_id: str
    voice_name: str
    provider: str
    output_format: str
    timestamp: _timestamp_pb2.Timestamp
    def __init__(self, model_id: _Optional[str] = ..., voice_id: _Optional[str] = ..., voice_name: _Optional[str] = ..., provider: _Optional[str] = ..., output_format: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetStoredAudioRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetStoredAudioResponse(_message.Message):
    __slots__ = ("stored_audio",)
    STORED_AUDIO_FIELD_NUMBER: _ClassVar[int]
    stored_audio: StoredAudio
    def __init__(self, stored_audio: _Optional[_Union[StoredAudio, _Mapping]] = ...) -> None: ...

class ListStoredAudioRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListStoredAudioResponse(_message.Message):
    __slots__ = ("stored_audio", "next_page_token")
    STORED_AUDIO_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stored_audio: _containers.RepeatedCompositeFieldContainer[StoredAudio]
    next_page_token: str
    def __init__(self, stored_audio: _Optional[_Iterable[_Union[StoredAudio, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteStoredAudioRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteStoredAudioResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
