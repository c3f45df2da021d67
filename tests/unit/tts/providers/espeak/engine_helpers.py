"""Helpers for tests of the running engine: requests, and events of its processes."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.common.timing.alignment import Alignment
from services.tts.formats import FORMATS
from services.tts.providers.espeak.provider import EspeakProvider
from services.tts.providers.espeak.voices import resolve
from services.tts.providers.interface import SpeechSpec, VoiceSettings

SENTENCE = "Hello there, of the $3.50 world. Next line! The end."
LONG = "This sentence is said many times over, so that no buffer holds it. " * 100
DEADLINE_SECONDS = 20


@dataclass(frozen=True)
class Spoken:
    """A whole utterance."""

    audio: bytes
    alignment: Alignment
    chunks: int


def build_spec(
    text: str = SENTENCE,
    output_format: str = "pcm_22050",
    *,
    voice: str = "Aria",
    language_code: str = "",
    settings: VoiceSettings | None = None,
) -> SpeechSpec:
    found = resolve(voice)
    assert found is not None
    return SpeechSpec(text, found, FORMATS[output_format], settings or VoiceSettings(), language_code=language_code)


async def speak(provider: EspeakProvider, request: SpeechSpec, *, with_alignment: bool = False) -> Spoken:
    pieces, alignment, chunks = [], Alignment(), 0
    async with asyncio.timeout(DEADLINE_SECONDS), provider.synthesize(request, with_alignment=with_alignment) as stream:
        async for chunk in stream.chunks:
            chunks += 1
            pieces.append(chunk.audio)
            alignment += chunk.alignment or Alignment()
    return Spoken(b"".join(pieces), alignment, chunks)


def list_children(pid: int) -> set[int]:
    """Return the ids of the running children of a process."""
    children = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                state, parent, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(parent) == pid and state != "Z":
                    children.add(int(folder.name))
    return children


async def wait_until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
