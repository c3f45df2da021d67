"""Joins the pieces of one utterance on one clock: resumes interrupted streams, and paces the reading."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from services.common.cancellation import StalledError, next_within
from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.text.mapping import MappedText
from services.common.timing.alignment import Alignment
from services.common.timing.sentences import TextSpan, split_sentences
from services.tts.events import CostReport, Done, Header, Plan, Seam, SpeechEvent
from services.tts.joining import build_joiner
from services.tts.piece_timing import PieceTiming
from services.tts.pieces import OpenPiece, Piece
from services.tts.providers.interface import AudioChunk
from services.tts.spoken_text import IGNORED_FIELD, remove_unknown_directions
from services.tts.utterance_timing import UtteranceTiming

log = logger(__name__)

_CONTEXT = ("previous_text", "next_text")
_CONTEXT_CHARACTERS = 1000
"""Length of the text before and after a piece that the model receives, for intonation."""
_ROUNDING_SECONDS = 0.05
"""A character counts as spoken even if this much of its audio is missing."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """When to pause reading from a provider, and for how long."""

    lead_seconds: float = 0.5
    """Audio that the listener must have in advance before a pause; longer than `pause_seconds`."""
    pause_seconds: float = 0.25
    """Length of a pause; a stream ends later by at most this."""
    large_bytes: int = 32 * 1024
    """A chunk of this size shows that audio arrives in large parts already, and a pause gains nothing."""

    def __post_init__(self) -> None:
        """Raise ValueError if a pause could interrupt the playback."""
        if not 0 <= self.pause_seconds < self.lead_seconds:
            raise ValueError("pause_seconds must be at least 0 and less than lead_seconds")


@dataclass(frozen=True, slots=True)
class UtteranceOptions:
    """How an utterance is limited, resumed and paced."""

    stall_seconds: float = 10.0
    """Longest silence of a provider between two chunks."""
    max_resumes: int = 2
    """How often one utterance is resumed after an interruption."""
    pacing: Pacing | None = Pacing()
    """When to pause reading of a streamed utterance, so that audio gathers; None for never."""


class UtteranceStream:
    """Produces one utterance, piece by piece, with times on one clock.

    Args:
        plan: What to speak, with which provider, and the fallback plans.
        pieces: The parts of the text that are opened one after the other.
        open_piece: Called with the plans of a piece to open it: `open_call` or `open_sentence` of pieces.py.
        options: Limits of silence and of resumes, and pacing.
    """

    def __init__(
        self, plan: Plan, pieces: Sequence[TextSpan], open_piece: OpenPiece, options: UtteranceOptions
    ) -> None:
        self._plan = plan
        self._pieces = deque(pieces)
        self._open_piece = open_piece
        self._options = options
        self._playback = PlaybackClock(options.pacing if plan.streamed else None)
        self._digest = hashlib.sha256()
        self._audio_bytes = 0
        self._clock_seconds = 0.0
        self._timing = UtteranceTiming(plan.spec.text)
        self._cost_report = CostReport()
        self._cost_units: int | None = None
        self._cached_characters = 0
        self._saved_cost_units = 0
        self._seams: list[Seam] = []
        self._interruption: tuple[int, str] | None = None
        self._current_provider = ""
        self._header: Header | None = None
        may_be_resumed = plan.resumable and len(split_sentences(plan.spec.text)) > 1
        self._has_several = len(pieces) > 1 or may_be_resumed
        self._joiner = build_joiner(plan.spec.output_format, has_several=self._has_several)

    async def stream(self) -> AsyncGenerator[SpeechEvent, None]:
        """Yield the header once the first call has audio, then the audio, then `Done`.

        Raises:
            MediaError: No provider could be used, or a stream was interrupted and cannot be resumed.
        """
        while self._pieces:
            piece = self._pieces.popleft()
            plans = [self._build_piece_plan(plan, piece) for plan in (self._plan, *self._plan.fallbacks)]
            async with self._open_piece(plans) as opened:
                for event in self._start_piece(opened, piece):
                    yield event
                async with aclosing(self._speak_piece(opened, piece)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                self._finish_piece(opened)
        if unspoken := self._timing.finish():
            yield unspoken
        if last := self._joiner.finish():
            yield AudioChunk(self._count(last))
        self._clock_seconds = self._joiner.seconds
        yield self._build_done()

    async def _speak_piece(self, opened: Piece, piece: TextSpan) -> AsyncGenerator[AudioChunk, None]:
        """Yield the chunks of one piece; queue the rest of its text if it is interrupted."""
        timing = PieceTiming(opened.spoken)
        spoken = _SpokenCharacters(opened.spoken)
        try:
            async for chunk in self._read_chunks(opened):
                audio = self._joiner.feed(chunk.audio)
                if chunk.alignment is not None:
                    spoken.feed(chunk.alignment)
                    timing.feed(chunk.alignment)
                if placed := self._build_chunk(audio, timing.release(self._piece_seconds), piece):
                    yield placed
                await self._pause_reading(opened, chunk)
            rest = timing.finish(self._piece_seconds)
        except MediaError as failure:
            if not self._resume_after(piece, spoken.count_characters_until(self._piece_seconds), failure):
                raise
            rest = timing.cut(self._piece_seconds)
            ending = self._joiner.end_piece()
        else:
            ending = self._joiner.end_piece() if self._pieces else b""
        if ending:
            yield AudioChunk(self._count(ending))
        if placed := self._build_chunk(b"", rest, piece):
            yield placed
        self._timing.end_piece(timing)
        self._clock_seconds = self._joiner.seconds

    @property
    def _piece_seconds(self) -> float:
        """Duration of the current piece so far."""
        return self._joiner.seconds - self._clock_seconds

    def _build_piece_plan(self, plan: Plan, piece: TextSpan) -> Plan:
        if piece.start == 0 and piece.end == len(self._plan.spec.text):
            return plan
        text = self._plan.spec.text
        before = text[max(0, piece.start - _CONTEXT_CHARACTERS) : piece.start] or plan.spec.previous_text
        after = text[piece.end : piece.end + _CONTEXT_CHARACTERS] or plan.spec.next_text
        spec = replace(
            plan.spec,
            text=text[piece.start : piece.end],
            previous_text=before,
            next_text=after,
            # Request ids of neighbouring speech apply to the first and to the last piece only.
            previous_request_ids=plan.spec.previous_request_ids if piece.start == 0 else (),
            next_request_ids=plan.spec.next_request_ids if piece.end == len(text) else (),
        )
        return replace(plan, spec=spec)

    def _start_piece(self, opened: Piece, piece: TextSpan) -> list[SpeechEvent]:
        self._add_cost(opened)
        self._timing.begin_piece(self._clock_seconds)
        provider, before = opened.plan.provider.name, self._current_provider
        self._current_provider = provider
        if self._interruption is None and before not in ("", provider):
            # A fallback provider continues at the border of two pieces.
            self._interruption = (piece.start, opened.failover_reason)
        if self._interruption is not None:
            offset, reason = self._interruption
            self._seams.append(Seam(offset, self._clock_seconds, provider, reason))
            self._interruption = None
        if self._header is not None:
            return []
        self._header = Header(
            replace(opened.plan.spec, text=self._plan.spec.text),
            provider,
            opened.request_id,
            self._list_ignored_fields(opened),
            queued_seconds=opened.queued_seconds,
            cost_report=self._cost_report,
        )
        return [self._header]

    def _list_ignored_fields(self, opened: Piece) -> tuple[str, ...]:
        # Do not report context as ignored if this class added it.
        fields = [name for name in opened.ignored_fields if name not in _CONTEXT or getattr(self._plan.spec, name)]
        whole = replace(opened.plan, spec=replace(opened.plan.spec, text=self._plan.spec.text))
        if remove_unknown_directions(whole).starts is not None:
            fields.append(IGNORED_FIELD)
        return tuple(dict.fromkeys(fields))

    def _add_cost(self, opened: Piece) -> None:
        charged = opened.cost_report.take()
        self._cost_report.add(charged)
        if charged is not None:
            self._cost_units = (self._cost_units or 0) + charged

    async def _read_chunks(self, opened: Piece) -> AsyncIterator[AudioChunk]:
        chunks = aiter(opened.chunks)
        while (chunk := await _read_chunk(chunks, self._options.stall_seconds)) is not None:
            yield chunk

    def _build_chunk(self, audio: bytes, alignment: Alignment | None, piece: TextSpan) -> AudioChunk | None:
        """Return the chunk on the clock of the whole utterance; None if nothing can be sent yet."""
        if alignment is not None:
            return replace(self._timing.place(alignment, piece), audio=self._count(audio))
        return AudioChunk(self._count(audio)) if audio else None

    def _count(self, audio: bytes) -> bytes:
        self._digest.update(audio)
        self._audio_bytes += len(audio)
        return audio

    async def _pause_reading(self, opened: Piece, chunk: AudioChunk) -> None:
        """Pause reading, so that audio gathers at the provider, if the listener has enough audio to play meanwhile."""
        seconds = self._playback.find_pause_seconds(len(chunk.audio), self._joiner.seconds)
        if seconds and opened.pause is not None:
            await opened.pause(seconds)

    def _resume_after(self, piece: TextSpan, spoken_characters: int, failure: MediaError) -> bool:
        """Queue the remaining text of an interrupted piece, from the first sentence that was not spoken completely.

        Return False if the utterance cannot be resumed; the failure is then raised to the caller.
        """
        borders = [item.end for item in split_sentences(self._plan.spec.text[piece.start : piece.end])]
        can_be_resumed = self._has_several and self._plan.spec.output_format.family != "wav"
        if not (self._plan.resumable and can_be_resumed and len(self._seams) < self._options.max_resumes):
            return False
        offset = piece.start + max((border for border in borders if border <= spoken_characters), default=0)
        log.warning("speech was interrupted, resuming with another call", reason=failure.reason.name, offset=offset)
        self._interruption = (offset, failure.reason.name)
        if offset < piece.end:
            self._pieces.appendleft(TextSpan(offset, piece.end))
        return True

    def _finish_piece(self, opened: Piece) -> None:
        self._add_cost(opened)
        self._cached_characters += opened.cached_characters
        self._saved_cost_units += opened.saved_cost_units

    def _build_done(self) -> Done:
        if self._interruption is not None and self._header is not None:
            # The last call broke off after its last sentence.
            offset, reason = self._interruption
            self._seams.append(Seam(offset, self._clock_seconds, self._header.provider, reason))
        return Done(
            characters=len(self._plan.spec.text),
            audio_bytes=self._audio_bytes,
            duration_seconds=self._clock_seconds,
            sha256=self._digest.hexdigest(),
            cost_units=self._cost_units,
            seams=tuple(self._seams),
            cached_characters=self._cached_characters,
            saved_cost_units=self._saved_cost_units,
            timing_repairs=frozenset(self._timing.repairs),
        )


class PlaybackClock:
    """Estimates how far the listener has played, if playback began with the first chunk and never stopped.

    Args:
        pacing: When to pause; None for never.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, pacing: Pacing | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._pacing = pacing
        self._clock = clock
        self._began_seconds: float | None = None

    def find_pause_seconds(self, chunk_bytes: int, sent_seconds: float) -> float:
        """Return how long to pause now; 0 for no pause.

        Args:
            chunk_bytes: Size of the last chunk sent.
            sent_seconds: Length of the audio sent so far, including that chunk.
        """
        if self._pacing is None:
            return 0.0
        now_seconds = self._clock()
        if self._began_seconds is None:
            self._began_seconds = now_seconds
        lead_seconds = sent_seconds - (now_seconds - self._began_seconds)
        gathers = chunk_bytes < self._pacing.large_bytes and lead_seconds > self._pacing.lead_seconds
        return self._pacing.pause_seconds if gathers else 0.0


class _SpokenCharacters:
    """Records when each character ends in the audio."""

    def __init__(self, spoken: MappedText) -> None:
        self._spoken = spoken
        self._ends: list[tuple[int, float]] = []

    def feed(self, alignment: Alignment) -> None:
        self._ends += zip(map(len, alignment.characters), alignment.ends_seconds, strict=True)

    def count_characters_until(self, seconds: float) -> int:
        """Return how many code points of the piece are spoken completely at this time."""
        count = sum(length for length, end in self._ends if end <= seconds + _ROUNDING_SECONDS)
        return self._spoken.find_source_offset(count)


async def _read_chunk(chunks: AsyncIterator[AudioChunk], stall_seconds: float) -> AudioChunk | None:
    try:
        return await next_within(chunks, stall_seconds)
    except StalledError:
        raise MediaError(
            Reason.PROVIDER_TIMEOUT,
            f"The provider sent nothing for {stall_seconds:g} seconds; retry, or use another one.",
        ) from None
