"""A speech provider that follows a script."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.tts.providers.interface import AudioChunk, Capabilities, SpeechProvider, SpeechSpec, SpeechStream, Voice
from tests.fakes.counting import LiveCount

Step = AudioChunk | asyncio.Event | BaseException
"""Next step of the provider: deliver a chunk, wait for an event, or raise."""

ALL_FAMILIES = frozenset({"mp3", "pcm", "wav", "opus", "ulaw", "alaw"})


def build_voice(name: str = "Aria", provider: str = "espeak") -> Voice:
    """Return a voice whose id is its name in lower case, followed by `-id`."""
    return Voice(f"{name.lower()}-id", name, provider, "embedded", ("en",))


class FakeSpeechProvider(SpeechProvider):
    """Follows the same script in each call.

    Args:
        steps: Steps of each call, in order.
        endless: Whether the last step repeats without end.
        refusal: Raised by each call instead of accepting.
        refusals: Raised by the first calls instead of accepting, in order.
        accepts_when: Calls are accepted only when this is set.
    """

    def __init__(
        self,
        *steps: Step,
        name: str = "espeak",
        voices: Sequence[Voice] | None = None,
        capabilities: Capabilities = Capabilities(ALL_FAMILIES),  # noqa: B008 - frozen
        endless: bool = False,
        refusal: BaseException | None = None,
        accepts_when: asyncio.Event | None = None,
        cost_units: int | None = None,
        ignored_fields: tuple[str, ...] = (),
        refusals: Sequence[BaseException] = (),
        max_concurrent_requests: int | None = None,
    ) -> None:
        self.name = name
        self.capabilities = capabilities
        self.live = LiveCount()
        self.specs: list[tuple[SpeechSpec, bool]] = []
        self.delivered = 0
        self._steps = steps
        self._voices = list(voices if voices is not None else [build_voice(provider=name)])
        self._endless = endless
        self._refusal = refusal
        self._accepts_when = accepts_when
        self._cost_units = cost_units
        self._ignored_fields = ignored_fields
        self._refusals = deque(refusals)
        self._max_concurrent_requests = max_concurrent_requests

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        """Follow the script; `live` counts contexts that are open."""
        self.specs.append((spec, with_alignment))
        with self.live.one():
            if self._accepts_when is not None:
                await self._accepts_when.wait()
            if self._refusal is not None:
                raise self._refusal
            if self._refusals:
                raise self._refusals.popleft()
            yield SpeechStream(
                self._chunks(),
                "provider-request-1",
                self._cost_units,
                self._ignored_fields,
                self._max_concurrent_requests,
            )

    async def _chunks(self) -> AsyncIterator[AudioChunk]:
        for step in self._steps:
            match step:
                case AudioChunk():
                    self.delivered += 1
                    yield step
                case asyncio.Event():
                    await step.wait()
                case _:
                    raise step
        while self._endless and isinstance(last := self._steps[-1], AudioChunk):
            self.delivered += 1
            yield last

    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name, in any case, or id."""
        return next((item for item in self._voices if voice.lower() in (item.name.lower(), item.voice_id)), None)

    async def list_voices(self) -> list[Voice]:
        """Return its voices."""
        return list(self._voices)
