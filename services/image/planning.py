"""Resolve an image request to a plan: providers in order, the request for each, and the form of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.common.errors import invalid
from services.common.images import MAX_ASPECT, MAX_PIXELS, Size
from services.image.prompt import Brand, FinalPrompt, compose
from services.image.providers.interface import ImageProvider, ImageSpec, Mode, Model, SourceImage
from services.image.rendition import Encoding, Fit, VariantSpec
from services.image.request import ImageRequest, OutputRequest, Quality
from services.image.sizes import CUSTOM, DEFAULT_PRESET, MAX_SIDE_PIXELS, PRESETS

DEFAULT_FORMAT = "webp"
DEFAULT_QUALITY: Quality = "medium"
DEFAULT_GUIDANCE_SCALE = 3.5
DEFAULT_STRENGTH = 0.75


@dataclass(frozen=True, slots=True)
class PlanningOptions:
    """Defaults of the service for requests."""

    default_provider: str
    """Provider of requests that name none."""
    fallback_providers: tuple[str, ...] = ()
    """Providers to try after a failed one, in order."""
    brand: Brand = Brand()
    """Brand that `use_brand` applies."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that may generate the image, and the exact request for it."""

    provider: ImageProvider
    model: Model
    spec: ImageSpec
    ignored_fields: tuple[str, ...]
    """Fields of the request that the model does not support."""


