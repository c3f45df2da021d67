"""A supervisor of one forked process. The test process has threads, so it cannot have a fork server itself."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from deploy.local.child import open_watchdog, start_child
from deploy.local.fork_server import ForkServer, parse_command, start_fork_server
from deploy.local.processes import Process
from deploy.local.settings import ROOT
from tests.fakes.children import RecordingOutput
from tests.fakes.waiting import until

MODULE = "tests.fakes.fork_server_child"
ENVIRONMENT = {"A_WORD": "given", "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def main() -> None:
    """Do what the argument says and print the result as JSON."""
    with start_fork_server(["wave"]) as fork_server:
        assert fork_server is not None
        report = asyncio.run(_run(fork_server, sys.argv[1]))
    sys.stdout.write(json.dumps({**report, "children": _list_children()}))


async def _run(fork_server: ForkServer, request: str) -> dict[str, object]:
    if request == "is abandoned":
        return await _start_and_abandon(fork_server)
    if request == "has lost its fork server":
        fork_server.end()
    output, command = RecordingOutput(), (sys.executable, "-m", MODULE, request)
    process = Process(name="child", argv=command, environment=ENVIRONMENT, ready=_is_never_ready)
    async with open_watchdog(1) as watchdog, asyncio.TaskGroup() as tasks:
        child = await start_child(process, output, watchdog, tasks, fork_server)
        await until(lambda: bool(output.lines))
        if request == "waits":
            child.terminate()
        code = await child.exit
    return {"code": code, "lines": [line for _, line in output.lines], "host": os.getpid()}


async def _start_and_abandon(fork_server: ForkServer) -> dict[str, object]:
    request = parse_command((sys.executable, "-m", MODULE, "waits"), ENVIRONMENT, Path.cwd())
    assert request is not None
    reading, writing = os.pipe()
    forked = await fork_server.start(request, writing)
    os.close(writing)
    # The same happens when the supervisor dies here.
    os.close(forked.start_pipe)
    code = await forked.wait()
    fork_server.end()
    return {"code": code, "lines": os.read(reading, 1000).decode().splitlines()}


def _list_children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def _is_never_ready() -> bool:
    return False


if __name__ == "__main__":
    main()
