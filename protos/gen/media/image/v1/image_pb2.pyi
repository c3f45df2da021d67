import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from media.common.v1 import cache_pb2 as _cache_pb2
from media.common.v1 import error_pb2 as _error_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImageQuality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_QUALITY_UNSPECIFIED: _ClassVar[ImageQuality]
    IMAGE_QUALITY_LOW: _ClassVar[ImageQuality]
    IMAGE_QUALITY_MEDIUM: _ClassVar[ImageQuality]
    IMAGE_QUALITY_HIGH: _ClassVar[ImageQuality]

class ImageTheme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_THEME_UNSPECIFIED: _ClassVar[ImageTheme]
    IMAGE_THEME_REALISTIC: _ClassVar[ImageTheme]
    IMAGE_THEME_PROFESSIONAL: _ClassVar[ImageTheme]
    IMAGE_THEME_ILLUSTRATION: _ClassVar[ImageTheme]
    IMAGE_THEME_ABSTRACT: _ClassVar[ImageTheme]
    IMAGE_THEME_MINIMALIST: _ClassVar[ImageTheme]
    IMAGE_THEME_FUTURISTIC: _ClassVar[ImageTheme]
    IMAGE_THEME_INFOGRAPHIC: _ClassVar[ImageTheme]
    IMAGE_THEME_VINTAGE: _ClassVar[ImageTheme]

class ImageFit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_FIT_UNSPECIFIED: _ClassVar[ImageFit]
    IMAGE_FIT_COVER: _ClassVar[ImageFit]
    IMAGE_FIT_CONTAIN: _ClassVar[ImageFit]
    IMAGE_FIT_STRETCH: _ClassVar[ImageFit]
IMAGE_QUALITY_UNSPECIFIED: ImageQuality
IMAGE_QUALITY_LOW: ImageQuality
IMAGE_QUALITY_MEDIUM: ImageQuality
IMAGE_QUALITY_HIGH: ImageQuality
IMAGE_THEME_UNSPECIFIED: ImageTheme
IMAGE_THEME_REALISTIC: ImageTheme
IMAGE_THEME_PROFESSIONAL: ImageTheme
IMAGE_THEME_ILLUSTRATION: ImageTheme
IMAGE_THEME_ABSTRACT: ImageTheme
IMAGE_THEME_MINIMALIST: ImageTheme
IMAGE_THEME_FUTURISTIC: ImageTheme
IMAGE_THEME_INFOGRAPHIC: ImageTheme
IMAGE_THEME_VINTAGE: ImageTheme
IMAGE_FIT_UNSPECIFIED: ImageFit
IMAGE_FIT_COVER: ImageFit
IMAGE_FIT_CONTAIN: ImageFit
IMAGE_FIT_STRETCH: ImageFit

