"""A supervisor in a process of its own, for tests that kill it: `python -m tests.fakes.supervised PORT`.

It prints the name of each process that it has registered with its watchdog.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from functools import partial

from deploy.local.shutdown import catch_stop_signals
from deploy.local.supervisor import Options, run_processes
from tests.fakes.children import FORK_AND_WAIT, IGNORE_SIGTERM, RecordingOutput, ReportServer

OPTIONS = Options(stop_seconds=0.2)


async def main(port: int) -> None:
    """Run two processes, one of them with a child, until stopped; all but one ignore SIGTERM."""
    server = ReportServer()
    server.port = port
    suite = [
        replace(process, ready=partial(report_registered, process.name))
        for process in (server.make_process("deaf", IGNORE_SIGTERM), server.make_process("parent", FORK_AND_WAIT))
    ]
    with catch_stop_signals() as stop:
        # No process is ever ready: this supervisor waits until it is stopped.
        async with run_processes(suite, RecordingOutput(), stop, OPTIONS):
            pass


async def report_registered(name: str) -> bool:
    """Print the name of a process, and never return: the supervisor asks for its readiness once it is registered."""
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    return False


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
