"""Starts the suite's processes in a tenth of a second each: copies of one that has imported everything.

Run as a module it is the process that has: it reads orders as lines of JSON and answers each with a process id.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local.zygote import Order, Zygote, start_zygote

ROOT = Path(__file__).parents[2]


class SpawnedProcess:
    """A process that was started here; not a child of whoever holds this.

    Args:
        pid: Its number.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def has_ended(self, within_seconds: float = 0) -> bool:
        """Say whether it has ended, or does so in time."""
        return bool(select.select([self._descriptor], [], [], within_seconds)[0])


class ProcessSpawner:
    """Takes orders.

    Args:
        process: The one that has imported everything.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, module: str, environment: Mapping[str, str], folder: Path, log: Path) -> SpawnedProcess:
        """Start `python -m <module>`, whose output is appended to `log`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"module": module, "environment": dict(environment), "folder": str(folder), "log": str(log)}
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        return SpawnedProcess(int(self._process.stdout.readline()))


@contextmanager
def open_spawner() -> Iterator[ProcessSpawner]:
    """Keep a spawner for as long as the context is open."""
    command = (sys.executable, "-m", "tests.faults.process_group")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        # Leaving the context closes its input, which ends it.
        yield ProcessSpawner(process)


async def _serve(zygote: Zygote) -> None:
    async with asyncio.TaskGroup() as lives:
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            descriptor = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                grown = await zygote.start(
                    Order(request["module"], (), request["environment"], request["folder"]), descriptor
                )
            finally:
                os.close(descriptor)
            lives.create_task(grown.wait())
            grown.let_go()
            sys.stdout.write(f"{grown.pid}\n")
            sys.stdout.flush()


def main() -> None:
    """Serve until its input ends; what it has started may go on."""
    with start_zygote() as zygote:
        assert zygote is not None
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(zygote))


if __name__ == "__main__":
    main()
