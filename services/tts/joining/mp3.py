"""Joins MP3 files to one stream of frames."""

from __future__ import annotations

from services.tts.mpeg import (
    LONGEST_INFO_BYTES,
    TAG_HEADER_BYTES,
    MpegFrame,
    find_next_frame,
    has_info_tag,
    measure_tag,
    parse_frame_header,
)


class Mp3Joiner:
    """Passes on the frames of all pieces, and nothing between them.

    Tags in the middle stop some decoders, and the info frame of a piece states the length of that piece as if it were
    the length of all.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._passing_bytes = 0
        self._skipped_bytes = 0
        self._is_first = True
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """Duration of the frames so far; a frame counts when its header has arrived."""
        return self._seconds

    def feed(self, audio: bytes) -> bytes:
        """Return the bytes of frames; the beginning of a frame is held back until its header is complete."""
        data, position, found = self._pending + audio, 0, []
        while position < len(data):
            if self._passing_bytes:
                part = data[position : position + self._passing_bytes]
                found.append(part)
                self._passing_bytes -= len(part)
                position += len(part)
            elif self._skipped_bytes:
                skipped = min(self._skipped_bytes, len(data) - position)
                self._skipped_bytes -= skipped
                position += skipped
            elif (step := self._begin_next(data, position)) is None:
                break
            else:
                position += step
        self._pending = data[position:]
        return b"".join(found)

    def end_piece(self) -> bytes:
        """Return the rest of a cut frame, as silence: without it, a decoder would lose the next frame, too."""
        padding = bytes(self._passing_bytes)
        self._pending, self._passing_bytes, self._skipped_bytes, self._is_first = b"", 0, 0, True
        return padding

    def finish(self) -> bytes:
        """Return nothing: every frame stands for itself."""
        return b""

    def _begin_next(self, data: bytes, position: int) -> int | None:
        """Decide what the bytes at `position` are; return how many to drop at once, None if more are needed."""
        if len(data) - position < TAG_HEADER_BYTES:
            return None
        if tag_bytes := measure_tag(data, position):
            self._skipped_bytes = tag_bytes
            return 0
        frame = parse_frame_header(data, position)
        if frame is None:
            return find_next_frame(data, position + 1) - position
        return self._begin_frame(frame, data, position)

    def _begin_frame(self, frame: MpegFrame, data: bytes, position: int) -> int | None:
        if self._is_first:
            needed = min(frame.frame_bytes, LONGEST_INFO_BYTES)
            if len(data) - position < needed:
                return None
            self._is_first = False
            if has_info_tag(data[position : position + needed]):
                self._skipped_bytes = frame.frame_bytes
                return 0
        self._passing_bytes = frame.frame_bytes
        self._seconds += frame.seconds
        return 0
