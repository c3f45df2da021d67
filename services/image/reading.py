"""From the contract's messages to wishes."""

from __future__ import annotations

from collections.abc import Mapping

from media.image.v1 import image_pb2

from services.common.images import Size
from services.image.pipeline import InputRef
from services.image.prompt import PromptRequest
from services.image.providers.interface import Mode
from services.image.rendition import Fit
from services.image.request import ImageRequest, OutputRequest, Quality, VariantRequest

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
    """Return what `request` asks for."""

    def has_field(field: str) -> bool:
        return request.HasField(field)

    return ImageRequest(
        mode=_MODES[type(request)],
        prompt=_to_prompt_request(request.prompt, request.style),
        use_brand=request.style.use_brand,
        negative_prompt=request.negative_prompt,
        image_size=request.image_size,
        custom_size=Size(request.width, request.height) if request.width else None,
        steps=request.num_inference_steps if has_field("num_inference_steps") else None,
        seed=request.seed if has_field("seed") else None,
        guidance_scale=request.guidance_scale if has_field("guidance_scale") else None,
        safety_checker=request.enable_safety_checker if has_field("enable_safety_checker") else None,
        strength=_get_strength(request),
        use_cache=request.use_cache if has_field("use_cache") else True,
        provider=request.provider,
        quality=_QUALITIES.get(request.quality),
        output=to_output_request(request.output),
    )


def to_input_ref(request: Request) -> InputRef:
    """Return where the image is that is to be transformed."""
    if isinstance(request, image_pb2.TransformImageRequest):
        return InputRef(request.image_url, request.image_key)
    return InputRef()


def to_output_request(output: image_pb2.ImageOutput) -> OutputRequest:
    """Return the form and the place that `output` asks for."""
    return OutputRequest(
        format=output.format,
        encoder_quality=output.encoder_quality if output.HasField("encoder_quality") else None,
        compression_level=output.compression_level if output.HasField("compression_level") else None,
        fit=_FITS[output.fit],
        variants=tuple(VariantRequest(variant.name, variant.width, variant.height) for variant in output.variants),
        object_key=output.object_key,
        overwrite=output.overwrite,
        content_addressed=output.content_addressed,
        metadata=dict(output.metadata),
    )


def _get_strength(request: Request) -> float | None:
    if isinstance(request, image_pb2.TransformImageRequest) and request.HasField("strength"):
        return request.strength
    return None


def _to_prompt_request(prompt: str, style: image_pb2.PromptStyle) -> PromptRequest:
    theme = image_pb2.ImageTheme.Name(style.theme).removeprefix("IMAGE_THEME_").lower() if style.theme else ""
    return PromptRequest(
        prompt=prompt,
        theme=theme,
        art_styles=tuple(style.art_styles),
        brand_colors=tuple(style.brand_colors),
        brand_style=style.brand_style,
        enhance_for_finance=style.enhance_for_finance,
        style_guidelines=tuple(style.style_guidelines),
        max_length=style.max_length or 5000,
        template=style.template,
        template_fields=dict(style.template_fields),
    )
