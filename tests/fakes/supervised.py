"""A supervisor in a process of its own, for tests that kill it: `python -m tests.fakes.supervised PORT`."""

from __future__ import annotations

import asyncio
import sys

from deploy.local.shutdown import catch_stop_signals
from deploy.local.supervisor import Options, run_processes
from tests.fakes.children import FORK_AND_WAIT, IGNORE_SIGTERM, RecordingOutput, ReportServer

OPTIONS = Options(stop_seconds=0.2)


async def main(port: int) -> None:
    """Run two processes, one of them with a child, until stopped; all but one ignore SIGTERM."""
    server = ReportServer()
    server.port = port
    suite = [server.make_process("deaf", IGNORE_SIGTERM), server.make_process("parent", FORK_AND_WAIT)]
    with catch_stop_signals() as stop:
        # They report to the test, so that this supervisor never sees them ready; it waits until it is stopped.
        async with run_processes(suite, RecordingOutput(), stop, OPTIONS):
            pass


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
