"""`python -m deploy.local demo`: starts the suite, has one sentence spoken through the edge, and stops."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from deploy.local.folder import locked, prepare
from deploy.local.identity import ensure_identity, issue_token
from deploy.local.output import Files
from deploy.local.ports import EDGE, LOOPBACK, choose_free
from deploy.local.processes import SUITE, Row, ports_of, processes
from deploy.local.settings import LocalSettings
from deploy.local.speech_client import fetch_timing, save_speech
from deploy.local.stopping import stoppable
from deploy.local.supervisor import Options, running

_LOCK = "demo.lock"
_LIFETIME_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the demo makes."""

    text: str
    """What to say."""
    voice: str = ""
    """Name or id of the voice; empty for the suite's default."""
    output: Path | None = None
    """Folder for the two files; None for `demo` in the folder of the suite's state."""


async def demonstrate(settings: LocalSettings, wish: Wish, rows: Sequence[Row] = SUITE) -> bool:
    """Makes speech.mp3 and alignment.json on ports of its own, beside a suite that may be running.

    Args:
        settings: Where the state is, and how patient to be.
        wish: What to make.
        rows: What runs meanwhile.

    Returns:
        Whether it came to its end; False if it was asked to stop before.

    Raises:
        ConfigurationError: A setting is wrong, or a demo is running.
        SuiteFailed: A process can not run.
        SpeechFailed: The suite gave no speech.
    """
    folder = prepare(settings.run_dir)
    target = prepare(wish.output or folder / "demo")
    chosen = choose_free(ports_of(rows))
    logs = folder / "logs"
    with locked(folder, _LOCK, f"process {os.getpid()}"), stoppable() as stop:
        suite = processes(rows, chosen, jwks_file=ensure_identity(folder), log_format=settings.log_format)
        print(f"Starting the suite; its logs are in {logs}")
        with closing(Files(logs, [process.name for process in suite])) as output:
            async with running(suite, output, stop, Options(ready_seconds=settings.ready_seconds)):
                await _speak(f"http://{LOOPBACK}:{chosen[EDGE.variable]}", _token(settings, folder), wish, target)
    return not stop.asked


async def _speak(edge: str, token: str, wish: Wish, target: Path) -> None:
    request = {"text": wish.text} | ({"voice": wish.voice} if wish.voice else {})
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(edge, headers=headers) as session:
        audio = await save_speech(session, request, target / "speech.mp3")
        timing = await fetch_timing(session, request)
    alignment = target / "alignment.json"
    alignment.write_text(json.dumps(timing.alignment, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(
        f"{target / 'speech.mp3'}: {timing.duration_seconds:.1f} s of speech by {audio.provider},"
        f" {audio.size_bytes:,} bytes; the first after {audio.first_byte_seconds * 1000:.0f} ms\n"
        f"{alignment}: when each of {len(timing.alignment['characters'])} characters is heard"
    )


def _token(settings: LocalSettings, folder: Path) -> str:
    return issue_token(folder, "demo", _LIFETIME_SECONDS, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
