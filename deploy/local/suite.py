"""`python -m deploy.local run`: runs the whole suite at a terminal until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.dev_keys import ensure_identity
from deploy.local.fork_server import ForkServer
from deploy.local.output import Terminal
from deploy.local.ports import EDGE, PortNumbers, choose_ports, require_free_ports
from deploy.local.processes import SUITE, ProcessSpec, build_processes, list_ports
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.shutdown import catch_stop_signals
from deploy.local.state_dir import LOCK, RunningSuite, hold_lock, prepare_folder, publish_running_suite
from deploy.local.supervisor import Options, run_processes
from deploy.local.variables import find_unknown_variables
from services.common.settings import load
from services.image.settings import ImageSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

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
    """Run the suite until a stop signal arrives or its terminal is closed.

    Args:
        settings: State folder and time limits.
        specs: Processes to run.
        fork_server: Forks the processes; None starts each as a new interpreter.

    Raises:
        ConfigurationError: A setting is wrong, a port is taken, or a suite already runs in the folder.
        SuiteError: A process cannot run.
    """
    started = time.monotonic()
    folder = prepare_folder(settings.run_dir)
    engines = list_default_engines()
    ports = choose_ports(list_ports(specs))
    with hold_lock(folder, LOCK, f"process {os.getpid()}, http://localhost:{ports[EDGE.variable]}"):
        require_free_ports(ports)
        suite = build_processes(specs, ports, jwks_file=ensure_identity(folder), log_format=settings.log_format)
        with catch_stop_signals() as stop:
            terminal = Terminal(
                sys.stdout,
                [process.name for process in suite],
                color=sys.stdout.isatty() and not settings.no_color,
                on_close=stop.request,
                hidden={spec.name: re.compile(spec.hidden_lines) for spec in specs if spec.hidden_lines},
            )
            for unknown in find_unknown_variables(Path.cwd()):
                terminal.write_note(f"{unknown.message}; {unknown.remedy}")
            terminal.write_note(f"starting {', '.join(process.name for process in suite)}")
            async with run_processes(suite, terminal, stop, Options(ready_seconds=settings.ready_seconds), fork_server):
                with publish_running_suite(folder, RunningSuite(os.getpid(), ports)):
                    terminal.write_plain(format_welcome(specs, ports, folder, engines, time.monotonic() - started))
                    await asyncio.Event().wait()
        terminal.write_note("stopped")


def format_welcome(
    specs: Sequence[ProcessSpec], ports: PortNumbers, folder: Path, engines: Mapping[str, str], seconds: float
) -> str:
    """Return the text that the terminal shows when the suite is ready.

    Args:
        specs: Processes to run.
        ports: The number of each port.
        folder: State folder.
        engines: Default provider of each medium, with its price.
        seconds: Duration of the start.
    """
    edge = f"localhost:{ports[EDGE.variable]}"
    token = "make -s token" if folder == ROOT / ".run" else f"MEDIA_RUN_DIR={shlex.quote(str(folder))} make -s token"
    running_lines = [
        f"  {spec.name:<9} {'localhost' if EDGE in spec.ports else '127.0.0.1'}:{ports[spec.ports[0].variable]:<7}"
        f" {spec.purpose}"
        for spec in reversed(specs)
    ]
    return f"""
The media suite is ready after {seconds:.1f} s: http://{edge}

{chr(10).join(running_lines)}
{chr(10).join(f"  {medium:<9} {engine}" for medium, engine in engines.items())}
  state     {folder}

Try, in another terminal in this folder:

  curl -fN http://{edge}/api/speech/stream -H "Authorization: Bearer $({token})" \\
    -H 'Content-Type: application/json' -d '{{"text": "Hello! This audio arrives while it is generated."}}' -o hello.mp3

  grpcurl -plaintext -H "Authorization: Bearer $({token})" {edge} list

  http://{edge}/docs in a browser

Ctrl-C stops everything.
"""


def list_default_engines() -> Mapping[str, str]:
    """Return the default provider of each medium, and whether it costs money.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    defaults = {
        "speech": load(TtsSettings).provider_by_default,
        "images": load(ImageSettings).provider_by_default,
        "videos": load(VideoSettings).provider_by_default,
    }
    return {medium: _ENGINES[medium][provider] for medium, provider in defaults.items()}
