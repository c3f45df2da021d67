"""Produces the speech of a plan: from the cache, from a production already running, or by a new one that is shared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from services.common.cache import TieredCache
from services.common.resilience.call import ProviderPolicy
from services.common.singleflight import SingleFlight
from services.common.timing.sentences import TextSpan, split_for_limit, split_sentences
from services.tts.cache import CachedSpeech, SpeechRecorder, build_cache_key, replay
from services.tts.events import CostReport, Done, Header, Plan, SpeechEvent, with_cache_status
from services.tts.failover import open_with_failover
from services.tts.planning import get_max_call_characters
from services.tts.providers.interface import AudioChunk
from services.tts.utterance import Piece, UtteranceOptions, UtteranceStream


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """How speech is produced and shared."""

    utterance: UtteranceOptions = UtteranceOptions()
    """How failures in the middle of an utterance are treated."""
    reuse_sentences: bool = False
    """Whether each sentence of a text is cached and looked up by itself."""


class Synthesizer:
    """Produces speech once for all callers that want the same at the same time, and caches it for later ones.

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
        self._policy = policy
        self._cache = cache
        self._flights = flights
        self._options = options

    async def stream(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Yield the header once there is audio, then the audio, then `Done`.

        The caller must close the generator. The provider's work ends when the last caller that shares it has left.

        Raises:
            MediaError: The provider refused, failed, stalled, broke off or delivered no audio.
        """
        if plan.shared:
            source = self._synthesize_shared(plan)
        else:
            source = self._build_utterance(_with_timing_for_resume(plan)).events()
        async with aclosing(source) as events:
            async for event in events:
                if (wanted := _strip_unwanted_timing(event, plan)) is not None:
                    yield wanted

    async def _synthesize_shared(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        key = build_cache_key(plan)
        if (cached := await self._find_cached(key)) is not None:
            for event in replay(cached, plan):
                yield event
            return
        with self._flights.subscribe(key, lambda: self._synthesize_new(key, plan)) as subscription:
            costs = CostReport()
            async for event in subscription.items():
                if isinstance(event, Header):
                    costs = event.cost_report
                # The first subscriber to reach the end reports the cost: the one that started it may have left.
                due = costs.take() if isinstance(event, Done) else None
                if isinstance(event, Done) and (due or not subscription.joined):
                    yield replace(event, cost_units=due)
                else:
                    yield with_cache_status(event, "joined") if subscription.joined else event

    async def _find_cached(self, key: str) -> CachedSpeech | None:
        if self._cache is None or key in self._flights:
            return None
        # A production may have ended while get() was waiting. Without the second look it would be paid for twice.
        return await self._cache.get(key) or self._cache.peek(key)

    async def _synthesize_new(self, key: str, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Produce the speech for all subscribers, with timing because any of them may want it, and cache it."""
        recorder = SpeechRecorder(plan)
        async with aclosing(self._build_utterance(_with_timing(plan)).events()) as events:
            async for original in events:
                event = replace(original, cache_status="miss") if isinstance(original, Header) else original
                recorder.feed(event)
                if (
                    isinstance(event, Done)
                    and self._cache is not None
                    and (entry := recorder.build_entry()) is not None
                ):
                    # Cache before yielding the end: a caller that starts after it must find the entry.
                    self._cache.put(key, entry)
                yield event

    def _build_utterance(self, plan: Plan) -> UtteranceStream:
        text, limit = plan.spec.text, get_max_call_characters(plan)
        if self._options.reuse_sentences and plan.shared and len(sentences := split_sentences(text)) > 1:
            return UtteranceStream(plan, sentences, self._open_sentence, self._options.utterance)
        pieces = _select_spoken(text, split_for_limit(text, limit)) if len(text) > limit else (TextSpan(0, len(text)),)
        return UtteranceStream(plan, pieces, self._open_call, self._options.utterance)

    @asynccontextmanager
    async def _open_call(self, plans: Sequence[Plan]) -> AsyncIterator[Piece]:
        """Open a piece that is spoken by a provider call of its own."""
        async with open_with_failover(plans, self._policy) as call:
            stream = call.stream
            yield Piece(
                call.plan,
                call.chunks,
                stream.request_id,
                stream.ignored_fields,
                call.queued_seconds,
                call.attempts[-1].reason.name if call.attempts else "",
                CostReport(stream.cost_units),
                rest=stream.rest,
            )

    @asynccontextmanager
    async def _open_sentence(self, plans: Sequence[Plan]) -> AsyncIterator[Piece]:
        """Open a sentence like a request of its own, so that it is looked up, shared and cached by itself."""
        first, *others = sentence_plans = [_build_sentence_plan(plan) for plan in plans]
        async with aclosing(self._synthesize_shared(replace(first, fallbacks=tuple(others)))) as events:
            header = await anext(events)
            assert isinstance(header, Header)  # noqa: S101 - for mypy: every stream begins with a header
            spoken_by = next(plan for plan in sentence_plans if plan.provider.name == header.provider)
            yield _build_piece(spoken_by, header, events)


def _with_timing_for_resume(plan: Plan) -> Plan:
    """Return the plan with timing if the stream can be resumed: timing tells which sentences were spoken."""
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
    """Return the pieces that contain a letter or digit; a provider call for white space would cost money."""
    spoken = [piece for piece in pieces if any(map(str.isalnum, text[piece.start : piece.end]))]
    return spoken or pieces[:1]


def _build_sentence_plan(plan: Plan) -> Plan:
    """Return the plan of a sentence without its context, so that it sounds the same in every text."""
    spec = replace(plan.spec, previous_text="", next_text="", previous_request_ids=(), next_request_ids=())
    return replace(plan, spec=spec, resumable=False)


def _build_piece(plan: Plan, header: Header, events: AsyncIterator[SpeechEvent]) -> Piece:
    async def read_chunks() -> AsyncIterator[AudioChunk]:
        async for event in events:
            match event:
                case AudioChunk():
                    yield event
                case Done():
                    piece.cost_report.add(event.cost_units)
                    piece.cached_characters = event.cached_characters
                    piece.saved_cost_units = event.saved_cost_units

    piece = Piece(plan, read_chunks(), header.provider_request_id, header.ignored_fields, header.queued_seconds)
    if header.cache_status == "miss":
        # The provider charges when it accepts, whether or not the audio is read to its end.
        piece.cost_report.add(header.cost_report.take())
    return piece