class PromptStyle(_message.Message):
    __slots__ = ("theme", "art_styles", "brand_colors", "brand_style", "use_brand", "enhance_for_finance", "style_guidelines", "max_length", "template", "template_fields")
    class TemplateFieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    THEME_FIELD_NUMBER: _ClassVar[int]
    ART_STYLES_FIELD_NUMBER: _ClassVar[int]
    BRAND_COLORS_FIELD_NUMBER: _ClassVar[int]
    BRAND_STYLE_FIELD_NUMBER: _ClassVar[int]
    USE_BRAND_FIELD_NUMBER: _ClassVar[int]
    ENHANCE_FOR_FINANCE_FIELD_NUMBER: _ClassVar[int]
    STYLE_GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELDS_FIELD_NUMBER: _ClassVar[int]
    theme: ImageTheme
    art_styles: _containers.RepeatedScalarFieldContainer[str]
    brand_colors: _containers.RepeatedScalarFieldContainer[str]
    brand_style: str
    use_brand: bool
    enhance_for_finance: bool
    style_guidelines: _containers.RepeatedScalarFieldContainer[str]
    max_length: int
    template: str
    template_fields: _containers.ScalarMap[str, str]
    def __init__(self, theme: _Optional[_Union[ImageTheme, str]] = ..., art_styles: _Optional[_Iterable[str]] = ..., brand_colors: _Optional[_Iterable[str]] = ..., brand_style: _Optional[str] = ..., use_brand: _Optional[bool] = ..., enhance_for_finance: _Optional[bool] = ..., style_guidelines: _Optional[_Iterable[str]] = ..., max_length: _Optional[int] = ..., template: _Optional[str] = ..., template_fields: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ImageVariantSpec(_message.Message):
    __slots__ = ("name", "width", "height")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    width: int
    height: int
    def __init__(self, name: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class ImageOutput(_message.Message):
    __slots__ = ("format", "encoder_quality", "compression_level", "fit", "variants", "object_key", "overwrite", "content_addressed", "metadata", "inline")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ENCODER_QUALITY_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    OBJECT_KEY_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ADDRESSED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    format: str
    encoder_quality: int
    compression_level: int
    fit: ImageFit
    variants: _containers.RepeatedCompositeFieldContainer[ImageVariantSpec]
    object_key: str
    overwrite: bool
    content_addressed: bool
    metadata: _containers.ScalarMap[str, str]
    inline: bool
    def __init__(self, format: _Optional[str] = ..., encoder_quality: _Optional[int] = ..., compression_level: _Optional[int] = ..., fit: _Optional[_Union[ImageFit, str]] = ..., variants: _Optional[_Iterable[_Union[ImageVariantSpec, _Mapping]]] = ..., object_key: _Optional[str] = ..., overwrite: _Optional[bool] = ..., content_addressed: _Optional[bool] = ..., metadata: _Optional[_Mapping[str, str]] = ..., inline: _Optional[bool] = ...) -> None: ...

class GenerateImageRequest(_message.Message):
    __slots__ = ("prompt", "negative_prompt", "image_size", "width", "height", "num_inference_steps", "seed", "guidance_scale", "enable_safety_checker", "use_cache", "provider", "quality", "style", "output", "allow_fallback")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    NUM_INFERENCE_STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_SCALE_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SAFETY_CHECKER_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    negative_prompt: str
    image_size: str
    width: int
    height: int
    num_inference_steps: int
    seed: int
    guidance_scale: float
    enable_safety_checker: bool
    use_cache: bool
    provider: str
    quality: ImageQuality
    style: PromptStyle
    output: ImageOutput
    allow_fallback: bool
    def __init__(self, prompt: _Optional[str] = ..., negative_prompt: _Optional[str] = ..., image_size: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., num_inference_steps: _Optional[int] = ..., seed: _Optional[int] = ..., guidance_scale: _Optional[float] = ..., enable_safety_checker: _Optional[bool] = ..., use_cache: _Optional[bool] = ..., provider: _Optional[str] = ..., quality: _Optional[_Union[ImageQuality, str]] = ..., style: _Optional[_Union[PromptStyle, _Mapping]] = ..., output: _Optional[_Union[ImageOutput, _Mapping]] = ..., allow_fallback: _Optional[bool] = ...) -> None: ...

class GenerateImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class GenerateImageFastRequest(_message.Message):
    __slots__ = ("prompt", "negative_prompt", "image_size", "width", "height", "num_inference_steps", "seed", "guidance_scale", "enable_safety_checker", "use_cache", "provider", "quality", "style", "output", "allow_fallback")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    NUM_INFERENCE_STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_SCALE_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SAFETY_CHECKER_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    negative_prompt: str
    image_size: str
    width: int
    height: int
    num_inference_steps: int
    seed: int
    guidance_scale: float
    enable_safety_checker: bool
    use_cache: bool
    provider: str
    quality: ImageQuality
    style: PromptStyle
    output: ImageOutput
    allow_fallback: bool
    def __init__(self, prompt: _Optional[str] = ..., negative_prompt: _Optional[str] = ..., image_size: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., num_inference_steps: _Optional[int] = ..., seed: _Optional[int] = ..., guidance_scale: _Optional[float] = ..., enable_safety_checker: _Optional[bool] = ..., use_cache: _Optional[bool] = ..., provider: _Optional[str] = ..., quality: _Optional[_Union[ImageQuality, str]] = ..., style: _Optional[_Union[PromptStyle, _Mapping]] = ..., output: _Optional[_Union[ImageOutput, _Mapping]] = ..., allow_fallback: _Optional[bool] = ...) -> None: ...

class GenerateImageFastResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class TransformImageRequest(_message.Message):
    __slots__ = ("prompt", "negative_prompt", "image_size", "width", "height", "num_inference_steps", "seed", "guidance_scale", "enable_safety_checker", "use_cache", "provider", "quality", "style", "output", "image_url", "image_key", "strength", "allow_fallback")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    NUM_INFERENCE_STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_SCALE_FIELD_NUMBER: _ClassVar[int]
    ENABLE_SAFETY_CHECKER_FIELD_NUMBER: _ClassVar[int]
    USE_CACHE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_KEY_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    negative_prompt: str
    image_size: str
    width: int
    height: int
    num_inference_steps: int
    seed: int
    guidance_scale: float
    enable_safety_checker: bool
    use_cache: bool
    provider: str
    quality: ImageQuality
    style: PromptStyle
    output: ImageOutput
    image_url: str
    image_key: str
    strength: float
    allow_fallback: bool
    def __init__(self, prompt: _Optional[str] = ..., negative_prompt: _Optional[str] = ..., image_size: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., num_inference_steps: _Optional[int] = ..., seed: _Optional[int] = ..., guidance_scale: _Optional[float] = ..., enable_safety_checker: _Optional[bool] = ..., use_cache: _Optional[bool] = ..., provider: _Optional[str] = ..., quality: _Optional[_Union[ImageQuality, str]] = ..., style: _Optional[_Union[PromptStyle, _Mapping]] = ..., output: _Optional[_Union[ImageOutput, _Mapping]] = ..., image_url: _Optional[str] = ..., image_key: _Optional[str] = ..., strength: _Optional[float] = ..., allow_fallback: _Optional[bool] = ...) -> None: ...

class TransformImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class BatchGenerateImagesRequest(_message.Message):
    __slots__ = ("items", "parallelism")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BatchImage]
    parallelism: int
    def __init__(self, items: _Optional[_Iterable[_Union[BatchImage, _Mapping]]] = ..., parallelism: _Optional[int] = ...) -> None: ...

class BatchImage(_message.Message):
    __slots__ = ("generate", "generate_fast", "transform")
    GENERATE_FIELD_NUMBER: _ClassVar[int]
    GENERATE_FAST_FIELD_NUMBER: _ClassVar[int]
    TRANSFORM_FIELD_NUMBER: _ClassVar[int]
    generate: GenerateImageRequest
    generate_fast: GenerateImageFastRequest
    transform: TransformImageRequest
    def __init__(self, generate: _Optional[_Union[GenerateImageRequest, _Mapping]] = ..., generate_fast: _Optional[_Union[GenerateImageFastRequest, _Mapping]] = ..., transform: _Optional[_Union[TransformImageRequest, _Mapping]] = ...) -> None: ...

class BatchGenerateImagesResponse(_message.Message):
    __slots__ = ("index", "image", "failure")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    index: int
    image: Image
    failure: ImageFailure
    def __init__(self, index: _Optional[int] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., failure: _Optional[_Union[ImageFailure, _Mapping]] = ...) -> None: ...

class ImageFailure(_message.Message):
    __slots__ = ("reason", "message", "retryable", "details")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    retryable: bool
    details: _containers.RepeatedCompositeFieldContainer[_error_pb2.FieldError]
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ..., details: _Optional[_Iterable[_Union[_error_pb2.FieldError, _Mapping]]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("image_url", "width", "height", "seed", "prompt", "request_id", "from_cache", "model", "provider", "key", "content_type", "size_bytes", "sha256", "url_expire_time", "preview", "variants", "prompt_metadata", "ignored_fields", "cache_status", "provider_request_id", "provider_dimensions", "fitted", "queued_seconds", "data")
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_CACHE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_METADATA_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    CACHE_STATUS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    FITTED_FIELD_NUMBER: _ClassVar[int]
    QUEUED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    image_url: str
    width: int
    height: int
    seed: int
    prompt: str
    request_id: str
    from_cache: bool
    model: str
    provider: str
    key: str
    content_type: str
    size_bytes: int
    sha256: str
    url_expire_time: _timestamp_pb2.Timestamp
    preview: str
    variants: _containers.RepeatedCompositeFieldContainer[ImageVariant]
    prompt_metadata: PromptMetadata
    ignored_fields: _containers.RepeatedScalarFieldContainer[str]
    cache_status: _cache_pb2.CacheStatus
    provider_request_id: str
    provider_dimensions: ImageDimensions
    fitted: str
    queued_seconds: float
    data: bytes
    def __init__(self, image_url: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., seed: _Optional[int] = ..., prompt: _Optional[str] = ..., request_id: _Optional[str] = ..., from_cache: _Optional[bool] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., key: _Optional[str] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., preview: _Optional[str] = ..., variants: _Optional[_Iterable[_Union[ImageVariant, _Mapping]]] = ..., prompt_metadata: _Optional[_Union[PromptMetadata, _Mapping]] = ..., ignored_fields: _Optional[_Iterable[str]] = ..., cache_status: _Optional[_Union[_cache_pb2.CacheStatus, str]] = ..., provider_request_id: _Optional[str] = ..., provider_dimensions: _Optional[_Union[ImageDimensions, _Mapping]] = ..., fitted: _Optional[str] = ..., queued_seconds: _Optional[float] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImageDimensions(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class ImageVariant(_message.Message):
    __slots__ = ("name", "image_url", "key", "width", "height", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    image_url: str
    key: str
    width: int
    height: int
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., image_url: _Optional[str] = ..., key: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class PromptMetadata(_message.Message):
    __slots__ = ("style", "timestamp", "version", "shortened")
    STYLE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHORTENED_FIELD_NUMBER: _ClassVar[int]
    style: str
    timestamp: _timestamp_pb2.Timestamp
    version: str
    shortened: bool
    def __init__(self, style: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[str] = ..., shortened: _Optional[bool] = ...) -> None: ...

class ListImageModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListImageModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ImageModel]
    def __init__(self, models: _Optional[_Iterable[_Union[ImageModel, _Mapping]]] = ...) -> None: ...

class ImageModel(_message.Message):
    __slots__ = ("provider", "model", "modes", "is_default", "max_side_pixels", "aspect_ratios", "resolutions", "end_date", "successor")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    ASPECT_RATIOS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTIONS_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    modes: _containers.RepeatedScalarFieldContainer[str]
    is_default: bool
    max_side_pixels: int
    aspect_ratios: _containers.RepeatedScalarFieldContainer[str]
    resolutions: _containers.RepeatedScalarFieldContainer[str]
    end_date: str
    successor: str
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ..., modes: _Optional[_Iterable[str]] = ..., is_default: _Optional[bool] = ..., max_side_pixels: _Optional[int] = ..., aspect_ratios: _Optional[_Iterable[str]] = ..., resolutions: _Optional[_Iterable[str]] = ..., end_date: _Optional[str] = ..., successor: _Optional[str] = ...) -> None: ...

class ListImageSizesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListImageSizesResponse(_message.Message):
    __slots__ = ("sizes",)
    class SizesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ImageSize
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ImageSize, _Mapping]] = ...) -> None: ...
    SIZES_FIELD_NUMBER: _ClassVar[int]
    sizes: _containers.MessageMap[str, ImageSize]
    def __init__(self, sizes: _Optional[_Mapping[str, ImageSize]] = ...) -> None: ...

