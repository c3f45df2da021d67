"""A supervisor in a process of its own, for tests that kill it: `python -m tests.fakes.supervised HOME_PORT`."""

from __future__ import annotations

import asyncio
import sys

from deploy.local.shutdown import catch_stop_signals
from deploy.local.supervisor import Options, run_processes
from tests.fakes.children import HAS_A_CHILD, IGNORES_SIGTERM, Home, Notebook

OPTIONS = Options(stop_seconds=0.2)


async def main(port: int) -> None:
    """Run two processes, one of them with a child, until stopped; all but one ignore SIGTERM."""
    home = Home()
    home.port = port
    suite = [home.process("deaf", IGNORES_SIGTERM), home.process("parent", HAS_A_CHILD)]
    with catch_stop_signals() as stop:
        # They report to the test, so that this supervisor never sees them ready; it waits until it is stopped.
        async with run_processes(suite, Notebook(), stop, OPTIONS):
            pass


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
