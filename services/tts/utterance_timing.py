"""The timing of an utterance: that of its pieces, on one clock and without gaps in the text."""

from __future__ import annotations

from services.common.timing.alignment import Alignment, shift_alignment
from services.common.timing.sentences import TextSpan
from services.tts.piece_timing import PieceTiming, Repair
from services.tts.providers.interface import AudioChunk


class UtteranceTiming:
    """Joins the timing of the pieces of a text.

    Args:
        text: The text of the utterance.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._clock_seconds = 0.0
        self._from_seconds = 0.0
        self._until_seconds = 0.0
        # The piece that was timed last, and where its timing ends in the text.
        self._last_piece = TextSpan(0, 0)
        self._text_end = 0
        self.repairs: set[Repair] = set()
        """What had to be repaired so far."""

    def begin_piece(self, clock_seconds: float) -> None:
        """Begin the next piece.

        Args:
            clock_seconds: Length of the audio before it.
        """
        self._clock_seconds = clock_seconds
        self._from_seconds = self._until_seconds

    def place(self, alignment: Alignment, piece: TextSpan) -> AudioChunk:
        """Return the next timing of a piece as a chunk on the clock of the utterance."""
        placed = _clamp_times(shift_alignment(alignment, self._clock_seconds), self._from_seconds)
        self._until_seconds = placed.ends_seconds[-1]
        offset = None
        if piece is not self._last_piece:
            skipped = self._find_skipped(piece.start)
            offset = None if self._text_end in (piece.start, skipped.start) else piece.start
            placed = self._build_silent(skipped, placed.starts_seconds[0]) + placed
            self._last_piece, self._text_end = piece, piece.start
        self._text_end += len(alignment)
        return AudioChunk(b"", placed, offset)

    def end_piece(self, timing: PieceTiming) -> None:
        """Record what was repaired in a piece."""
        self.repairs |= timing.repairs

    def finish(self) -> AudioChunk | None:
        """Return the timing of text at the end that no call speaks, such as blank lines; None if there is none."""
        skipped = self._find_skipped(len(self._text))
        if not len(skipped) or not self._text_end:
            return None
        return AudioChunk(b"", self._build_silent(skipped, self._until_seconds))

    def _find_skipped(self, end: int) -> TextSpan:
        """Return the text between the last piece and `end`, which needs no call; nothing if timing is missing."""
        is_complete = self._text_end == self._last_piece.end < end
        return TextSpan(self._text_end if is_complete else end, end)

    def _build_silent(self, span: TextSpan, seconds: float) -> Alignment:
        moments = (seconds,) * len(span)
        return Alignment(tuple(span.extract(self._text)), moments, moments)


def _clamp_times(alignment: Alignment, seconds: float) -> Alignment:
    if alignment.starts_seconds[0] >= seconds:
        return alignment
    return Alignment(
        alignment.characters,
        tuple(max(seconds, start) for start in alignment.starts_seconds),
        tuple(max(seconds, end) for end in alignment.ends_seconds),
    )
