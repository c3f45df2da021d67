"""Encodes the PCM of the engine in the requested format, piece by piece."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from services.tts.formats import OutputFormat

if TYPE_CHECKING:
    import soxr

SOURCE_RATE_HZ = 22_050
FAMILIES = frozenset({"mp3", "pcm", "wav"})

# Samples that an MP3 decoder plays before the first one: 576 from LAME and 529 from the decoder.
_MP3_LEAD_IN_SAMPLES = 1105
# From 2 (best) to 7 (fastest). Encoding takes most of the CPU time of a request; with 5, a request takes a fifth more.
_MP3_QUALITY = 7


class Encoder(ABC):
    """Encodes mono 16-bit PCM at `SOURCE_RATE_HZ` as one audio file or stream."""

    lead_in_seconds: float = 0.0
    """Delay of the encoded audio against the PCM when played."""

    @abstractmethod
    def encode(self, pcm: bytes) -> bytes:
        """Return the encoded bytes that are ready; may be empty. `pcm` must hold whole samples."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return the last bytes; call it once, after all PCM."""


def build_encoder(output_format: OutputFormat) -> Encoder:
    """Return a new encoder.

    Raises:
        ValueError: The format's family is not in `FAMILIES`.
    """
    rate_hz = output_format.sample_rate_hz
    match output_format.family, output_format.bit_rate_kbps:
        case "mp3", int(bit_rate_kbps):
            return Mp3Encoder(rate_hz, bit_rate_kbps)
        case "pcm", _:
            return PcmEncoder(rate_hz)
        case "wav", _:
            return WavEncoder(rate_hz)
    raise ValueError(output_format.name)


class Mp3Encoder(Encoder):
    """Encodes MP3 of constant bit rate, without a tag frame."""

    def __init__(self, sample_rate_hz: int, bit_rate_kbps: int) -> None:
        import lameenc  # noqa: PLC0415 - only the engine's process needs the optional package

        self._lame = lameenc.Encoder()
        self._lame.silence()
        self._lame.set_channels(1)
        self._lame.set_in_sample_rate(SOURCE_RATE_HZ)
        self._lame.set_out_sample_rate(sample_rate_hz)
        self._lame.set_bit_rate(bit_rate_kbps)
        self._lame.set_quality(_MP3_QUALITY)
        self.lead_in_seconds = _MP3_LEAD_IN_SAMPLES / sample_rate_hz

    def encode(self, pcm: bytes) -> bytes:
        """Return the frames that are complete."""
        return bytes(self._lame.encode(pcm))

    def finish(self) -> bytes:
        """Return the last frames, padded with silence."""
        return bytes(self._lame.flush())


class PcmEncoder(Encoder):
    """Resamples to headerless PCM."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._resampler = None if sample_rate_hz == SOURCE_RATE_HZ else _Resampler(sample_rate_hz)

    def encode(self, pcm: bytes) -> bytes:
        """Return the samples that are ready; a resampler holds a few back."""
        return self._resampler.convert(pcm) if self._resampler else pcm

    def finish(self) -> bytes:
        """Return the samples that were held back."""
        return self._resampler.convert(b"", last=True) if self._resampler else b""


class WavEncoder(Encoder):
    """Encodes a whole WAV file; its header contains the length, so `finish` returns all bytes."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._samples = PcmEncoder(sample_rate_hz)
        self._data = bytearray()

    def encode(self, pcm: bytes) -> bytes:
        """Collect the samples; returns nothing."""
        self._data += self._samples.encode(pcm)
        return b""

    def finish(self) -> bytes:
        """Return the file."""
        self._data += self._samples.finish()
        return build_wav_header(self._sample_rate_hz, len(self._data)) + self._data


class _Resampler:
    """Converts PCM to another sample rate, continuously over its pieces."""

    def __init__(self, sample_rate_hz: int) -> None:
        import numpy as np  # noqa: PLC0415 - only the engine's process needs the optional package
        import soxr  # noqa: PLC0415 - as above

        self._numpy = np
        # Use float: for int16 the library adds dither seeded from the clock, and results would differ.
        self._stream: soxr.ResampleStream = soxr.ResampleStream(SOURCE_RATE_HZ, sample_rate_hz, 1, dtype="float32")

    def convert(self, pcm: bytes, *, last: bool = False) -> bytes:
        np = self._numpy
        samples = self._stream.resample_chunk(np.frombuffer(pcm, dtype=np.int16).astype(np.float32), last=last)
        rounded: bytes = np.clip(np.rint(samples), -32768, 32767).astype(np.int16).tobytes()
        return rounded


def build_wav_header(sample_rate_hz: int, data_bytes: int) -> bytes:
    """Return the 44 bytes before `data_bytes` of mono 16-bit PCM."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, 1, sample_rate_hz, sample_rate_hz * 2, 2, 16),
        *(b"data", data_bytes),
    )
