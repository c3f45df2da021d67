"""Resolves a request to a plan: provider, voice, format and fallbacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.common.errors import MediaError, Reason, invalid
from services.common.providers.models import check_model
from services.common.resilience.failover import check_any_ready
from services.common.text.normalization import clean_text, normalize_text
from services.tts.events import Plan
from services.tts.formats import FORMATS, OutputFormat, find_format
from services.tts.providers.interface import SpeechProvider, SpeechSpec, Voice, VoiceSettings
from services.tts.spoken_text import check_spoken

DEFAULT_VOICE = "Aria"


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """The request of a caller; for empty values and None, the service decides."""

    text: str
    voice: str = ""
    provider: str = ""
    model_id: str = ""
    output_format: str = ""
    quality: str = ""
    """low, medium or high."""
    allow_fallback: bool = False
    """Whether another provider may take over for a named one."""
    language_code: str = ""
    settings: VoiceSettings = VoiceSettings()
    seed: int | None = None
    previous_text: str = ""
    next_text: str = ""
    previous_request_ids: tuple[str, ...] = ()
    next_request_ids: tuple[str, ...] = ()
    apply_text_normalization: str = ""
    include_alignment: bool = False
    use_cache: bool = True
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class PlanningOptions:
    """Defaults and limits for requests."""

    default_provider: str
    """Provider of requests that name none."""
    fallback_providers: tuple[str, ...] = ()
    """Providers to try when the chosen one fails, in order; empty for no failover."""
    max_text_characters: int = 100_000
    """Longest text of a request."""
    resume: bool = True
    """Whether an interrupted stream is resumed."""


class Planner:
    """Resolves requests with local tables; makes no provider calls."""

    def __init__(self, providers: Mapping[str, SpeechProvider], options: PlanningOptions) -> None:
        self._providers = providers
        self._options = options

    def plan(self, request: SpeechRequest) -> Plan:
        """Return the plan of a request.

        Raises:
            MediaError: VOICE_NOT_FOUND, TEXT_TOO_LONG, or VALIDATION_ERROR naming the field.
        """
        if len(request.text) > self._options.max_text_characters:
            limit = self._options.max_text_characters
            raise invalid("text", f"must be at most {limit} characters, has {len(request.text)}", Reason.TEXT_TOO_LONG)
        provider = self.find_provider(request.provider)
        voice = self.find_voice(request.voice or DEFAULT_VOICE, provider)
        caller_text = normalize_text(request.text)
        normalized = replace(
            request,
            text=caller_text.text,
            previous_text=clean_text(request.previous_text),
            next_text=clean_text(request.next_text),
        )
        plan = self._build_plan(normalized, provider, voice, self._plan_fallbacks(normalized, provider, voice))
        check_spoken(plan)
        return replace(plan, caller_text=caller_text if caller_text.starts is not None else None)

    async def learn_voice(self, provider: str, voice: str) -> None:
        """Look up a voice at its provider, if it is not known yet, so that `plan` finds it.

        Args:
            provider: Name of the provider; empty for the default.
            voice: Name or id of the voice; empty for the default.

        Raises:
            MediaError: VALIDATION_ERROR, no such provider; or the provider cannot be asked now.
        """
        if voice:
            await self.find_provider(provider).learn_voice(voice)

    def check(self, request: SpeechRequest) -> Plan:
        """Return the plan of a request that one of its providers can take.

        Raises:
            MediaError: API_KEY_MISSING; what `plan` raises.
        """
        plan = self.plan(request)
        check_any_ready([candidate.provider for candidate in (plan, *plan.fallbacks)])
        return plan

    def find_provider(self, name: str) -> SpeechProvider:
        """Return the provider of this name, or the default one for an empty name.

        Raises:
            MediaError: VALIDATION_ERROR, no provider has this name.
        """
        found = self._providers.get(name or self._options.default_provider)
        if found is None:
            raise invalid("provider", f"must be one of {', '.join(self._providers)}")
        return found

    def find_voice(self, name: str, provider: SpeechProvider) -> Voice:
        """Return the voice of this name or id.

        Raises:
            MediaError: VOICE_NOT_FOUND, the provider has no such voice.
        """
        found = provider.resolve(name)
        if found is None:
            description = f"must be the name or id of a voice of {provider.name}; GET /api/voices lists them"
            raise invalid("voice", description, Reason.VOICE_NOT_FOUND)
        return found

    def _plan_fallbacks(self, request: SpeechRequest, provider: SpeechProvider, voice: Voice) -> tuple[Plan, ...]:
        """Return plans of the fallback providers that have a voice of the same name, and the format."""
        if request.provider and not request.allow_fallback:
            # A caller that names a provider wants that one: another one would sound, and cost, differently.
            return ()
        found = []
        for name in self._options.fallback_providers:
            other = self._providers.get(name)
            if other is None or other is provider or (other_voice := other.resolve(voice.name)) is None:
                continue
            try:
                found.append(self._build_plan(request, other, other_voice, ()))
            except MediaError:
                continue
        return tuple(found)

    def _build_plan(
        self, request: SpeechRequest, provider: SpeechProvider, voice: Voice, fallbacks: tuple[Plan, ...]
    ) -> Plan:
        capabilities = provider.capabilities
        model_id = request.model_id or capabilities.default_model_id
        check_model(capabilities.models, model_id, provider=provider.name, field="model_id" if request.model_id else "")
        spec = SpeechSpec(
            text=request.text,
            voice=voice,
            output_format=_parse_output_format(request, provider),
            settings=request.settings.with_defaults(capabilities.default_settings),
            model_id=model_id,
            language_code=request.language_code,
            seed=request.seed,
            previous_text=request.previous_text,
            next_text=request.next_text,
            previous_request_ids=request.previous_request_ids,
            next_request_ids=request.next_request_ids,
            apply_text_normalization=request.apply_text_normalization,
        )
        return Plan(
            provider,
            spec,
            with_alignment=request.include_alignment,
            shared=request.use_cache,
            resumable=request.streamed and self._options.resume,
            streamed=request.streamed,
            fallbacks=fallbacks,
        )


def _parse_output_format(request: SpeechRequest, provider: SpeechProvider) -> OutputFormat:
    output_format = find_format(request.output_format, request.quality)
    families = provider.capabilities.families
    if output_format is None or output_format.family not in families:
        offered = ", ".join(name for name, item in FORMATS.items() if item.family in families)
        raise invalid("output_format", f"must be a format of {provider.name}: {offered}")
    return output_format


def get_max_call_characters(plan: Plan) -> int:
    """Return the longest text, in code points, that every provider of the plan accepts in one call."""
    return min(_get_max_text_characters(one) for one in (plan, *plan.fallbacks))


def _get_max_text_characters(plan: Plan) -> int:
    capabilities = plan.provider.capabilities
    model = capabilities.models.get(plan.spec.model_id)
    return capabilities.default_max_text_characters if model is None else int(model.traits["max_text_characters"])
