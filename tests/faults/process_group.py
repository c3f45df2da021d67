"""Starts processes of the suite quickly: they are forks of one process that has imported all modules.

As a module it runs that process, which reads requests as lines of JSON and replies with process ids.
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

from deploy.local.fork_server import ForkRequest, ForkServer, start_fork_server

ROOT = Path(__file__).parents[2]


class SpawnedProcess:
    """A process that the spawner started; not a child of the test process.

    Args:
        pid: Its process id.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def has_ended(self, within_seconds: float = 0) -> bool:
        """Return whether the process has ended, or ends in time."""
        return bool(select.select([self._descriptor], [], [], within_seconds)[0])


class ProcessSpawner:
    """Starts processes.

    Args:
        process: The process that has imported everything.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, module: str, environment: Mapping[str, str], folder: Path, log: Path) -> SpawnedProcess:
        """Start `python -m <module>` and append its output to `log`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"module": module, "environment": dict(environment), "folder": str(folder), "log": str(log)}
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return SpawnedProcess(int(self._process.stdout.readline()))


@contextmanager
def open_spawner() -> Iterator[ProcessSpawner]:
    """Run a spawner while the context is open."""
    command = (sys.executable, "-m", "tests.faults.process_group")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        # Leaving the context closes its input, and that ends the process.
        yield ProcessSpawner(process)


async def _serve(fork_server: ForkServer) -> None:
    async with asyncio.TaskGroup() as tasks:
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            descriptor = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                forked = await fork_server.start(
                    ForkRequest(request["module"], (), request["environment"], request["folder"]), descriptor
                )
            finally:
                os.close(descriptor)
            tasks.create_task(forked.wait())
            forked.release()
            sys.stdout.write(f"{forked.pid}\n")
            sys.stdout.flush()


def main() -> None:
    """Serve until the input ends; started processes may continue."""
    with start_fork_server() as fork_server:
        assert fork_server is not None
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(fork_server))


if __name__ == "__main__":
    main()
