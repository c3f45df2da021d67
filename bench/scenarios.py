"""What is measured: who asks whom for what, and how the fake provider answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

BYTES_PER_SECOND = 16_000
"""Of the suite's default format, MP3 at 128 kbit/s."""

# The load generator puts the number of a text for the sharps.
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
    """From the request to the first chunk."""
    gap_ms: int = 0
    """From one chunk to the next."""

    @property
    def voice(self) -> str:
        """The voice at which the fake provider keeps this schedule; as long as a voice id must be."""
        return f"s-{self.chunks:04}-{self.chunk_bytes:05}-{self.first_ms:04}-{self.gap_ms:03}"

    @property
    def audio_bytes(self) -> int:
        """Length of the whole audio."""
        return self.chunks * self.chunk_bytes

    @property
    def duration_ms(self) -> int:
        """From the request to the last chunk."""
        return self.first_ms + (self.chunks - 1) * self.gap_ms

    @property
    def chunk_plays_ms(self) -> float:
        """How long a listener hears one chunk."""
        return 1000 * self.chunk_bytes / BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer with Content-Length, all at once."""

    audio_bytes: int

    @property
    def voice(self) -> str:
        """The voice at which the fake provider answers so."""
        return f"u-{self.audio_bytes:09}-00000"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load that the provider and the suite are put under in turn."""

    name: str
    purpose: str
    """What is learned from it, for `--help`."""
    users: int
    """How many ask at a time; each asks again when it has heard all."""
    answer: Schedule | Whole
    path: str
    """Route of the suite."""
    texts: int = 0
    """How many texts take turns, all asked for before it counts; 0: every request has a text of its own."""
    together: bool = False
    """Whether all users ask for the same text at the same time, and then for the next."""
    suites: tuple[str, ...] = (FULL,)
    """Which suites are asked, beside the provider itself."""

    @property
    def body(self) -> str:
        """What every user sends, to the provider and to the suite alike."""
        return json.dumps({"text": _TEXT, "voice": self.answer.voice})

    @property
    def is_paced(self) -> bool:
        """Whether audio comes as time goes by, so that it can be late."""
        return isinstance(self.answer, Schedule) and self.answer.gap_ms > 0

    @property
    def ramp_ms(self) -> int:
        """Time over which the users arrive, so that their chunks do not fall together for good."""
        apart = isinstance(self.answer, Schedule) and self.users > 1 and not self.together
        return self.answer.duration_ms if apart and isinstance(self.answer, Schedule) else 0


_STREAM = "/api/speech/stream"
_WHOLE = "/api/speech"
_CLIP = Whole(48 * 1024)
_STORES = (SQLITE, MONGODB)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("ttfb", "first audio for one user, of a provider that takes 20 ms", 1, Schedule(4, 4096, 20, 5), _STREAM),
    Scenario("paced", "60 streams at once, as people listen to them", 60, Schedule(60, 4096, 75, 20), _STREAM),
    Scenario("fast", "240 KiB streams for 4 users, as fast as they go", 4, Schedule(60, 4096), _STREAM),
    Scenario("unary", "whole answers of 48 KiB for 8 users", 8, _CLIP, _WHOLE),
    Scenario("joined", "60 users who ask for the same at once", 60, Schedule(60, 4096, 75, 20), _STREAM, together=True),
    Scenario("hit_memory", "48 KiB that the suite has in memory, for 8 users", 8, _CLIP, _WHOLE, texts=1),
    Scenario("hit_memory_first", "first audio of them for one user", 1, _CLIP, _STREAM, texts=1),
    Scenario("hit_store", "48 KiB that only the store has, for 8 users", 8, _CLIP, _WHOLE, texts=200, suites=_STORES),
    Scenario("hit_store_first", "first audio of them for one user", 1, _CLIP, _STREAM, texts=200, suites=_STORES),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Who is put under load."""

    name: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: str = ""
    """Path with `{voice}`; empty: the scenario's own."""

    def url(self, scenario: Scenario) -> str:
        """Return the URL that `scenario` asks."""
        return self.base_url + (self.path or scenario.path).format(voice=scenario.answer.voice)


def direct(base_url: str) -> Target:
    """Return the fake provider as a target."""
    return Target(BASELINE, base_url, path="/v1/text-to-speech/{voice}/stream")


def whole_suite(name: str, base_url: str, token: str) -> Target:
    """Return a whole suite as a target: Envoy, gateway, TTS service."""
    return Target(name, base_url, {"authorization": f"Bearer {token}"})
