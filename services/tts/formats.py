"""The table of audio formats in which speech can be requested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
