"""Speech for many: from the cache, from a production that is going on, or from a new one that others may join."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from services.common.cache import TieredCache
from services.common.resilience.call import ProviderPolicy
from services.common.singleflight import SingleFlight
from services.common.timing.sentences import TextSpan, split_for_limit, split_sentences
from services.tts.cache import CachedSpeech, Recording, cache_key, replay
from services.tts.events import Bill, Done, Header, Plan, SpeechEvent, with_cache_status
from services.tts.failover import open_with_failover
from services.tts.planning import longest_call
from services.tts.providers.interface import AudioChunk
from services.tts.utterance import Piece, UtteranceOptions, UtteranceStream


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """How speech is made and shared."""

    narration: UtteranceOptions = UtteranceOptions()
    """How failures on the way are treated."""
    reuse_sentences: bool = False
    """Whether every sentence of a text is kept, and looked for, by itself."""


class Synthesizer:
    """Makes speech, once for all who want the same at the same time, and keeps it for those who come later.

    Args:
        policy: How providers are treated.
        cache: Where whole utterances are kept; None for nowhere.
        flights: The productions that are going on.
        options: How speech is made and shared.
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

        Whoever iterates closes the iterator. A provider's work ends when the last one does who listens to it.

        Raises:
            MediaError: The provider refused, failed, stalled, was cut, or delivered no audio.
        """
        source = (
            self._synthesize_shared(plan) if plan.shared else self._narration(_with_what_mending_needs(plan)).events()
        )
        async with aclosing(source) as events:
            async for event in events:
                if (told := _for_caller(event, plan)) is not None:
                    yield told

    async def _synthesize_shared(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        key = cache_key(plan)
        if (kept := await self._find_cached(key)) is not None:
            for event in replay(kept, plan):
                yield event
            return
        with self._flights.subscribe(key, lambda: self._production(key, plan)) as subscription:
            bill = Bill()
            async for event in subscription.items():
                if isinstance(event, Header):
                    bill = event.bill
                # Not simply whoever began it pays: he may have left.
                due = bill.take() if isinstance(event, Done) else None
                if isinstance(event, Done) and (due or not subscription.joined):
                    yield replace(event, cost_units=due)
                else:
                    yield with_cache_status(event, "joined") if subscription.joined else event

    async def _find_cached(self, key: str) -> CachedSpeech | None:
        if self._cache is None or key in self._flights:
            return None
        # The second look is for a production that ended during the first: it would be paid again.
        return await self._cache.get(key) or self._cache.peek(key)

    async def _production(self, key: str, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Make the speech for all who want it, with timing in case one of them does, and keeps it if it is whole."""
        recording = Recording(plan)
        async with aclosing(self._narration(_with_timing(plan)).events()) as events:
            async for event in events:
                told = replace(event, cache_status="miss") if isinstance(event, Header) else event
                recording.feed(told)
                if isinstance(told, Done) and self._cache is not None and (kept := recording.build_entry()) is not None:
                    # Before anybody is told the end: whoever asks from then on must find it.
                    self._cache.put(key, kept)
                yield told

    def _narration(self, plan: Plan) -> UtteranceStream:
        text, limit = plan.spec.text, longest_call(plan)
        if self._options.reuse_sentences and plan.shared and len(sentences := split_sentences(text)) > 1:
            return UtteranceStream(plan, sentences, self._open_sentence, self._options.narration)
        pieces = _select_spoken(text, split_for_limit(text, limit)) if len(text) > limit else (TextSpan(0, len(text)),)
        return UtteranceStream(plan, pieces, self._open_call, self._options.narration)

    @asynccontextmanager
    async def _open_call(self, plans: Sequence[Plan]) -> AsyncIterator[Piece]:
        """Have a piece spoken by a call of its own."""
        async with open_with_failover(plans, self._policy) as call:
            stream = call.stream
            yield Piece(
                call.plan,
                call.chunks,
                stream.request_id,
                stream.ignored_fields,
                call.queued_seconds,
                call.attempts[-1].reason.name if call.attempts else "",
                Bill(stream.cost_units),
                rest=stream.rest,
            )

    @asynccontextmanager
    async def _open_sentence(self, plans: Sequence[Plan]) -> AsyncIterator[Piece]:
        """Have a sentence spoken like a request of its own, so that it is found, shared and kept as one."""
        first, *others = alone = [_standing_alone(one) for one in plans]
        async with aclosing(self._synthesize_shared(replace(first, fallbacks=tuple(others)))) as events:
            header = await anext(events)
            assert isinstance(header, Header)  # noqa: S101 - told so to mypy: every stream of ours begins with one
            spoken_by = next(one for one in alone if one.provider.name == header.provider)
            yield _build_piece(spoken_by, header, events)


def _build_piece(plan: Plan, header: Header, events: AsyncIterator[SpeechEvent]) -> Piece:
    async def chunks() -> AsyncIterator[AudioChunk]:
        async for event in events:
            match event:
                case AudioChunk():
                    yield event
                case Done():
                    piece.bill.add(event.cost_units)
                    piece.cached_characters = event.cached_characters
                    piece.saved_cost_units = event.saved_cost_units

    piece = Piece(plan, chunks(), header.provider_request_id, header.ignored_fields, header.queued_seconds)
    if header.cache_status == "miss":
        # It is paid from the beginning, whether it is heard to its end or not.
        piece.bill.add(header.bill.take())
    return piece


def _select_spoken(text: str, pieces: Sequence[TextSpan]) -> Sequence[TextSpan]:
    """Return the pieces that hold something to say: white space by itself is nothing to pay for."""
    spoken = [piece for piece in pieces if any(map(str.isalnum, text[piece.start : piece.end]))]
    return spoken or pieces[:1]


def _standing_alone(plan: Plan) -> Plan:
    """Return the plan of a sentence that sounds the same whatever stands around it."""
    alone = replace(plan.spec, previous_text="", next_text="", previous_request_ids=(), next_request_ids=())
    return replace(plan, spec=alone, resumable=False)


def _with_what_mending_needs(plan: Plan) -> Plan:
    """Return the plan with timing where a failure may be mended: it says which sentences were heard."""
    return _with_timing(plan) if plan.resumable and len(split_sentences(plan.spec.text)) > 1 else plan


def _with_timing(plan: Plan) -> Plan:
    fallbacks = tuple(_with_timing(other) for other in plan.fallbacks)
    return replace(plan, with_alignment=True, fallbacks=fallbacks)


def _for_caller(event: SpeechEvent, plan: Plan) -> SpeechEvent | None:
    """Return the event without the timing that only others wanted; None if nothing is left of it."""
    if plan.with_alignment or not isinstance(event, AudioChunk) or event.alignment is None:
        return event
    return AudioChunk(event.audio) if event.audio else None
