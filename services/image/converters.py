"""Convert between the messages of image.proto and the types of the service."""

from __future__ import annotations

from collections.abc import Mapping

from media.common.v1 import cache_pb2
from media.image.v1 import image_pb2

from services.common.images import Size
from services.common.log import request_id
from services.common.rpc.converters import CACHE_STATUSES, to_timestamp
from services.common.storage import ObjectUrl
from services.common.text.normalization import clean_text
from services.image.image_record import RecordedImage
from services.image.image_store import FORMATS, StoredImage, StoredRendition
from services.image.pipeline import Image, InputRef, SourceSummary
from services.image.prompt import ART_STYLES, TEMPLATES, THEMES, VERSION, PromptRequest, list_fields
from services.image.providers.interface import ImageProvider, Mode
from services.image.rendition import Fit
from services.image.request import ImageRequest, OutputRequest, Quality, VariantRequest
from services.image.sizes import CUSTOM, CUSTOM_DESCRIPTION, PRESETS

Request = image_pb2.GenerateImageRequest | image_pb2.GenerateImageFastRequest | image_pb2.TransformImageRequest

_MODES: Mapping[type[Request], Mode] = {
    image_pb2.GenerateImageRequest: Mode.STANDARD,
    image_pb2.GenerateImageFastRequest: Mode.FAST,
    image_pb2.TransformImageRequest: Mode.TRANSFORM,
}
_QUALITIES: Mapping[image_pb2.ImageQuality, Quality] = {
    image_pb2.IMAGE_QUALITY_LOW: "low",
    image_pb2.IMAGE_QUALITY_MEDIUM: "medium",
    image_pb2.IMAGE_QUALITY_HIGH: "high",
}
_FITS: Mapping[image_pb2.ImageFit, Fit] = {
    image_pb2.IMAGE_FIT_UNSPECIFIED: "cover",
    image_pb2.IMAGE_FIT_COVER: "cover",
    image_pb2.IMAGE_FIT_CONTAIN: "contain",
    image_pb2.IMAGE_FIT_STRETCH: "stretch",
}


def to_image_request(request: Request) -> ImageRequest:
    """Return the domain request for a message."""

    def has_field(field: str) -> bool:
        return request.HasField(field)

    return ImageRequest(
        mode=_MODES[type(request)],
        prompt=_to_prompt_request(request.prompt, request.style),
        use_brand=request.style.use_brand,
        negative_prompt=clean_text(request.negative_prompt),
        image_size=request.image_size,
        custom_size=Size(request.width, request.height) if request.width else None,
        steps=request.num_inference_steps if has_field("num_inference_steps") else None,
        seed=request.seed if has_field("seed") else None,
        guidance_scale=request.guidance_scale if has_field("guidance_scale") else None,
        safety_checker=request.enable_safety_checker if has_field("enable_safety_checker") else None,
        strength=_get_strength(request),
        use_cache=request.use_cache if has_field("use_cache") else True,
        provider=request.provider,
        allow_fallback=request.allow_fallback,
        quality=_QUALITIES.get(request.quality),
        output=to_output_request(request.output),
    )


def to_input_ref(request: Request) -> InputRef:
    """Return the reference to the image to transform; empty for other requests."""
    if isinstance(request, image_pb2.TransformImageRequest):
        return InputRef(request.image_url, request.image_key)
    return InputRef()


def to_output_request(output: image_pb2.ImageOutput) -> OutputRequest:
    """Return the domain form of `output`."""
    return OutputRequest(
        format=FORMATS.get(output.format, output.format),
        encoder_quality=output.encoder_quality if output.HasField("encoder_quality") else None,
        compression_level=output.compression_level if output.HasField("compression_level") else None,
        fit=_FITS[output.fit],
        variants=tuple(VariantRequest(variant.name, variant.width, variant.height) for variant in output.variants),
        object_key=output.object_key,
        overwrite=output.overwrite,
        content_addressed=output.content_addressed,
        metadata=dict(output.metadata),
        inline=output.inline,
    )


def to_generated_image(result: Image) -> image_pb2.Image:
    """Return the message for a generated image."""
    generation, prompt = result.generation, result.prompt
    candidate = generation.candidate
    image = to_stored_image(result.stored, result.source_summary)
    image.provider = candidate.provider.name
    image.model = candidate.model.name
    image.prompt = prompt.text
    image.prompt_metadata.CopyFrom(
        image_pb2.PromptMetadata(
            style=prompt.style,
            timestamp=to_timestamp(result.generated_at),
            version=prompt.version,
            shortened=prompt.shortened,
        )
    )
    image.from_cache = generation.cache_status == "hit"
    image.cache_status = CACHE_STATUSES[generation.cache_status]
    image.provider_request_id = generation.request_id
    image.ignored_fields.extend(candidate.ignored_fields)
    image.queued_seconds = generation.queued_seconds
    if generation.seed is not None:
        image.seed = generation.seed
    return image


