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
from deploy.local.engines import engines
from deploy.local.output import Terminal
from deploy.local.ports import EDGE, Chosen, choose, require_free
from deploy.local.processes import SUITE, Row, list_ports, processes
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.shutdown import stoppable
from deploy.local.state_dir import hold_lock, prepare
from deploy.local.supervisor import Options, running
from deploy.local.zygote import Zygote

_LOCK = "lock"


async def run_suite(settings: LocalSettings, rows: Sequence[Row] = SUITE, zygote: Zygote | None = None) -> None:
    """Run the suite until it is asked to stop.

    Args:
        settings: Where its state is, and how patient to be.
        rows: What runs.
        zygote: Makes its processes.

    Raises:
        ConfigurationError: A setting is wrong, a port is taken, or the suite runs already.
        SuiteFailed: A process cannot run.
    """
    began = time.monotonic()
    folder = prepare(settings.run_dir)
    makers = engines()
    chosen = choose(list_ports(rows))
    with hold_lock(folder, _LOCK, f"process {os.getpid()}, http://localhost:{chosen[EDGE.variable]}"):
        require_free(chosen)
        suite = processes(rows, chosen, jwks_file=ensure_identity(folder), log_format=settings.log_format)
        with stoppable() as stop:
            terminal = Terminal(
                sys.stdout,
                [process.name for process in suite],
                color=sys.stdout.isatty() and not settings.no_color,
                gone=stop.ask,
            )
            terminal.note(f"starting {', '.join(process.name for process in suite)}")
            async with running(suite, terminal, stop, Options(ready_seconds=settings.ready_seconds), zygote):
                terminal.plain(welcome(rows, chosen, folder, makers, time.monotonic() - began))
                await asyncio.Event().wait()
        terminal.note("stopped")


def welcome(rows: Sequence[Row], chosen: Chosen, folder: Path, makers: Mapping[str, str], seconds: float) -> str:
    """Return what a person needs to know once the suite is ready.

    Args:
        rows: What runs.
        chosen: The port of each variable.
        folder: Where the state is.
        makers: Who makes what by default, by medium.
        seconds: How long the start took.
    """
    edge = f"localhost:{chosen[EDGE.variable]}"
    token = "make -s token" if folder == ROOT / ".run" else f"make -s token MEDIA_RUN_DIR={shlex.quote(str(folder))}"
    running_lines = [
        f"  {row.name:<9} {'localhost' if EDGE in row.ports else '127.0.0.1'}:{chosen[row.ports[0].variable]:<7}"
        f" {row.purpose}"
        for row in reversed(rows)
    ]
    return f"""
The media suite is ready after {seconds:.1f} s: http://{edge}

{chr(10).join(running_lines)}
{chr(10).join(f"  {medium:<9} {maker}" for medium, maker in makers.items())}
  state     {folder}

Try, in another terminal in this folder:

  curl -fN http://{edge}/api/speech/stream -H "Authorization: Bearer $({token})" \\
    -H 'Content-Type: application/json' -d '{{"text": "Hello! You hear me while I am made."}}' -o hello.mp3

  grpcurl -plaintext -H "Authorization: Bearer $({token})" {edge} list

  http://{edge}/docs in a browser

Ctrl-C stops everything.
"""
