"""`python -m deploy.local run`: the whole suite at a terminal, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.dev_keys import ensure_identity
from deploy.local.fork_server import ForkServer
from deploy.local.output import Terminal
from deploy.local.ports import EDGE, Chosen, choose_ports, require_free_ports
from deploy.local.processes import SUITE, ProcessSpec, build_processes, list_ports
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.shutdown import catch_stop_signals
from deploy.local.state_dir import hold_lock, prepare
from deploy.local.supervisor import Options, run_processes
from services.common.settings import load
from services.image.settings import ImageSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

_LOCK = "lock"
_ENGINES: Mapping[str, Mapping[str, str]] = {
    "speech": {
        "espeak": "espeak (embedded, free; set ELEVENLABS_API_KEY for elevenlabs)",
        "elevenlabs": "elevenlabs (paid, by ELEVENLABS_API_KEY; `provider: espeak` is embedded and free)",
    },
    "images": {
        "embedded": "embedded (free; set FAL_KEY for fal, GEMINI_API_KEY for gemini)",
        "fal": "fal (paid, by FAL_KEY; `provider: embedded` is free)",
        "gemini": "gemini (paid, by GEMINI_API_KEY; `provider: embedded` is free)",
    },
    "videos": {
        "embedded": "embedded (free; set REPLICATE_API_TOKEN for replicate)",
        "replicate": "replicate (paid, by REPLICATE_API_TOKEN; `provider: embedded` is free)",
    },
}


async def run_suite(
    settings: LocalSettings, specs: Sequence[ProcessSpec] = SUITE, fork_server: ForkServer | None = None
) -> None:
    """Run the suite until it is asked to stop.

    Args:
        settings: State folder and time limits.
        specs: Processes to run.
        fork_server: Forks its processes.

    Raises:
        ConfigurationError: A setting is wrong, a port is taken, or the suite runs already.
        SuiteFailed: A process cannot run.
    """
    began = time.monotonic()
    folder = prepare(settings.run_dir)
    makers = list_default_engines()
    chosen = choose_ports(list_ports(specs))
    with hold_lock(folder, _LOCK, f"process {os.getpid()}, http://localhost:{chosen[EDGE.variable]}"):
        require_free_ports(chosen)
        suite = build_processes(specs, chosen, jwks_file=ensure_identity(folder), log_format=settings.log_format)
        with catch_stop_signals() as stop:
            terminal = Terminal(
                sys.stdout,
                [process.name for process in suite],
                color=sys.stdout.isatty() and not settings.no_color,
                gone=stop.ask,
            )
            terminal.note(f"starting {', '.join(process.name for process in suite)}")
            async with run_processes(suite, terminal, stop, Options(ready_seconds=settings.ready_seconds), fork_server):
                terminal.plain(format_welcome(specs, chosen, folder, makers, time.monotonic() - began))
                await asyncio.Event().wait()
        terminal.note("stopped")


def format_welcome(
    specs: Sequence[ProcessSpec], chosen: Chosen, folder: Path, makers: Mapping[str, str], seconds: float
) -> str:
    """Return the text that is shown when the suite is ready.

    Args:
        specs: Processes to run.
        chosen: The port of each variable.
        folder: State folder.
        makers: Default engine by medium.
        seconds: Duration of the start.
    """
    edge = f"localhost:{chosen[EDGE.variable]}"
    token = "make -s token" if folder == ROOT / ".run" else f"make -s token MEDIA_RUN_DIR={shlex.quote(str(folder))}"
    running_lines = [
        f"  {spec.name:<9} {'localhost' if EDGE in spec.ports else '127.0.0.1'}:{chosen[spec.ports[0].variable]:<7}"
        f" {spec.purpose}"
        for spec in reversed(specs)
    ]
    return f"""
The media suite is ready after {seconds:.1f} s: http://{edge}

{chr(10).join(running_lines)}
{chr(10).join(f"  {medium:<9} {maker}" for medium, maker in makers.items())}
  state     {folder}

Try, in another terminal in this folder:

  curl -fN http://{edge}/api/speech/stream -H "Authorization: Bearer $({token})" \\
    -H 'Content-Type: application/json' -d '{{"text": "Hello! This audio arrives while it is generated."}}' -o hello.mp3

  grpcurl -plaintext -H "Authorization: Bearer $({token})" {edge} list

  http://{edge}/docs in a browser

Ctrl-C stops everything.
"""


def list_default_engines() -> Mapping[str, str]:
    """Return, by medium, the default provider and whether it costs money.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    defaults = {
        "speech": load(TtsSettings).provider_by_default,
        "images": load(ImageSettings).provider_by_default,
        "videos": load(VideoSettings).provider_by_default,
    }
    return {medium: _ENGINES[medium][provider] for medium, provider in defaults.items()}
