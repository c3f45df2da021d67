"""Tells the events of an utterance in terms of the text as its caller wrote it."""

from __future__ import annotations

from dataclasses import replace

from services.common.text.mapping import MappedText
from services.common.timing.mapping import AlignmentMapper
from services.tts.events import Done, SpeechEvent
from services.tts.providers.interface import AudioChunk


class CallerText:
    """Converts the events of one utterance, in order.

    Callers that share speech may have written its text differently, for example with composed and with decomposed
    letters.

    Args:
        mapped: The caller's text, and the text that was spoken.
    """

    def __init__(self, mapped: MappedText) -> None:
        self._mapped = mapped
        self._mapper = AlignmentMapper(mapped)

    def convert(self, event: SpeechEvent) -> SpeechEvent:
        """Return the event with the caller's characters, and with counts and positions in the caller's text."""
        if self._mapped.starts is None:
            return event
        match event:
            case AudioChunk() if event.alignment is not None:
                alignment = self._mapper.map_piece(event.alignment, event.text_offset)
                return AudioChunk(event.audio, alignment if len(alignment) else None)
            case Done():
                return self._convert_done(event)
            case _:
                return event

    def _convert_done(self, done: Done) -> Done:
        find = self._mapped.find_source_offset
        characters = len(self._mapped.source)
        return replace(
            done,
            characters=characters,
            cached_characters=min(characters, find(done.cached_characters)),
            seams=tuple(replace(seam, text_offset=find(seam.text_offset)) for seam in done.seams),
        )
