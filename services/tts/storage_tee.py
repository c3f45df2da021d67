"""Stores speech while it streams: the header announces the id, and `Done` follows once the audio is stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment, join_alignments
from services.tts.audio_store import AudioStore, create_audio_id
from services.tts.events import Done, Header, SpeechEvent
from services.tts.providers.interface import AudioChunk


@dataclass(frozen=True, slots=True)
class StorageTee:
    """Collects the audio of a stream and stores it."""

    audio_store: AudioStore
    """Where the audio is stored."""
    max_bytes: int
    """Largest audio that is stored; it also limits the memory of one stream."""

    async def store_stream(
        self, events: AsyncGenerator[SpeechEvent, None], principal: str, *, include_alignment: bool
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Yield `events`, and `Done` only after the audio is stored.

        Args:
            events: Speech with its timing.
            principal: The owner of the stored audio.
            include_alignment: Whether the caller gets the timing, too.

        Raises:
            MediaError: OUTPUT_TOO_LARGE; STORAGE_FAILED; what `events` raises.
        """
        audio_id = create_audio_id()
        header: Header | None = None
        audio: list[bytes] = []
        timing: list[Alignment] = []
        collected_bytes = 0
        async with aclosing(events):
            async for event in events:
                match event:
                    case Header():
                        header = event
                        yield replace(event, stored_audio_id=audio_id)
                    case AudioChunk():
                        collected_bytes += len(event.audio)
                        self._check_size(collected_bytes)
                        audio.append(event.audio)
                        if event.alignment is not None:
                            timing.append(event.alignment)
                        if include_alignment or event.alignment is None:
                            yield event
                        elif event.audio:
                            yield AudioChunk(event.audio)
                    case Done() if header is not None:
                        stored = await self.audio_store.save(
                            audio_id, principal, b"".join(audio), join_alignments(timing), header, event
                        )
                        yield replace(event, stored=stored)

    def _check_size(self, audio_bytes: int) -> None:
        if audio_bytes > self.max_bytes:
            raise MediaError(
                Reason.OUTPUT_TOO_LARGE,
                f"The audio exceeds {self.max_bytes} bytes, the most that is stored; use a smaller output_format.",
            )