class ImageSize(_message.Message):
    __slots__ = ("width", "height", "description")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    description: str
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., description: _Optional[str] = ...) -> None: ...

class ListPromptStylesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPromptStylesResponse(_message.Message):
    __slots__ = ("themes", "art_styles", "templates", "version")
    THEMES_FIELD_NUMBER: _ClassVar[int]
    ART_STYLES_FIELD_NUMBER: _ClassVar[int]
    TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    themes: _containers.RepeatedCompositeFieldContainer[PromptTheme]
    art_styles: _containers.RepeatedCompositeFieldContainer[PromptArtStyle]
    templates: _containers.RepeatedCompositeFieldContainer[PromptTemplate]
    version: str
    def __init__(self, themes: _Optional[_Iterable[_Union[PromptTheme, _Mapping]]] = ..., art_styles: _Optional[_Iterable[_Union[PromptArtStyle, _Mapping]]] = ..., templates: _Optional[_Iterable[_Union[PromptTemplate, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class PromptTheme(_message.Message):
    __slots__ = ("theme", "words")
    THEME_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    theme: ImageTheme
    words: str
    def __init__(self, theme: _Optional[_Union[ImageTheme, str]] = ..., words: _Optional[str] = ...) -> None: ...

class PromptArtStyle(_message.Message):
    __slots__ = ("name", "words")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    words: str
    def __init__(self, name: _Optional[str] = ..., words: _Optional[str] = ...) -> None: ...

class PromptTemplate(_message.Message):
    __slots__ = ("name", "text", "fields")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

class UploadImageRequest(_message.Message):
    __slots__ = ("spec", "chunk")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    spec: UploadSpec
    chunk: bytes
    def __init__(self, spec: _Optional[_Union[UploadSpec, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadSpec(_message.Message):
    __slots__ = ("output", "size_bytes", "sha256")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    output: ImageOutput
    size_bytes: int
    sha256: str
    def __init__(self, output: _Optional[_Union[ImageOutput, _Mapping]] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class UploadImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class StoredImage(_message.Message):
    __slots__ = ("key", "url", "url_expire_time", "content_type", "size_bytes", "sha256", "width", "height", "create_time", "metadata", "provider", "model", "seed", "prompt", "variants", "preview")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KEY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    key: str
    url: str
    url_expire_time: _timestamp_pb2.Timestamp
    content_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    create_time: _timestamp_pb2.Timestamp
    metadata: _containers.ScalarMap[str, str]
    provider: str
    model: str
    seed: int
    prompt: str
    variants: _containers.RepeatedCompositeFieldContainer[ImageVariant]
    preview: str
    def __init__(self, key: _Optional[str] = ..., url: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., seed: _Optional[int] = ..., prompt: _Optional[str] = ..., variants: _Optional[_Iterable[_Union[ImageVariant, _Mapping]]] = ..., preview: _Optional[str] = ...) -> None: ...

class GetImageRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class GetImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: StoredImage
    def __init__(self, image: _Optional[_Union[StoredImage, _Mapping]] = ...) -> None: ...

class ListImagesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("images", "next_page_token")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[StoredImage]
    next_page_token: str
    def __init__(self, images: _Optional[_Iterable[_Union[StoredImage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteImageRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class DeleteImageResponse(_message.Message):
    __slots__ = ("deleted_keys",)
    DELETED_KEYS_FIELD_NUMBER: _ClassVar[int]
    deleted_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deleted_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckImageRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: GenerateImageRequest
    def __init__(self, request: _Optional[_Union[GenerateImageRequest, _Mapping]] = ...) -> None: ...

class CheckImageResponse(_message.Message):
    __slots__ = ("provider", "model")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...
