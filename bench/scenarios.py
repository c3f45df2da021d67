"""Scenarios of the benchmark: the load, the servers that receive it, and the responses of the fake provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

BYTES_PER_SECOND = 16_000
"""Rate of the suite's default format, MP3 at 128 kbit/s."""

# The load generator replaces the number signs with the number of the text.
_TEXT = "This is sentence ########## of a measurement."

BASELINE = "direct"
FULL = "full"
SQLITE = "sqlite"
MONGODB = "mongodb"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the provider sends its chunks."""

    chunks: int
    chunk_bytes: int
    first_ms: int = 0
    """Time from the request to the first chunk."""
    gap_ms: int = 0
    """Time from one chunk to the next."""

    @property
    def voice(self) -> str:
        """Voice id that selects this schedule in the fake provider; it has the length of a real voice id."""
        return f"s-{self.chunks:04}-{self.chunk_bytes:05}-{self.first_ms:04}-{self.gap_ms:03}"

    @property
    def audio_bytes(self) -> int:
        """Length of the whole audio."""
        return self.chunks * self.chunk_bytes

    @property
    def duration_ms(self) -> int:
        """Time from the request to the last chunk."""
        return self.first_ms + (self.chunks - 1) * self.gap_ms

    @property
    def chunk_plays_ms(self) -> float:
        """Duration of the audio of one chunk."""
        return 1000 * self.chunk_bytes / BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class WholeResponse:
    """A response with Content-Length, sent at once."""

    audio_bytes: int

    @property
    def voice(self) -> str:
        """Voice id that selects this response in the fake provider."""
        return f"u-{self.audio_bytes:09}-00000"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load that runs against the provider and against the suite."""

    name: str
    purpose: str
    """What it measures, for `--help`."""
    users: int
    """Concurrent users; each sends its next request when its response is complete."""
    response: Schedule | WholeResponse
    path: str
    """Route of the suite."""
    texts: int = 0
    """Number of texts, all requested once before the measurement; 0: every request has its own text."""
    together: bool = False
    """Whether all users request the same text at the same time, and then the next one."""
    suites: tuple[str, ...] = (FULL,)
    """Suites to measure, besides the provider itself."""

    @property
    def body(self) -> str:
        """Request body of every user, the same for the provider and the suite."""
        return json.dumps({"text": _TEXT, "voice": self.response.voice})

    @property
    def is_paced(self) -> bool:
        """Whether audio is sent on a schedule, so that it can be late."""
        return isinstance(self.response, Schedule) and self.response.gap_ms > 0

    @property
    def ramp_ms(self) -> int:
        """Time over which the users start, so that their chunks do not arrive at the same moments."""
        apart = isinstance(self.response, Schedule) and self.users > 1 and not self.together
        return self.response.duration_ms if apart and isinstance(self.response, Schedule) else 0


_STREAM = "/api/speech/stream"
_UNARY = "/api/speech"
_CLIP = WholeResponse(48 * 1024)
_STORES = (SQLITE, MONGODB)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "ttfb", "first audio for one user, from a provider that takes 20 ms", 1, Schedule(4, 4096, 20, 5), _STREAM
    ),
    Scenario("paced", "60 streams at once, at the speed of playback", 60, Schedule(60, 4096, 75, 20), _STREAM),
    Scenario("fast", "240 KiB streams for 4 users, as fast as possible", 4, Schedule(60, 4096), _STREAM),
    Scenario("unary", "unary responses of 48 KiB for 8 users", 8, _CLIP, _UNARY),
    Scenario(
        "joined", "60 users that request the same text at once", 60, Schedule(60, 4096, 75, 20), _STREAM, together=True
    ),
    Scenario("hit_memory", "48 KiB from the memory of the suite, for 8 users", 8, _CLIP, _UNARY, texts=1),
    Scenario("hit_memory_first", "first audio of the same for one user", 1, _CLIP, _STREAM, texts=1),
    Scenario(
        "hit_store", "48 KiB from the store, not in memory, for 8 users", 8, _CLIP, _UNARY, texts=200, suites=_STORES
    ),
    Scenario("hit_store_first", "first audio of the same for one user", 1, _CLIP, _STREAM, texts=200, suites=_STORES),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A server that receives the load."""

    name: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: str = ""
    """Path with `{voice}`; empty: that of the scenario."""

    def build_url(self, scenario: Scenario) -> str:
        """Return the URL for the requests of `scenario`."""
        return self.base_url + (self.path or scenario.path).format(voice=scenario.response.voice)


def build_direct_target(base_url: str) -> Target:
    """Return the fake provider as a target."""
    return Target(BASELINE, base_url, path="/v1/text-to-speech/{voice}/stream")


def build_suite_target(name: str, base_url: str, token: str) -> Target:
    """Return a whole suite as a target: Envoy, gateway, TTS service."""
    return Target(name, base_url, {"authorization": f"Bearer {token}"})
