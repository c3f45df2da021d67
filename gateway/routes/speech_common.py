"""Parts of several speech routes: the headers that describe audio, and timing as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from media.common.v1 import alignment_pb2, cache_pb2
from media.tts.v1 import tts_pb2

from services.common.errors import invalid
from services.common.timing.alignment import Alignment
from services.common.timing.words import TimedSpan, find_sentences, find_words

T = TypeVar("T")

# About 5 ms of work; more would delay the other streams of the event loop.
_MAX_CHARACTERS_ON_LOOP = 2_000


def build_audio_headers(header: tts_pb2.SpeechHeader) -> dict[str, str]:
    """Return the headers of the audio: media type, provider, voice, cache status."""
    cache_status = cache_pb2.CacheStatus.Name(header.cache_status).removeprefix("CACHE_STATUS_")
    headers = {
        "Content-Type": header.content_type,
        "Cache-Control": "no-store",
        "X-Media-Provider": header.provider,
        "X-Media-Voice-Id": header.voice_id,
        "X-Media-Voice-Name": quote(header.voice_name, safe=" "),
        "X-Media-Sample-Rate-Hz": str(header.sample_rate_hz),
        "X-Media-Cache": cache_status.lower(),
    }
    if header.stored_audio_id:
        headers["X-Media-Id"] = header.stored_audio_id
    if header.ignored_fields:
        headers["X-Media-Ignored-Fields"] = ", ".join(header.ignored_fields)
    return headers


def build_whole_audio_headers(reply: tts_pb2.SynthesizeResponse) -> dict[str, str]:
    """Return those of `build_audio_headers` with the duration, and with key and URL of stored audio."""
    headers = {
        **build_audio_headers(reply.header),
        "X-Media-Duration-Seconds": f"{reply.done.duration_seconds:.3f}",
    }
    if reply.done.HasField("stored_audio"):
        headers["X-Media-Key"] = reply.done.stored_audio.key
        headers["X-Media-Url"] = reply.done.stored_audio.url
    return headers


def refuse_alignment(is_requested: bool) -> None:
    """Raise VALIDATION_ERROR if a request for audio alone wants its timing, too."""
    if is_requested:
        raise invalid("include_alignment", "must be absent here: POST /api/speech/timestamps carries timing")


class StreamTiming:
    """Collects the timing of successive pieces of speech, whose times count from the start of the whole audio.

    It copies the lists, because a reference to a part of a message would keep its audio in memory.
    """

    def __init__(self) -> None:
        self._characters: list[str] = []
        self._starts_seconds: list[float] = []
        self._ends_seconds: list[float] = []

    def add(self, message: alignment_pb2.Alignment) -> None:
        """Append the timing of the next piece, which may be empty."""
        self._characters += message.characters
        self._starts_seconds += message.character_start_times_seconds
        self._ends_seconds += message.character_end_times_seconds

    def build_alignment(self) -> Alignment:
        """Return the timing of all pieces.

        Raises:
            ValueError: The lists of a piece have different lengths.
        """
        return Alignment(tuple(self._characters), tuple(self._starts_seconds), tuple(self._ends_seconds))


async def run_off_loop(work: Callable[[Alignment], T], alignment: Alignment) -> T:
    """Return `work(alignment)`; for a long alignment, run it in a thread."""
    if len(alignment) <= _MAX_CHARACTERS_ON_LOOP:
        return work(alignment)
    return await asyncio.to_thread(work, alignment)


def build_highlights(alignment: Alignment) -> dict[str, object]:
    """Return words and sentences of `alignment` with their times, as JSON."""
    return {
        "words": [_to_json(span) for span in find_words(alignment)],
        "sentences": [_to_json(span) for span in find_sentences(alignment)],
    }


def _to_json(span: TimedSpan) -> dict[str, object]:
    return {
        "text": span.text,
        "startSeconds": span.start_seconds,
        "endSeconds": span.end_seconds,
        "textOffset": span.text_offset,
        "textLength": span.text_length,
    }
