"""The table of audio formats in which speech can be requested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.common.errors import invalid

Family = Literal["mp3", "pcm", "wav", "opus", "ulaw", "alaw"]

_CONTENT_TYPES: dict[Family, str] = {
    "mp3": "audio/mpeg",
    "pcm": "audio/pcm",
    "wav": "audio/wav",
    "opus": "audio/ogg",
    "ulaw": "audio/basic",
    "alaw": "audio/x-alaw-basic",
}


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One audio format; every format is mono, and PCM is signed 16-bit little-endian."""

    name: str
    """Name in requests, such as mp3_44100_128."""
    family: Family
    """The codec or container."""
    sample_rate_hz: int
    """Samples per second."""
    bit_rate_kbps: int | None
    """Bit rate in kbit/s; None if the codec has no choice of rates."""

    @property
    def content_type(self) -> str:
        """Media type of the audio; raw PCM carries rate and channels as parameters."""
        base = _CONTENT_TYPES[self.family]
        return f"{base};rate={self.sample_rate_hz};channels=1" if self.family == "pcm" else base


def _format(family: Family, sample_rate_hz: int, bit_rate_kbps: int | None = None) -> OutputFormat:
    name = f"{family}_{sample_rate_hz}" + (f"_{bit_rate_kbps}" if bit_rate_kbps else "")
    return OutputFormat(name, family, sample_rate_hz, bit_rate_kbps)


_PCM_RATES_HZ = (8000, 16000, 22050, 24000, 32000, 44100, 48000)

# The families and rates of the ElevenLabs API, which the contract follows; a test compares it with the .proto.
FORMATS: dict[str, OutputFormat] = {
    item.name: item
    for item in (
        _format("mp3", 22050, 32),
        _format("mp3", 24000, 48),
        *(_format("mp3", 44100, rate) for rate in (32, 64, 96, 128, 192)),
        *(_format("pcm", rate) for rate in _PCM_RATES_HZ),
        *(_format("wav", rate) for rate in _PCM_RATES_HZ),
        *(_format("opus", 48000, rate) for rate in (32, 64, 96, 128, 192)),
        _format("ulaw", 8000),
        _format("alaw", 8000),
    )
}

DEFAULT_FORMAT = FORMATS["mp3_44100_128"]
"""Format of requests that name none."""

QUALITIES: dict[str, dict[str, OutputFormat]] = {
    "mp3": {name: FORMATS[f"mp3_44100_{rate}"] for name, rate in (("low", 64), ("medium", 128), ("high", 192))},
    "opus": {name: FORMATS[f"opus_48000_{rate}"] for name, rate in (("low", 32), ("medium", 96), ("high", 192))},
    "wav": {name: FORMATS[f"wav_{rate}"] for name, rate in (("low", 16000), ("medium", 24000), ("high", 44100))},
    "pcm": {name: FORMATS[f"pcm_{rate}"] for name, rate in (("low", 16000), ("medium", 24000), ("high", 44100))},
}
"""Format of each quality, for requests that name a codec instead of a format."""
MEDIUM = "medium"


def find_format(name: str, quality: str) -> OutputFormat | None:
    """Return the format of a request, or None if there is no format or codec of this name.

    Args:
        name: Name of a format, or of a codec with qualities; empty for mp3.
        quality: low, medium or high; empty for medium.

    Raises:
        MediaError: VALIDATION_ERROR, both a whole format and a quality are given.
    """
    if name in FORMATS:
        if quality:
            raise invalid("quality", f"must not be set with {name}, which names the rates; use {FORMATS[name].family}")
        return FORMATS[name]
    qualities = QUALITIES.get(name or DEFAULT_FORMAT.family)
    return None if qualities is None else qualities[quality or MEDIUM]
