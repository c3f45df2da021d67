"""Plans of requests: choices, refusals and fallbacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.common.providers.models import ModelInfo
from services.tts.planning import Planner, PlanningOptions, SpeechRequest, get_max_call_characters
from services.tts.providers.interface import Capabilities, VoiceSettings
from tests.fakes.speech import ALL_FAMILIES, FakeSpeechProvider, build_voice

REQUEST = SpeechRequest("Hello", output_format="pcm_8000")


def build_planner(*providers: FakeSpeechProvider, fallbacks: tuple[str, ...] = (), resume: bool = True) -> Planner:
    options = PlanningOptions(providers[0].name, fallbacks, max_text_characters=100, resume=resume)
    return Planner({provider.name: provider for provider in providers}, options)


def test_fields_that_a_request_leaves_open_get_defaults() -> None:
    provider = FakeSpeechProvider(capabilities=Capabilities(ALL_FAMILIES, default_model_id="model-1"))
    spec = build_planner(provider).plan(SpeechRequest("Hello")).spec
    assert (spec.voice.name, spec.output_format.name, spec.model_id) == ("Aria", "mp3_44100_128", "model-1")


def test_a_plan_has_the_values_of_its_request() -> None:
    settings = VoiceSettings(0.1, 0.2, 0.3, 0.9, use_speaker_boost=False)
    build_speech_request = SpeechRequest(
        "Hello",
        voice="bella-ID".lower(),
        provider="second",
        model_id="model-2",
        output_format="wav_8000",
        language_code="pt",
        settings=settings,
        seed=0,
        previous_text="before",
        next_text="after",
        previous_request_ids=("p",),
        next_request_ids=("n",),
        apply_text_normalization="off",
        include_alignment=True,
    )
    second = FakeSpeechProvider(name="second", voices=[build_voice("Bella", "second")])
    plan = build_planner(FakeSpeechProvider(), second).plan(build_speech_request)
    assert (plan.provider, plan.with_alignment) == (second, True)
    spec = plan.spec
    assert (spec.voice.name, spec.output_format.name, spec.settings) == ("Bella", "wav_8000", settings)
    for field in ("model_id", "language_code", "seed", "previous_text", "next_text", "previous_request_ids"):
        assert getattr(spec, field) == getattr(build_speech_request, field)
    assert (spec.next_request_ids, spec.apply_text_normalization) == (("n",), "off")


def test_settings_that_a_request_leaves_open_are_those_of_the_provider() -> None:
    defaults = VoiceSettings(0.5, 0.75, 0.0, 1.0, use_speaker_boost=True)
    provider = FakeSpeechProvider(capabilities=Capabilities(ALL_FAMILIES, default_settings=defaults))
    build_speech_request = replace(REQUEST, settings=VoiceSettings(stability=0.0, use_speaker_boost=False))
    chosen = build_planner(provider).plan(build_speech_request).spec.settings
    assert chosen == VoiceSettings(0.0, 0.75, 0.0, 1.0, use_speaker_boost=False)


def build_refusal(build_speech_request: SpeechRequest, provider: FakeSpeechProvider) -> MediaError:
    with pytest.raises(MediaError) as caught:
        build_planner(provider).plan(build_speech_request)
    assert provider.live.total == 0
    return caught.value


@pytest.mark.parametrize(
    ("build_speech_request", "reason", "field"),
    [
        (SpeechRequest("Hello", voice="Unknown"), Reason.VOICE_NOT_FOUND, "voice"),
        (SpeechRequest("Hello", provider="elevenlabs"), Reason.VALIDATION_ERROR, "provider"),
        (SpeechRequest("Hello", output_format="opus_48000_64"), Reason.VALIDATION_ERROR, "output_format"),
        (SpeechRequest("Hello", output_format="flac"), Reason.VALIDATION_ERROR, "output_format"),
        (SpeechRequest("a" * 101), Reason.TEXT_TOO_LONG, "text"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_impossible_request_is_refused_by_field_without_a_provider_call(
    build_speech_request: SpeechRequest, reason: Reason, field: str
) -> None:
    error = build_refusal(
        build_speech_request, FakeSpeechProvider(capabilities=Capabilities(frozenset({"mp3", "pcm"})))
    )
    assert error.reason is reason
    assert [item.field for item in error.violations] == [field]


def test_the_error_for_an_unknown_format_lists_the_formats_of_the_provider() -> None:
    error = build_refusal(
        SpeechRequest("Hello", output_format="opus_48000_64"),
        FakeSpeechProvider(capabilities=Capabilities(frozenset({"ulaw", "alaw"}))),
    )
    assert "must be a format of espeak: ulaw_8000, alaw_8000" in error.message


LIMITS = Capabilities(
    ALL_FAMILIES,
    default_model_id="large",
    models={
        name: ModelInfo(name, traits={"max_text_characters": longest})
        for name, longest in {"large": 30, "small": 10, "huge": 1000}.items()
    },
    default_max_text_characters=20,
)


@pytest.mark.parametrize(("model", "limit"), [("", 30), ("large", 30), ("small", 10), ("unlisted", 20), ("huge", 1000)])
def test_the_longest_text_of_a_call_is_that_of_the_model(model: str, limit: int) -> None:
    provider = FakeSpeechProvider(capabilities=LIMITS)
    assert get_max_call_characters(build_planner(provider).plan(replace(REQUEST, model_id=model))) == limit


def test_the_longest_text_of_a_call_fits_every_fallback() -> None:
    first = FakeSpeechProvider(name="elevenlabs", capabilities=LIMITS)
    second = FakeSpeechProvider(capabilities=replace(LIMITS, default_model_id="small"))
    assert get_max_call_characters(build_planner(first, second, fallbacks=("espeak",)).plan(REQUEST)) == 10


def test_a_fallback_has_a_voice_of_the_same_name_and_the_format() -> None:
    first = FakeSpeechProvider(name="elevenlabs")
    second = FakeSpeechProvider(name="espeak")
    other_voices = FakeSpeechProvider(name="third", voices=[build_voice("Bella", "third")])
    other_formats = FakeSpeechProvider(name="fourth", capabilities=Capabilities(frozenset({"mp3"})))
    chosen = build_planner(
        first, other_voices, other_formats, second, fallbacks=("third", "fourth", "elevenlabs", "espeak")
    )
    for request in (REQUEST, replace(REQUEST, provider="elevenlabs", allow_fallback=True)):
        assert [one.provider for one in chosen.plan(request).fallbacks] == [second]


def test_a_named_provider_is_not_replaced_unless_allowed() -> None:
    chosen = build_planner(FakeSpeechProvider(name="elevenlabs"), FakeSpeechProvider(), fallbacks=("espeak",))
    assert chosen.plan(replace(REQUEST, provider="elevenlabs")).fallbacks == ()


@pytest.mark.parametrize(
    ("streamed", "resume", "resumable"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_only_streams_can_be_resumed_and_only_if_configured(streamed: bool, resume: bool, resumable: bool) -> None:
    plan = build_planner(FakeSpeechProvider(), resume=resume).plan(replace(REQUEST, streamed=streamed))
    assert plan.resumable is resumable


def test_a_text_that_is_too_long_is_not_quoted() -> None:
    assert "secret" not in build_refusal(SpeechRequest("secret" * 50), FakeSpeechProvider()).message