def to_stored_image(stored: StoredImage, source_summary: SourceSummary) -> image_pb2.Image:
    """Return the message for a stored image, with the fields that uploads have too."""
    main = stored.main
    return image_pb2.Image(
        image_url=main.url,
        url_expire_time=None if main.expires_at is None else to_timestamp(main.expires_at),
        width=main.size.width,
        height=main.size.height,
        request_id=request_id.get(),
        key=main.key,
        content_type=main.content_type,
        size_bytes=main.size_bytes,
        sha256=stored.sha256,
        preview=source_summary.preview,
        variants=[_to_variant(name, variant) for name, variant in stored.variants],
        provider_dimensions=image_pb2.ImageDimensions(
            width=source_summary.source_size.width, height=source_summary.source_size.height
        ),
        fitted=source_summary.fitted,
        cache_status=cache_pb2.CACHE_STATUS_BYPASS,
        data=stored.data,
    )


def to_recorded_image(image: RecordedImage, urls: Mapping[str, ObjectUrl]) -> image_pb2.StoredImage:
    """Return the message for an image of the store, with a URL for each of its keys."""
    url = urls[image.key]
    message = image_pb2.StoredImage(
        key=image.key,
        url=url.url,
        url_expire_time=None if url.expires_at is None else to_timestamp(url.expires_at),
        content_type=image.content_type,
        size_bytes=image.size_bytes,
        sha256=image.sha256,
        width=image.size.width if image.size else 0,
        height=image.size.height if image.size else 0,
        create_time=to_timestamp(image.stored_at),
        metadata=image.metadata,
        provider=image.origin.provider,
        model=image.origin.model,
        prompt=image.origin.prompt,
        preview=image.preview,
        variants=[
            image_pb2.ImageVariant(
                name=variant.name,
                image_url=urls[variant.key].url,
                key=variant.key,
                width=variant.size.width if variant.size else 0,
                height=variant.size.height if variant.size else 0,
                size_bytes=variant.size_bytes,
            )
            for variant in image.variants
        ],
    )
    if image.origin.seed is not None:
        message.seed = image.origin.seed
    return message


def list_sizes() -> dict[str, image_pb2.ImageSize]:
    """Return all presets by name, and `custom`."""
    presets = {
        name: image_pb2.ImageSize(width=preset.size.width, height=preset.size.height, description=preset.description)
        for name, preset in PRESETS.items()
    }
    return {**presets, CUSTOM: image_pb2.ImageSize(description=CUSTOM_DESCRIPTION)}


def list_prompt_styles() -> image_pb2.ListPromptStylesResponse:
    """Return the themes, art styles and templates that requests may name."""
    return image_pb2.ListPromptStylesResponse(
        themes=[
            image_pb2.PromptTheme(theme=f"IMAGE_THEME_{name.upper()}", words=words) for name, words in THEMES.items()
        ],
        art_styles=[image_pb2.PromptArtStyle(name=name, words=words) for name, words in ART_STYLES.items()],
        templates=[
            image_pb2.PromptTemplate(
                name=name, text=text, fields=[field for field in list_fields(name) if field != "subject"]
            )
            for name, text in TEMPLATES.items()
        ],
        version=VERSION,
    )


def _get_strength(request: Request) -> float | None:
    if isinstance(request, image_pb2.TransformImageRequest) and request.HasField("strength"):
        return request.strength
    return None


def to_image_models(provider: ImageProvider) -> list[image_pb2.ImageModel]:
    """Return the messages for the known models of a provider."""
    return [
        image_pb2.ImageModel(
            provider=provider.name,
            model=model.model_id,
            modes=[mode.value for mode in model.modes],
            is_default=model.is_default,
            max_side_pixels=model.max_side_pixels,
            aspect_ratios=model.aspect_ratios,
            resolutions=model.resolutions,
            end_date=model.end_date,
            successor=model.successor,
        )
        for model in provider.list_models()
    ]


def _to_prompt_request(prompt: str, style: image_pb2.PromptStyle) -> PromptRequest:
    theme = image_pb2.ImageTheme.Name(style.theme).removeprefix("IMAGE_THEME_").lower() if style.theme else ""
    return PromptRequest(
        prompt=clean_text(prompt),
        theme=theme,
        art_styles=tuple(style.art_styles),
        brand_colors=tuple(style.brand_colors),
        brand_style=clean_text(style.brand_style),
        enhance_for_finance=style.enhance_for_finance,
        style_guidelines=tuple(map(clean_text, style.style_guidelines)),
        max_length=style.max_length or 5000,
        template=style.template,
        template_fields={name: clean_text(value) for name, value in style.template_fields.items()},
    )


def _to_variant(name: str, stored: StoredRendition) -> image_pb2.ImageVariant:
    return image_pb2.ImageVariant(
        name=name,
        image_url=stored.url,
        key=stored.key,
        width=stored.size.width,
        height=stored.size.height,
        size_bytes=stored.size_bytes,
    )
