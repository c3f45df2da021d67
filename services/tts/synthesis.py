"""Produces the speech of a plan: shared with other callers if allowed, in as many provider calls as the text needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from services.common.cache import TieredCache
from services.common.resilience.retry import ProviderPolicy
from services.common.singleflight import SingleFlight
from services.common.text.directions import remove_directions
from services.common.text.mapping import map_text
from services.common.timing.sentences import TextSpan, split_for_limit, split_sentences
from services.tts.cache import CachedSpeech
from services.tts.caller_text import CallerText
from services.tts.events import Plan, SpeechEvent
from services.tts.pieces import open_call, open_sentence
from services.tts.planning import get_max_call_characters
from services.tts.providers.interface import AudioChunk
from services.tts.shared_speech import SharedSpeech
from services.tts.utterance import UtteranceOptions, UtteranceStream


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """How speech is produced and shared."""

    utterance: UtteranceOptions = UtteranceOptions()
    """Limits, resumes and pacing of an utterance."""
    reuse_sentences: bool = False
    """Whether each sentence of a text is cached by itself."""


class Synthesizer:
    """Produces the speech of plans, once for all callers that request the same.

    Args:
        policy: Limits and retries of the providers.
        cache: Cache of whole utterances; None for no cache.
        flights: The productions that are running; the owner of the synthesizer opens and closes it.
        options: How speech is produced and shared.
    """

    def __init__(
        self,
        policy: ProviderPolicy,
        cache: TieredCache[CachedSpeech] | None,
        flights: SingleFlight[SpeechEvent],
        options: SynthesisOptions = SynthesisOptions(),
    ) -> None:
        self._shared = SharedSpeech(cache, flights)
        self._options = options
        self._open_call = partial(open_call, policy=policy)
        self._open_sentence = partial(open_sentence, speak=self._speak_sentence)

    async def stream(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Yield the header once there is audio, then the audio, then `Done`.

        The caller must close the generator. The provider's work ends when the last caller that shares it closes.

        Raises:
            MediaError: The provider refused, failed, stalled, was cut or delivered no audio.
        """
        if plan.shared:
            source = self._shared.stream(plan, self._speak_for_all)
        else:
            source = self._speak(_with_timing_for_resume(plan))
        caller_text = CallerText(plan.caller_text or map_text(plan.spec.text))
        async with aclosing(source) as events:
            async for event in events:
                if (wanted := _strip_unwanted_timing(event, plan)) is not None:
                    yield caller_text.convert(wanted)

    def _speak_for_all(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Speak with timing, because any of the callers that share the speech may want it."""
        timed = _with_timing(plan)
        if self._options.reuse_sentences and len(sentences := split_sentences(plan.spec.text)) > 1:
            return UtteranceStream(timed, sentences, self._open_sentence, self._options.utterance).stream()
        return self._speak(timed)

    def _speak_sentence(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Speak a sentence of a text, shared like a request of its own; its plan has timing already."""
        return self._shared.stream(plan, self._speak)

    def _speak(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Speak in one provider call, or in one call per piece of a text that is too long for one."""
        text, limit = plan.spec.text, get_max_call_characters(plan)
        pieces = _select_spoken(text, split_for_limit(text, limit)) if len(text) > limit else (TextSpan(0, len(text)),)
        return UtteranceStream(plan, pieces, self._open_call, self._options.utterance).stream()


def _with_timing_for_resume(plan: Plan) -> Plan:
    """Return the plan with timing if the stream can be resumed: timing shows which sentences were spoken."""
    return _with_timing(plan) if plan.resumable and len(split_sentences(plan.spec.text)) > 1 else plan


def _with_timing(plan: Plan) -> Plan:
    fallbacks = tuple(_with_timing(other) for other in plan.fallbacks)
    return replace(plan, with_alignment=True, fallbacks=fallbacks)


def _strip_unwanted_timing(event: SpeechEvent, plan: Plan) -> SpeechEvent | None:
    """Return the event without timing if the caller did not ask for it; None if nothing is left."""
    if plan.with_alignment or not isinstance(event, AudioChunk) or event.alignment is None:
        return event
    return AudioChunk(event.audio) if event.audio else None


def _select_spoken(text: str, pieces: Sequence[TextSpan]) -> Sequence[TextSpan]:
    """Return the pieces that contain a letter or digit; a call for white space would cost money."""
    spoken = [piece for piece in pieces if any(map(str.isalnum, remove_directions(piece.extract(text))))]
    return spoken or pieces[:1]
