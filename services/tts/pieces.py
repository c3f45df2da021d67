"""Opens one piece of a text: with a provider call, or as a sentence that is cached and shared by itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

from services.common.resilience.retry import ProviderPolicy
from services.common.text.mapping import MappedText, map_text
from services.tts.events import CostReport, Done, Header, Plan, SpeechEvent
from services.tts.failover import open_with_failover
from services.tts.providers.interface import AudioChunk


@dataclass(slots=True)
class Piece:
    """An open piece of the text: its audio, and what its provider reported."""

    plan: Plan
    """The plan that speaks it."""
    chunks: AsyncIterator[AudioChunk]
    """Its audio, from the beginning."""
    spoken: MappedText
    """The text whose timing `chunks` has, and the text of the plan that it comes from."""
    request_id: str = ""
    """The provider's id of the request; may be empty."""
    ignored_fields: tuple[str, ...] = ()
    """Fields of the request that the provider cannot honour."""
    queued_seconds: float = 0.0
    """Time spent waiting for permits of the providers."""
    failover_reason: str = ""
    """Name of the reason why the preferred provider failed; empty if none failed."""
    cost_report: CostReport = field(default_factory=CostReport)
    """What the provider charges; complete when `chunks` has ended."""
    cached_characters: int = 0
    """Code points that came from the cache; complete when `chunks` has ended."""
    saved_cost_units: int = 0
    """What the cached part cost when it was generated; complete when `chunks` has ended."""
    pause: Callable[[float], Awaitable[None]] | None = None
    """Called with seconds to pause reading, so that audio gathers; None if the source cannot gather it."""


OpenPiece = Callable[[Sequence[Plan]], AbstractAsyncContextManager[Piece]]
"""Opens a piece of the text with the first plan that works; entering the context waits for the first audio."""


@asynccontextmanager
async def open_call(plans: Sequence[Plan], policy: ProviderPolicy) -> AsyncIterator[Piece]:
    """Open a piece with a provider call of its own.

    Args:
        plans: The plans to try, in order of preference; at least one.
        policy: Limits and retries of provider calls.
    """
    async with open_with_failover(plans, policy) as call:
        stream = call.stream
        yield Piece(
            call.plan,
            call.chunks,
            call.spoken,
            stream.request_id,
            stream.ignored_fields,
            call.queued_seconds,
            call.attempts[-1].reason.name if call.attempts else "",
            CostReport(stream.cost_units),
            pause=stream.pause,
        )


@asynccontextmanager
async def open_sentence(
    plans: Sequence[Plan], speak: Callable[[Plan], AsyncGenerator[SpeechEvent, None]]
) -> AsyncIterator[Piece]:
    """Open a sentence like a request of its own, so that it is looked up, shared and cached by itself.

    Args:
        plans: The plans to try, in order of preference; at least one.
        speak: Called with the plan of the sentence to get its events.
    """
    first, *others = sentence_plans = [_build_sentence_plan(plan) for plan in plans]
    async with aclosing(speak(replace(first, fallbacks=tuple(others)))) as events:
        header = await anext(events)
        assert isinstance(header, Header)  # noqa: S101 - for mypy: every stream begins with a header
        spoken_by = next(plan for plan in sentence_plans if plan.provider.name == header.provider)
        yield _build_sentence_piece(spoken_by, header, events)


def _build_sentence_plan(plan: Plan) -> Plan:
    """Return the plan of a sentence without its context, so that it sounds the same in every text."""
    spec = replace(plan.spec, previous_text="", next_text="", previous_request_ids=(), next_request_ids=())
    return replace(plan, spec=spec, resumable=False)


def _build_sentence_piece(plan: Plan, header: Header, events: AsyncIterator[SpeechEvent]) -> Piece:
    async def read_chunks() -> AsyncIterator[AudioChunk]:
        async for event in events:
            match event:
                case AudioChunk():
                    yield event
                case Done():
                    piece.cost_report.add(event.cost_units)
                    piece.cached_characters = event.cached_characters
                    piece.saved_cost_units = event.saved_cost_units

    piece = Piece(
        plan,
        read_chunks(),
        map_text(plan.spec.text),
        header.provider_request_id,
        header.ignored_fields,
        header.queued_seconds,
    )
    if header.cache_status == "miss":
        # The provider charges when it accepts, whether or not the audio is read to its end.
        piece.cost_report.add(header.cost_report.take())
    return piece
