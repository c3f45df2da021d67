"""Parses the frame headers of MPEG audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

_MPEG1, _MPEG2 = 3, 2
_BIT_RATES_KBPS = {
    _MPEG1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    _MPEG2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {_MPEG1: (44100, 48000, 32000), _MPEG2: (22050, 24000, 16000)}
_SAMPLES = {_MPEG1: 1152, _MPEG2: 576}


@dataclass(frozen=True)
class Mpeg:
    """Totals of the headers of an MP3 stream, which must contain complete layer III frames only."""

    duration_seconds: float
    sample_rates_hz: frozenset[int]
    bit_rates_kbps: frozenset[int]
    channels: frozenset[int]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        at, duration = 0, 0.0
        rates, bit_rates, channels = set(), set(), set()
        while at < len(data):
            header = int.from_bytes(data[at : at + 4], "big")
            version = header >> 19 & 3
            assert header >> 21 == 0x7FF, f"no frame at byte {at}"
            assert header >> 17 & 3 == 1, "not layer III"
            bit_rate = _BIT_RATES_KBPS[version][header >> 12 & 15]
            rate = _RATES_HZ[version][header >> 10 & 3]
            rates.add(rate)
            bit_rates.add(bit_rate)
            channels.add(1 if header >> 6 & 3 == 3 else 2)
            duration += _SAMPLES[version] / rate
            at += _SAMPLES[version] // 8 * bit_rate * 1000 // rate + (header >> 9 & 1)
        assert at == len(data), "the last frame is cut"
        return cls(duration, frozenset(rates), frozenset(bit_rates), frozenset(channels))