@dataclass(frozen=True, slots=True)
class Form:
    """File format, fit and variants of the delivered image."""

    encoding: Encoding
    fit: Fit
    variants: tuple[VariantSpec, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before a provider is called."""

    candidates: tuple[Candidate, ...]
    """Candidates in order of preference; at least one."""
    prompt: FinalPrompt
    """The final prompt."""
    size: Size
    """Size of the delivered image."""
    form: Form
    """Its form."""
    shared: bool
    """Whether the image may be shared with identical requests, in flight and through the cache."""


class Planner:
    """Resolves image requests to plans.

    Args:
        providers: All providers, by name.
        options: Defaults for what requests leave open.
    """

    def __init__(self, providers: Mapping[str, ImageProvider], options: PlanningOptions) -> None:
        self._providers = providers
        self._options = options

    def plan(self, request: ImageRequest, source: SourceImage | None = None) -> Plan:
        """Return the plan for `request`.

        Args:
            request: The image that the caller wants.
            source: The image to transform; set exactly for Mode.TRANSFORM.

        Raises:
            MediaError: VALIDATION_ERROR naming the field.
        """
        provider = self._choose_provider(request)
        brand = self._options.brand if request.use_brand else Brand()
        prompt = compose(brand.apply_to(request.prompt))
        size = _resolve_size(request, source)
        # A caller that names a provider wants that one: another one would answer, and cost, differently.
        may_fall_back = request.allow_fallback or not request.provider
        names = dict.fromkeys((provider.name, *(self._options.fallback_providers if may_fall_back else ())))
        candidates = tuple(
            _build_candidate(self._providers[name], request, prompt.text, size, source)
            for name in names
            if name in self._providers and request.mode in self._providers[name].models
        )
        return Plan(candidates, prompt, size, build_form(request.output, request.quality), request.use_cache)

    def _choose_provider(self, request: ImageRequest) -> ImageProvider:
        found = self._providers.get(request.provider or self._options.default_provider)
        if found is None or request.mode not in found.models:
            capable = [name for name, provider in self._providers.items() if request.mode in provider.models]
            raise invalid("provider", f"must be one of {', '.join(capable)}")
        return found


def build_form(output: OutputRequest, quality: Quality | None) -> Form:
    """Return the form for `output`, with defaults for what it leaves open.

    Raises:
        MediaError: VALIDATION_ERROR naming the field.
    """
    name = output.format or DEFAULT_FORMAT
    if output.encoder_quality is not None and name == "png":
        raise invalid("output.encoder_quality", "must be absent for png, which is lossless: use compression_level")
    if output.compression_level is not None and name != "png":
        raise invalid("output.compression_level", f"must be absent for {name}: use encoder_quality")
    encoding = Encoding(name, quality or DEFAULT_QUALITY, output.encoder_quality, output.compression_level)
    return Form(encoding, output.fit, _resolve_variants(output))


def _resolve_size(request: ImageRequest, source: SourceImage | None) -> Size:
    if request.image_size == CUSTOM or request.custom_size is not None:
        size = request.custom_size
        if size is None or max(size.width, size.height) > MAX_SIDE_PIXELS or size.pixels > MAX_PIXELS:
            raise invalid("width", f"must be at most {MAX_SIDE_PIXELS}, and width times height at most {MAX_PIXELS}")
        return size
    if not request.image_size and source is not None:
        return source.size.within_pixels(MAX_PIXELS).within(MAX_SIDE_PIXELS)
    preset = PRESETS.get(request.image_size or DEFAULT_PRESET)
    if preset is None:
        raise invalid("image_size", f"must be one of {', '.join([*PRESETS, CUSTOM])}")
    return preset.size


def _build_candidate(
    provider: ImageProvider, request: ImageRequest, prompt: str, size: Size, source: SourceImage | None
) -> Candidate:
    model = provider.models[request.mode]
    model_size = _limit_size(size, model)
    steps = _choose_steps(request, model)
    guidance = DEFAULT_GUIDANCE_SCALE if request.guidance_scale is None else request.guidance_scale
    strength = DEFAULT_STRENGTH if request.strength is None else request.strength
    spec = ImageSpec(
        mode=request.mode,
        prompt=prompt,
        size=model_size,
        preset=request.image_size or DEFAULT_PRESET if model_size == size and source is None else "",
        negative_prompt=request.negative_prompt if model.takes_negative_prompt else "",
        steps=steps,
        guidance_scale=guidance if model.takes_guidance else None,
        seed=request.seed if model.takes_seed else None,
        safety_checker=request.safety_checker is not False or not model.takes_safety_checker,
        source=source,
        strength=strength if model.takes_strength and request.mode is Mode.TRANSFORM else None,
    )
    if spec.preset == CUSTOM:
        spec = replace(spec, preset="")
    return Candidate(provider, model, spec, _list_ignored(request, model))


def _limit_size(size: Size, model: Model) -> Size:
    """Return the size to request from the model; the result is fitted to `size` afterwards."""
    within = size.within(model.max_side_pixels)
    # Files with a longer aspect ratio are refused on inspection; the fit makes longer strips from this one.
    shortest = -(-max(within.width, within.height) // MAX_ASPECT)
    return Size(max(within.width, shortest), max(within.height, shortest))


def _choose_steps(request: ImageRequest, model: Model) -> int | None:
    if model.default_steps is None:
        return None
    if request.steps is not None:
        return request.steps
    return model.steps_by_quality.get(request.quality or "", model.default_steps)


def _list_ignored(request: ImageRequest, model: Model) -> tuple[str, ...]:
    """Return the fields that the request sets and the model does not support."""
    support = {
        "negative_prompt": (bool(request.negative_prompt), model.takes_negative_prompt),
        "num_inference_steps": (request.steps is not None, model.default_steps is not None),
        "guidance_scale": (request.guidance_scale is not None, model.takes_guidance),
        "seed": (request.seed is not None, model.takes_seed),
        "enable_safety_checker": (request.safety_checker is not None, model.takes_safety_checker),
        "strength": (request.strength is not None, model.takes_strength),
    }
    return tuple(name for name, (is_set, is_supported) in support.items() if is_set and not is_supported)


def _resolve_variants(output: OutputRequest) -> tuple[VariantSpec, ...]:
    found: dict[str, VariantSpec] = {}
    for at, request in enumerate(output.variants):
        if request.name in found:
            raise invalid(f"output.variants[{at}].name", "must be unique in the request")
        preset = PRESETS.get(request.name)
        width = request.width or (preset.size.width if preset else 0)
        height = request.height or (preset.size.height if preset else 0)
        if not (width and height):
            names = ", ".join(PRESETS)
            raise invalid(f"output.variants[{at}]", f"must have width and height, or the name of a preset: {names}")
        found[request.name] = VariantSpec(request.name, Size(width, height))
    # More pixels could exceed the worker's time limit, and the request would fail after the provider was paid.
    if sum(copy.size.pixels for copy in found.values()) > MAX_PIXELS:
        raise invalid("output.variants", f"must have at most {MAX_PIXELS:,} pixels in all")
    return tuple(found.values())
