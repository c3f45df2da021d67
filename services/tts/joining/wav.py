"""Makes WAV files whose headers state their true sizes, of one piece or several."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from services.common.errors import MediaError, Reason
from services.tts.wav import LONGEST_WAV_HEADER_BYTES, WavHeader, parse_wav_header


class WavJoiner:
    """Passes on a single file whose header is true; collects all others, because a header states the length of all.

    Args:
        has_several: Whether there is, or may be, more than one piece.
    """

    def __init__(self, *, has_several: bool) -> None:
        self._collects: bool | None = True if has_several else None
        self._file = bytearray()
        self._files: list[bytes] = []
        self._header: WavHeader | None = None
        self._piece_bytes = 0
        self._ended_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Duration of the samples so far, those included that are collected."""
        return self._ended_seconds + (self._header.compute_seconds(self._piece_bytes) if self._header else 0.0)

    def feed(self, audio: bytes) -> bytes:
        """Return the bytes of a file that can be passed on as it is."""
        self._piece_bytes += len(audio)
        if self._collects is False:
            return audio
        self._file += audio
        if self._header is None:
            self._header = parse_wav_header(bytes(self._file[:LONGEST_WAV_HEADER_BYTES]))
        if self._header is None or self._collects:
            return b""
        self._collects = not self._header.is_true
        return b"" if self._collects else self._release()

    def end_piece(self) -> bytes:
        """End the file of a piece; it is sent with the others."""
        self._ended_seconds = self.seconds
        self._header, self._piece_bytes = None, 0
        if self._collects is not False:
            self._files.append(self._release())
        return b""

    def finish(self) -> bytes:
        """Return the file of all pieces that were collected.

        Raises:
            MediaError: GENERATION_FAILED, a piece is not a WAV file.
        """
        files = [*self._files, self._release()] if self._file else self._files
        return join_wav(files) if files else b""

    def _release(self) -> bytes:
        file = bytes(self._file)
        self._file.clear()
        return file


def join_wav(files: Sequence[bytes]) -> bytes:
    """Return one WAV file with the samples of `files` in order; all must have the format of the first.

    Raises:
        MediaError: GENERATION_FAILED, one of them is not a RIFF file with samples.
    """
    parts = [_split_riff(file) for file in files]
    samples = b"".join(data for _, data in parts)
    body = b"WAVE" + _build_riff_chunk(b"fmt ", parts[0][0]) + _build_riff_chunk(b"data", samples)
    return _build_riff_chunk(b"RIFF", body)


def _split_riff(file: bytes) -> tuple[bytes, bytes]:
    """Return the content of the format and of the data chunk."""
    header = parse_wav_header(file)
    if header is None or not header.format:
        raise MediaError(
            Reason.GENERATION_FAILED,
            "The provider delivered something other than a WAV file; retry, or use another output_format.",
        )
    end = len(file) if header.samples_bytes is None else header.samples_at + header.samples_bytes
    samples = file[header.samples_at : end]
    frame_bytes = int.from_bytes(header.format[12:14], "little") or 1
    # A cut sample would shift all that follow.
    return header.format, samples[: len(samples) // frame_bytes * frame_bytes]


def _build_riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)
